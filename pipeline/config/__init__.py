"""The whole configuration of a run: one YAML file, typed and validated.

Each section is defined beside the step that reads it. This imports neither TFX nor TensorFlow, so
that a mistake is reported in well under a second.

    >>> load_config("digits", overrides=["training.epochs=3"]).training.epochs
    3
    >>> load_config("digits", overrides=["training.epoch=3"])
    Traceback (most recent call last):
    ...
    components.errors.UserError: The configuration (digits.yaml with its --set) is not valid:
    training.epoch: no such key; did you mean epochs?.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from components.backbone.config import BackboneConfig
from components.data_gate.config import DataGateConfig
from components.errors import UserError
from components.evaluator.config import EvaluationConfig
from components.example_gen.config import DataConfig
from components.model_check.config import ServingConfig
from components.pusher.config import PushConfig
from components.section import Section, matching
from components.trainer.config import TrainingConfig
from components.transform.config import PreprocessingConfig
from components.tuner.config import SearchConfig
from pipeline.config.beam import BeamConfig
from pipeline.config.kubeflow import KubeflowConfig
from pipeline.config.paths import with_absolute_paths
from pipeline.config.yaml_text import parse_yaml, read_text
from pipeline.shipped import DEFAULT_PRESET, PRESETS, preset_names

PipelineName = Annotated[
    str,
    matching(
        "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
        "1 to 63 lower-case letters, digits and dashes, without a dash at either end",
    ),
]


class Named(Section):
    """The part of a configuration that can be read even if the rest is invalid."""

    pipeline_name: PipelineName = Field(
        description="The name of the output folder and of the lineage: lower-case letters, digits "
        "and dashes.",
    )


class Config(Named):
    """One run of the pipeline."""

    data: DataConfig
    data_gate: DataGateConfig = DataGateConfig()
    preprocessing: PreprocessingConfig = PreprocessingConfig()
    backbone: BackboneConfig
    training: TrainingConfig = TrainingConfig()
    search: SearchConfig | None = Field(
        None,
        description="The search for hyper-parameters before the training; null trains with those "
        "of `training`.",
    )
    evaluation: EvaluationConfig
    serving: ServingConfig = ServingConfig()
    push: PushConfig = PushConfig()
    beam: BeamConfig = BeamConfig()
    kubeflow: KubeflowConfig = KubeflowConfig()

    @model_validator(mode="after")
    def _sections_go_together(self) -> Config:
        if self.search:
            self.search.check(self.training)
        splits = self.data.splits
        if self.evaluation.split == "test" and splits is not None and splits.test is None:
            raise ValueError("evaluation.split is test, but data.splits.test is not given")
        kubeflow = self.kubeflow
        paths = {
            "kubeflow.output": kubeflow.output_of(self.pipeline_name),
            "kubeflow.metadata.sqlite": kubeflow.metadata.sqlite,
        }
        lost = kubeflow.lost_path(paths)
        if lost:
            raise ValueError(
                f"{lost} is not on a volume that every step mounts, so pods would lose it; add one "
                "to kubeflow.volumes"
            )
        return self


def load_config(
    preset: str | None = None, file: str | None = None, overrides: Iterable[str] = ()
) -> Config:
    """Reads a preset or a file and applies `section.key=value` overrides.

    Args:
      preset: name of a shipped preset; the default one if neither it nor `file` is given.
      file: path of a YAML file.
      overrides: `section.key=value`, the value in YAML; later ones win.

    Raises:
      UserError: the file cannot be read, or the configuration is not valid. The message lists the
        path of each wrong key and what is wrong with it.
    """
    name, values = read_values(preset, file)
    return override_config(values, overrides, name)


def read_values(preset: str | None = None, file: str | None = None) -> tuple[str, dict[str, Any]]:
    """The name of a preset's or a file's YAML, and its plain values, paths absolute.

    Raises:
      UserError: the source cannot be read.
    """
    path, values = _read_source(preset, file)
    return path.name, with_absolute_paths(values, path.resolve().parent if file else Path.cwd())


def override_config(
    values: Mapping[str, Any], overrides: Iterable[str], name: str = "the package"
) -> Config:
    """Applies `section.key=value` overrides to a configuration's plain values.

    Args:
      values: as read from a file, its paths absolute.
      overrides: `section.key=value`, the value in YAML; later ones win.
      name: of the configuration, for errors.

    Raises:
      UserError: the configuration is not valid.
    """
    try:
        return Config.model_validate(overridden(values, overrides))
    except ValidationError as error:
        raise UserError(_describe(error, name)) from error


def overridden(values: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """A configuration's plain values with `section.key=value` overrides, not yet validated.

    >>> overridden({"data": {"table": "/labels.csv"}}, ["data.table.label=species"])
    {'data': {'table': {'path': '/labels.csv', 'label': 'species'}}}

    Args:
      values: as read from a file, its paths absolute.
      overrides: `section.key=value`, the value in YAML; later ones win.

    Raises:
      UserError: an override is not of this form.
    """
    changed = copy.deepcopy(dict(values))
    _lengthen(changed)
    before = copy.deepcopy(changed)
    for override in overrides:
        _apply_override(changed, override)
        _lengthen(changed)
    return with_absolute_paths(changed, Path.cwd(), unless_in=before)


def _lengthen(values: dict[str, Any]) -> None:
    """Writes the short form of `data.table` as a section, to which an override may add a key."""
    data = values.get("data")
    if isinstance(data, dict) and isinstance(data.get("table"), str):
        data["table"] = {"path": data["table"]}


def pipeline_name_in(preset: str | None, file: str | None, overrides: Iterable[str]) -> str:
    """The pipeline's name in a configuration that may be invalid; empty if none is found."""
    try:
        _, values = _read_source(preset, file)
        for override in overrides:
            if override.startswith("pipeline_name="):
                _apply_override(values, override)
        return Named.model_validate({"pipeline_name": values.get("pipeline_name")}).pipeline_name
    except (UserError, ValidationError):
        return ""


def dump_config(config: Config) -> dict[str, Any]:
    """The resolved configuration as plain values, ready for JSON or YAML."""
    return config.model_dump(mode="json")


def _read_source(preset: str | None, file: str | None) -> tuple[Path, dict[str, Any]]:
    if file is not None:
        return Path(file), _read_yaml(Path(file))
    name = preset or DEFAULT_PRESET
    if name not in preset_names():
        raise UserError(f"There is no preset {name!r}; choose from {', '.join(preset_names())}.")
    path = PRESETS / f"{name}.yaml"
    return path, _read_yaml(path)


def _read_yaml(path: Path) -> dict[str, Any]:
    found = parse_yaml(read_text(path), str(path))
    values = {} if found is None else found
    if not isinstance(values, dict):
        raise UserError(
            f"{path} must contain `section:` blocks of `key: value`, not a {_kind(values)}."
        )
    return values


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UserError(f"--set {override}: write it as section.key=value.")
    node = values
    for depth, part in enumerate(parts[:-1], 1):
        child = node.get(part)
        if not isinstance(child, dict):
            # A mapping replaces a scalar: training.schedule=keras_io, then schedule.steps.
            if child is not None and depth == 1:
                raise UserError(f"--set {override}: {part} is not a section.")
            child = node[part] = {}
        node = child
    node[parts[-1]] = parse_yaml(text, f"--set {key}")


def _describe(error: ValidationError, name: str) -> str:
    """One line per mistake: the key's path, what is wrong, and the given value."""
    lines = []
    for item in error.errors(include_url=False):
        # Pydantic adds the branch of a union, which is not a key in the file.
        location = tuple(part for part in item["loc"] if not str(part).startswith("<"))
        key = ".".join(str(part) for part in location) or "the file"
        if item["type"] == "extra_forbidden":
            lines.append(f"{key}: no such key{_did_you_mean(location)}")
        elif item["type"] == "missing":
            lines.append(f"{key}: is required")
        else:
            message = item["msg"].removeprefix("Value error, ")
            given = item["input"]
            shown = "" if isinstance(given, dict) else f" (given: {given!r})"
            lines.append(f"{key}: {message[0].lower()}{message[1:]}{shown}")
    head = f"The configuration ({name} with its --set) is not valid: "
    return head + (lines[0] + "." if len(lines) == 1 else "\n  " + "\n  ".join(lines))


def _did_you_mean(location: tuple[int | str, ...]) -> str:
    import difflib

    models: list[type[BaseModel]] = [Config]
    for part in (part for part in location[:-1] if isinstance(part, str)):
        fields = [model.model_fields.get(part) for model in models]
        # A part that is not a field is the user's own key in a mapping of sections.
        models = [
            found for field in fields if field for found in sections_in(field.annotation)
        ] or models
    names = [name for model in models for name in model.model_fields]
    close = difflib.get_close_matches(str(location[-1]), names, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in sections_in(part)]


def _kind(value: Any) -> str:
    return {list: "list", str: "text", int: "number", float: "number"}.get(type(value), "value")
