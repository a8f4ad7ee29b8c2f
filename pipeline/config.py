"""The whole configuration of a run: one YAML file, typed and validated.

Each section is defined beside the step that reads it. Imports neither TFX nor TensorFlow, so that a
mistake is told in well under a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from components.errors import UserError
from components.evaluator.config import EvaluationConfig
from components.example_gen.config import DataConfig
from components.section import Section
from components.trainer.config import SHIPPED, BackboneConfig, TrainingConfig
from components.transform.config import PreprocessingConfig

PRESETS = Path(__file__).resolve().parent / "presets"
SCHEMAS = PRESETS / "schemas"
DEFAULT_PRESET = "digits"


class Config(Section):
    """One run of the pipeline."""

    pipeline_name: str = Field(
        pattern="^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        description="Names the output folder and the lineage: lower-case letters, digits, dashes.",
    )
    data: DataConfig
    preprocessing: PreprocessingConfig = PreprocessingConfig()
    backbone: BackboneConfig
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig


def preset_names() -> list[str]:
    """The shipped presets, sorted."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def load_config(
    preset: str | None = None, file: str | None = None, overrides: Iterable[str] = ()
) -> Config:
    """Reads a preset or a file and applies `section.key=value` overrides.

    Args:
      preset: name of a shipped preset; the default one where neither it nor `file` is given.
      file: path of a YAML file.
      overrides: `section.key=value`, the value in YAML; later ones win.

    Raises:
      UserError: the source cannot be read, or the configuration is not valid. The text names each
        key by its path and says what is wrong with it.
    """
    if file is not None:
        path = Path(file)
    else:
        name = preset or DEFAULT_PRESET
        if name not in preset_names():
            raise UserError(
                f"There is no preset {name!r}; choose from {', '.join(preset_names())}."
            )
        path = PRESETS / f"{name}.yaml"
    values = _read_yaml(path)
    for override in overrides:
        _apply_override(values, override)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise UserError(_describe(error, path)) from error
    return _with_absolute_paths(config, path.resolve().parent if file else Path.cwd())


def dump_config(config: Config) -> dict[str, Any]:
    """The resolved configuration as plain values, ready for JSON or YAML."""
    return config.model_dump(mode="json")


def write_yaml(values: Mapping[str, Any], path: Path) -> None:
    """Writes plain values as YAML."""
    yaml = YAML()
    with path.open("w", encoding="utf-8") as stream:
        yaml.dump(dict(values), stream)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: byte {error.start} is not valid.") from error
    values = _parse_yaml(text, str(path))
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise UserError(
            f"{path} must hold `section:` blocks of `key: value`, not a {_kind(values)}."
        )
    return values


def _parse_yaml(text: str, where: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = error.problem or error.context or "not valid"
        raise UserError(f"{where}{place} is not valid YAML: {problem.splitlines()[0]}.") from error
    except (YAMLError, ValueError) as error:
        raise UserError(f"{where} is not valid YAML: {str(error).splitlines()[0]}.") from error


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UserError(f"--set {override}: write it as section.key=value.")
    node = values
    for depth, part in enumerate(parts[:-1], 1):
        child = node.get(part)
        if not isinstance(child, dict):
            # A scalar gives way to a mapping: training.schedule=seed, then training.schedule.steps.
            if child is not None and depth == 1:
                raise UserError(f"--set {override}: {part} is not a section.")
            child = node[part] = {}
        node = child
    node[parts[-1]] = _parse_yaml(text, f"--set {key}")


def _describe(error: ValidationError, path: Path) -> str:
    """One line per mistake: the key's path, what is wrong, what was given."""
    lines = []
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"]) or "the file"
        if item["type"] == "extra_forbidden":
            lines.append(f"{key}: no such key{_did_you_mean(item['loc'])}")
        elif item["type"] == "missing":
            lines.append(f"{key}: must be given")
        else:
            message = item["msg"].removeprefix("Value error, ")
            given = item["input"]
            shown = "" if isinstance(given, dict) else f" (given: {given!r})"
            lines.append(f"{key}: {message[0].lower()}{message[1:]}{shown}")
    head = f"The configuration ({path.name} with its --set) is not valid: "
    return head + (lines[0] + "." if len(lines) == 1 else "\n  " + "\n  ".join(lines))


def _did_you_mean(location: tuple[int | str, ...]) -> str:
    import difflib

    model: Any = Config
    for part in location[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        model = field.annotation if field else None
    close = difflib.get_close_matches(str(location[-1]), getattr(model, "model_fields", {}), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _with_absolute_paths(config: Config, base: Path) -> Config:
    """Paths in a file count from the file; from the command line or a preset, from here."""

    def absolute(text: str | None) -> str | None:
        return str(Path(base, Path(text).expanduser())) if text and "://" not in text else text

    data, backbone = config.data, config.backbone
    schema = data.curated_schema
    if schema is not None and not (SCHEMAS / f"{schema}.pbtxt").exists():
        schema = absolute(schema)
    handle = backbone.handle
    is_path = handle.startswith((".", "~", "/")) or Path(base, handle).is_dir()
    if is_path and handle not in SHIPPED:
        handle = absolute(handle) or handle
    data = data.model_copy(update={"data_dir": absolute(data.data_dir), "curated_schema": schema})
    return config.model_copy(
        update={"data": data, "backbone": backbone.model_copy(update={"handle": handle})}
    )


def _kind(value: Any) -> str:
    return {list: "list", str: "text", int: "number", float: "number"}.get(type(value), "value")
