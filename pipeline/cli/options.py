"""The options that several verbs share, each described once.

>>> config, _ = Wanted("digits", None, ("training.seed=3",)).settle()
>>> config.training.seed
3
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from pipeline.shipped import DEFAULT_PRESET, preset_names

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.run.serving import Place

Function = TypeVar("Function", bound=Callable[..., Any])


class Preset(click.ParamType):
    """A preset's name, completed by the shell; `load_config` says which there are."""

    name = "name"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Click's hook."""
        return [CompletionItem(name) for name in preset_names() if name.startswith(incomplete)]


_CONFIG = (
    click.option(
        "--preset",
        metavar="NAME",
        type=Preset(),
        help=f"Shipped configuration: {', '.join(preset_names())} (default: {DEFAULT_PRESET}).",
    ),
    click.option(
        "--config",
        metavar="FILE",
        type=click.Path(),
        help="Configuration of your own, in YAML.",
    ),
    click.option(
        "--set",
        "overrides",
        metavar="SECTION.KEY=VALUE",
        multiple=True,
        help="Override one value; may be given again.",
    ),
)
_SOURCE = (
    click.option(
        "--folder",
        metavar="DIR",
        type=click.Path(file_okay=False),
        help="Train on the images of DIR: DIR/<class>/* or DIR/<split>/<class>/*.",
    ),
    click.option(
        "--table",
        metavar="FILE",
        type=click.Path(),
        help="Train on the images that a CSV, JSONL or Parquet file names or holds.",
    ),
    click.option("--data", metavar="NAME", help="Train on a data set of tfds: cifar10, beans."),
    click.option(
        "--tfrecords",
        metavar="SPLIT=PATTERN",
        multiple=True,
        help="Train on TFRecord files; once for each split: --tfrecords 'train=/data/train-*'.",
    ),
    click.option(
        "--classes",
        metavar="A,B,...",
        help="The classes of --tfrecords, in the order of their numbers.",
    ),
)


@dataclass(frozen=True)
class Wanted:
    """The configuration that a command line names; attributes are the options."""

    preset: str | None
    config: str | None
    overrides: tuple[str, ...]
    folder: str | None = None
    data: str | None = None
    tfrecords: tuple[str, ...] = ()
    classes: str | None = None
    table: str | None = None

    def __post_init__(self) -> None:
        if self.preset is not None and self.config is not None:
            raise click.UsageError("--preset and --config exclude each other.", _context())
        given = [name for name in ("folder", "table", "data", "tfrecords") if getattr(self, name)]
        if len(given) > 1:
            options = " and ".join(f"--{name}" for name in given)
            raise click.UsageError(f"{options} exclude each other.", _context())
        if bool(self.tfrecords) != bool(self.classes):
            raise click.UsageError("--tfrecords and --classes go together.", _context())

    def settle(self) -> tuple[Config, str]:
        """The configuration, and one line on what the source replaced in it; "" for nothing.

        Raises:
          UserError: it cannot be read, or is not valid.
        """
        # Not at the top: `--help` does without pydantic.
        from pipeline.inputs.own_source import OwnSource, settle

        own = OwnSource(self.folder, self.data, self.tfrecords, self.classes, self.table)
        return settle(self.preset, self.config, self.overrides, own)

    def as_options(self) -> list[str]:
        """`--preset`, `--config` and `--set` again, as they are typed."""
        given = [("--preset", self.preset), ("--config", self.config)]
        given += [("--set", each) for each in self.overrides]
        return [text for option, value in given if value is not None for text in (option, value)]

    def pipeline_name(self) -> str:
        """The pipeline's name in a configuration that may not be valid; "" where none is found."""
        from pipeline.config import pipeline_name_in

        own = self.folder or self.table or self.data or self.tfrecords
        return "" if own else pipeline_name_in(self.preset, self.config, self.overrides)


def _context() -> click.Context | None:
    return click.get_current_context(silent=True)


def config_options(function: Function) -> Function:
    """`--preset`, `--config` and `--set`; the function takes them as `wanted`."""
    return _gathered(function, _CONFIG, ("preset", "config", "overrides"))


def source_options(function: Function) -> Function:
    """`config_options`, and a source on the command line."""
    names = ("preset", "config", "overrides", "folder", "table", "data", "tfrecords", "classes")
    return _gathered(function, (*_CONFIG, *_SOURCE), names)


def _gathered(
    function: Function, options: Sequence[Callable[[Function], Function]], names: Sequence[str]
) -> Function:
    @functools.wraps(function)
    def with_wanted(**given: Any) -> Any:
        wanted = Wanted(**{name: given.pop(name) for name in names})
        return function(wanted=wanted, **given)

    decorated: Any = with_wanted
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


def output_option(function: Function) -> Function:
    """`--output`, whose default is the output of the last run below ./runs."""
    option = click.option(
        "--output",
        metavar="DIR",
        type=click.Path(),
        help="Output folder of the pipeline (default: the last run's below ./runs).",
    )
    return option(function)


def known_output(output: str | None) -> str:
    """The given output folder, or the one of the last run below ./runs.

    Raises:
      UserError: no run left anything there.
    """
    if output is not None:
        return output
    from components.commands import bit_tfx
    from components.errors import UserError
    from pipeline.run.last import last_output

    found = last_output()
    if found is None:
        raise UserError(
            f"no run has left anything below ./runs: type `{bit_tfx('run')}`, or give --output DIR."
        )
    return found


def serving_option(function: Function) -> Function:
    """`--serving`, in place of `--output`."""
    option = click.option(
        "--serving",
        metavar="DIR",
        type=click.Path(),
        help="Folder of versions, also gs://, in place of --output.",
    )
    return option(function)


def place_of(wanted: Wanted, output: str | None, serving: str | None) -> Place:
    """Where the versions are that a verb changes.

    Args:
      wanted: a configuration, whose pipeline runs on Kubeflow; nothing of it takes an output here.
      output: the output folder.
      serving: the folder of versions.

    Raises:
      UserError: more than one is given, or nothing is there.
    """
    from components.errors import UserError
    from pipeline.run.serving import Place

    if output is not None and serving is not None:
        raise UserError("--output and --serving exclude each other.")
    if wanted.preset is None and wanted.config is None and not wanted.overrides:
        return (
            Place.of_output(known_output(output)) if serving is None else Place.of_serving(serving)
        )
    if output is not None or serving is not None:
        raise UserError(
            "--preset, --config and --set name a pipeline on Kubeflow, with its output and its "
            "metadata: give neither --output nor --serving with them."
        )
    from pipeline.config import load_config

    config = load_config(wanted.preset, wanted.config, wanted.overrides)
    return Place.on_kubeflow(config, wanted.as_options())
