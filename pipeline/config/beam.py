"""The `beam` section: the Beam runner of the data-parallel steps, and its options as flags.

Imports neither TFX nor Beam. docs/how-to/beam.md explains what each runner needs.

    >>> beam_pipeline_args(BeamConfig(options={"direct_num_workers": 4}))
    ['--runner=FnApiRunner', '--direct_num_workers=4', '--sdk_container_image=none', ...]
    >>> BeamConfig(runner="DaskRunner")
    Traceback (most recent call last):
    ...
    pydantic_core._pydantic_core.ValidationError: 1 validation error for BeamConfig
    runner
      Value error, it loses records: ...
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from components.errors import UserError
from components.section import Section
from pipeline.config.prism import build_command

IN_PROCESS = "FnApiRunner"
"""Beam's in-process runner. The default since 2.68 first tries to download another one."""

AUTO = "auto"
SETUP_PY = Path(__file__).resolve().parents[2] / "setup.py"

JOB_SERVER_TIMEOUT_S = 24 * 60 * 60
"""Beam's default of 300 s stops every longer step: it also limits the job's state stream."""

_NO_IMAGE = "none"
_NO_LIST = "disable_logging_submission_environment"
_REFUSED = {
    "BundleBasedDirectRunner": "it is for Beam's own tests; FnApiRunner is the in-process runner",
    "DaskRunner": "it loses records: a split was missing after a successful step. Use "
    "FnApiRunner, or PortableRunner, FlinkRunner or SparkRunner for a cluster",
    "DirectRunner": "it tries to download another runner, and falls back to FnApiRunner; use that",
    "InteractiveRunner": "it is for notebooks; FnApiRunner is the in-process runner",
    "SwitchingDirectRunner": "it tries to download another runner; use FnApiRunner",
}
_PACKAGES = {
    "extra_package",
    "extra_packages",
    "requirements_file",
    "sdk_container_image",
    "worker_harness_container_image",
}
_OWN_KEYS = {"runner": "beam.runner", "setup_file": "beam.setup_file"}
_ENVIRONMENTS = {
    "DOCKER": "the image, which must hold the libraries of this project",
    "EXTERNAL": "host:port of the worker pool",
    "PROCESS": 'JSON text, {"command": "/opt/apache/beam/boot"}',
    "LOOPBACK": "",
}
_CLUSTER = ("PortableRunner", "FlinkRunner", "SparkRunner")
PRISM = "PrismRunner"
"""Beam starts its local runner in Go, beside the step."""

PORTABLE = (*_CLUSTER, PRISM)
"""Those that send the job to a job service."""


def _is_value(value: Any) -> Any:
    if isinstance(value, list | tuple):
        if not all(type(item) in (int, float, str) for item in value):
            raise ValueError("a list may contain strings and numbers only")
        return tuple(value)
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise ValueError("an option must be a string, a number, true, false, null or a list")


OptionValue = Annotated[Any, AfterValidator(_is_value)]


class BeamConfig(Section):
    """Where ExampleGen, StatisticsGen and Evaluator run; see [beam.md](../how-to/beam.md)."""

    runner: Literal[
        "FnApiRunner",
        "PortableRunner",
        "PrismRunner",
        "DataflowRunner",
        "FlinkRunner",
        "SparkRunner",
    ] = Field(
        "FnApiRunner",
        description="The Beam runner. `FnApiRunner` runs in-process; `PortableRunner` uses any of "
        "Beam's job services, and `PrismRunner` starts one. `DataflowRunner` is untested.",
    )
    options: dict[str, OptionValue] = Field(
        {},
        description="Beam's pipeline options by name: `true` gives a flag without a value, a list "
        "repeats the flag, `false` and null omit it. Beam logs and ignores unknown options.",
    )
    setup_file: str | None = Field(
        None,
        min_length=1,
        description="A setup.py whose package Beam builds and installs on every worker; `auto` is "
        "this project's own. null if the workers' image contains the project.",
    )

    @field_validator("runner", mode="before")
    @classmethod
    def _known_runner(cls, name: Any) -> Any:
        if isinstance(name, str) and name in _REFUSED:
            raise ValueError(_REFUSED[name])
        return name

    @field_validator("options")
    @classmethod
    def _names(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name in options:
            if name in _OWN_KEYS:
                raise ValueError(f"{name} cannot be an option; set {_OWN_KEYS[name]} instead")
            if not re.fullmatch("[a-z][a-z0-9_]*", name):
                raise ValueError(
                    f"{name!r} is not the name of a Beam option: write it in lower-case letters, "
                    "digits and underscores, without the leading dashes"
                )
        return options

    @model_validator(mode="after")
    def _complete(self) -> BeamConfig:
        missing = _missing(self.runner, self.given())
        if missing:
            raise ValueError(f"runner {self.runner} needs {missing}")
        if self.runner == PRISM and "job_endpoint" in self.options:
            raise ValueError(
                "PrismRunner starts Prism itself; for one that runs already, use PortableRunner "
                "with beam.options.job_endpoint"
            )
        if self.setup_file and _in_the_step(self.runner, self.given()):
            raise ValueError(f"setup_file has no use with {self.runner}; set it to null")
        return self

    def given(self) -> dict[str, Any]:
        """The options that become flags."""
        return {
            name: value
            for name, value in self.options.items()
            if value is not None and value is not False and value != ()
        }


def _in_the_step(runner: str, given: dict[str, Any]) -> bool:
    """Whether the step's own process does the work."""
    # Beam's default with Prism.
    loops_back = given.get("environment_type", "LOOPBACK") == "LOOPBACK"
    return runner == IN_PROCESS or (runner == PRISM and loops_back)


def _missing(runner: str, given: dict[str, Any]) -> str:
    """The required options that are missing, as text; empty if none is."""
    if runner == "DataflowRunner":
        return _missing_on_dataflow(given)
    if runner == PRISM:
        return _missing_for_prism(given)
    if runner not in _CLUSTER:
        return ""
    where = {
        "PortableRunner": (("job_endpoint",),),
        "FlinkRunner": (("job_endpoint",), ("flink_master",)),
        "SparkRunner": (
            ("job_endpoint",),
            ("spark_master_url",),
            ("spark_submit_uber_jar", "spark_rest_url"),
        ),
    }[runner]
    if not any(all(name in given for name in names) for names in where):
        return " or ".join(" and ".join(f"beam.options.{n}" for n in names) for names in where)
    endpoint = given.get("job_endpoint")
    if endpoint is not None and address_of(endpoint) is None:
        return f"beam.options.job_endpoint as host:port, not {endpoint!r}"
    return _missing_environment(given)


def _missing_environment(given: dict[str, Any]) -> str:
    kind = given.get("environment_type")
    if kind not in _ENVIRONMENTS:
        # Beam's default is its own Docker image, which lacks our libraries.
        return (
            f"beam.options.environment_type, one of {', '.join(_ENVIRONMENTS)}, which determines "
            "where the workers' Python is"
        )
    config = _ENVIRONMENTS[kind]
    if config and not {"environment_config", "environment_options"} & given.keys():
        return f"beam.options.environment_config with environment_type {kind}: {config}"
    return ""


def _missing_for_prism(given: dict[str, Any]) -> str:
    location = given.get("prism_location")
    if not isinstance(location, str) or not location or "://" in location:
        return (
            "beam.options.prism_location, the path of the program: else Beam downloads it for each "
            f"step. {build_command('$PWD')} builds it"
        )
    if {"environment_type", "environment_config", "environment_options"} & given.keys():
        return _missing_environment(given)
    return ""


def _missing_on_dataflow(given: dict[str, Any]) -> str:
    for name in ("project", "region", "temp_location", "sdk_container_image"):
        if name not in given:
            why = ": Beam's own image has no TFX" if name == "sdk_container_image" else ""
            return f"beam.options.{name}{why}"
    for name in ("temp_location", "staging_location"):
        if name in given and not str(given[name]).startswith("gs://"):
            return f"beam.options.{name} in Cloud Storage, gs://..., not {given[name]!r}"
    return ""


def beam_pipeline_args(beam: BeamConfig, setup_py: str = str(SETUP_PY)) -> list[str]:
    """The flags of every step's Beam pipeline.

    Args:
      beam: the section.
      setup_py: path of our setup.py where the steps will run, for `setup_file: auto`.
    """
    flags = [f"--runner={beam.runner}"]
    given = beam.given()
    for name, value in given.items():
        values = value if isinstance(value, tuple) else (value,)
        flags += [f"--{name}" if item is True else f"--{name}={item}" for item in values]
    if beam.setup_file:
        flags.append(f"--setup_file={setup_py if beam.setup_file == AUTO else beam.setup_file}")
    elif not _PACKAGES & given.keys():
        # Without a flag on packages, TFX packs itself again for every step (1.7 s, 20 MB left in
        # /tmp), with requirements that no worker can install. Only Dataflow reads this flag.
        flags.append(f"--sdk_container_image={_NO_IMAGE}")
    if beam.runner != "DataflowRunner":
        # Beam would list what is installed here for every job, by a pip that uv does not install,
        # and warn that it cannot. Dataflow shows the list.
        flags.append(f"--experiments={_NO_LIST}")
    if beam.runner in PORTABLE and "job_server_timeout" not in given:
        flags.append(f"--job_server_timeout={JOB_SERVER_TIMEOUT_S}")
    if beam.runner == "DataflowRunner" and not _names_main_session(given):
        # On by default there; our code is in modules, and __main__ has pipes, which do not pickle.
        flags.append("--no_save_main_session")
    return flags


def _names_main_session(given: dict[str, Any]) -> bool:
    return bool({"save_main_session", "no_save_main_session"} & given.keys())


def check_reachable(beam: BeamConfig, path: str) -> None:
    """Checks that the workers can reach a folder of data or artifacts, as far as that is known.

    Workers of a job service may share a disk with this machine; those of Dataflow never do.

    Raises:
      UserError: they cannot.
    """
    if beam.runner == "DataflowRunner" and not path.startswith("gs://"):
        raise UserError(
            f"beam.runner DataflowRunner: its workers cannot reach {path}. The data set and the "
            "output must be in Cloud Storage, gs://..."
        )


def starts_job_server(beam: BeamConfig) -> bool:
    """Whether Beam starts its job server for each job, from a jar, on this machine."""
    cluster = beam.runner in ("FlinkRunner", "SparkRunner")
    return cluster and "job_endpoint" not in beam.given()


def has_workers(beam: BeamConfig) -> bool:
    """Whether the job goes to a job service, whose workers may be on other machines."""
    return beam.runner in PORTABLE


def address_of(endpoint: Any) -> tuple[str, int] | None:
    """Host and port of `host:port`; None for anything else."""
    found = re.fullmatch(r"\[?([^\s/\[\]]+)\]?:(\d{1,5})", str(endpoint))
    return (found[1], int(found[2])) if found and 0 < int(found[2]) < 65536 else None
