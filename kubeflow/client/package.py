"""The compiled package: its name, its parameters, its tasks, and what a run of it is given.

>>> package = Package(Path("digits.yaml"), "5f2a" * 16, "digits", {"epochs": "STRING"}, (), {})
>>> package.version_name
'digits-5f2a5f2a5f2a'
>>> arguments(package, given=["epochs=5"], overrides=[])
{'epochs': '5'}
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.commands import bit_tfx
from components.errors import UserError
from kubeflow.braces import check_package, check_values
from pipeline.config.yaml_text import parse_documents, parse_yaml, read_text

OVERRIDES = "overrides"
"""The list parameter that takes `section.key=value`."""

_KINDS: dict[str, tuple[type, ...]] = {
    "BOOLEAN": (bool,),
    "NUMBER_INTEGER": (int,),
    "NUMBER_DOUBLE": (int, float),
    "LIST": (list,),
    "STRUCT": (dict,),
}


@dataclass(frozen=True)
class Package:
    """The content of the YAML file.

    Attributes:
      path: the file.
      digest: SHA-256 of its bytes, in hexadecimal.
      name: the pipeline's name.
      parameters: KFP's type by the parameter's name.
      required: the parameters without a default.
      tasks: the tasks that run a container, by each name that a server may call them.
    """

    path: Path
    digest: str
    name: str
    parameters: Mapping[str, str]
    required: tuple[str, ...]
    tasks: Mapping[str, str]

    @property
    def version_name(self) -> str:
        """One name for one content; unlike others' too where versions share a namespace."""
        return f"{self.name[:40]}-{self.digest[:12]}"


def read_package(path: Path) -> Package:
    """Reads a package that `bit-tfx kubeflow compile` wrote.

    Raises:
      UserError: the file cannot be read or is no KFP package.
    """
    advice = f"To see how one is written: {bit_tfx('kubeflow', 'compile', '--help')}"
    if path.suffix not in (".yaml", ".yml"):
        raise UserError(f"{path} is no package: it must end in .yaml. {advice}")
    try:
        text = read_text(path)
    except UserError as error:
        raise UserError(f"{error} {advice}") from error
    documents = parse_documents(text, str(path))
    for document in documents:
        check_package(document, str(path))
    spec = documents[0] if documents and isinstance(documents[0], dict) else {}
    try:
        parameters = spec["root"].get("inputDefinitions", {}).get("parameters", {})
        return Package(
            path=path,
            digest=hashlib.sha256(text.encode()).hexdigest(),
            name=str(spec["pipelineInfo"]["name"]),
            parameters={name: str(one["parameterType"]) for name, one in parameters.items()},
            required=tuple(
                name
                for name, one in parameters.items()
                if not one.get("isOptional") and "defaultValue" not in one
            ),
            tasks=_container_tasks(spec),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is no package of Kubeflow Pipelines v2 ({error} is missing). {advice}"
        ) from error


def _container_tasks(spec: dict[str, Any]) -> dict[str, str]:
    components = spec["components"]
    dags = [spec["root"]["dag"]] + [one["dag"] for one in components.values() if "dag" in one]
    names: dict[str, str] = {}
    for dag in dags:
        for name, task in dag["tasks"].items():
            if "executorLabel" in components[task["componentRef"]["name"]]:
                # Servers show the task's name; set_display_name changes only the second one.
                names.setdefault(task.get("taskInfo", {}).get("name", name), name)
                names[name] = name
    return names


def arguments(package: Package, given: Iterable[str], overrides: Iterable[str]) -> dict[str, Any]:
    """The run's parameters from `--param name=value` and `--set section.key=value`.

    Raises:
      UserError: a name that neither the package nor the configuration has, or a wrong value.
    """
    values: dict[str, Any] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals or not name:
            raise UserError(f"--param {one}: write it as name=value.")
        if name == OVERRIDES:
            raise UserError(f"--param {one}: say it as --set section.key=value.")
        if name not in package.parameters:
            raise UserError(_unknown(f"--param {one}", name, {*package.parameters} - {OVERRIDES}))
        check_values(text, f"--param {name}")
        values[name] = _typed(one, package.parameters[name], text)
    settings = list(overrides)
    for setting in settings:
        check_values(setting, f"--set {setting.partition('=')[0]}")
        _check_override(setting)
    if settings:
        if package.parameters.get(OVERRIDES) != "LIST":
            raise UserError(
                f"{package.path} takes no --set: it has no list parameter {OVERRIDES}. "
                f"A package of `{bit_tfx('kubeflow', 'score')}` takes --param alone; compile any "
                "other one with this version of bit-tfx."
            )
        values[OVERRIDES] = settings
    missing = [name for name in package.required if name not in values]
    if missing:
        raise UserError(f"{package.path} wants --param {missing[0]}=VALUE.")
    return values


def _typed(given: str, kind: str, text: str) -> Any:
    if kind not in _KINDS:
        return text
    value = parse_yaml(text, f"--param {given}")
    if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "BOOLEAN"):
        raise UserError(f"--param {given}: the value must be a {kind}.")
    return value


def _check_override(setting: str) -> None:
    """Refuses a key that the configuration does not have, before a cluster has to say it."""
    from pipeline.config import Config, sections_in

    key, equals, _ = setting.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UserError(f"--set {setting}: write it as section.key=value.")
    models: list[Any] = [Config]
    for depth, part in enumerate(parts):
        fields = {name: field for model in models for name, field in model.model_fields.items()}
        if part not in fields:
            where = ".".join(parts[:depth])
            raise UserError(
                _unknown(f"--set {setting}", part, fields, f" in {where}" * bool(where))
            )
        having = [model.model_fields[part] for model in models if part in model.model_fields]
        models = [section for field in having for section in sections_in(field.annotation)]
        if not models:
            # What is left names a key of a free mapping, such as a split.
            return


def _unknown(given: str, name: str, known: Iterable[str], where: str = "") -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    return f"{given}: there is no {name}{where}.{meant} There are {', '.join(names)}."
