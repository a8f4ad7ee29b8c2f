"""The command `bit-tfx`: the table of its verbs, each of which is read when it is typed.

>>> from pipeline.cli.command_line import perform
>>> perform(command, ["run", "digits"])  # `main` without settling the process's streams.
2
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module, metadata
from typing import Any

import click

from components.commands import NAME
from pipeline.cli.command_line import VerbGroup, carry_out

VERBS = (
    "run",
    "init",
    "check",
    "runs",
    "report",
    "quarantine",
    "score",
    "rollback",
    "pin",
    "verify",
    "export",
    "tfma",
    "weights",
    "worker",
)
"""Each is the `command` of the module of its name beside this one, in the order of `--help`."""

_DISTRIBUTION = "bit-on-tfx"
_GROUP = "bit_tfx.commands"
"""Entry points of pyproject.toml: verbs that live where `pipeline` may not look."""


class Verbs(VerbGroup):
    """A group that imports the verb that is asked for, and no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Click's hook."""
        return [*VERBS, *_entry_points()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Click's hook."""
        found: Any = None
        if cmd_name in VERBS:
            found = import_module(f"pipeline.cli.{cmd_name}").command
        elif cmd_name in (others := _entry_points()):
            found = others[cmd_name].load()
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's hook; it suggests from `commands`, which a group that imports late has not."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            names = self.list_commands(ctx)
            raise click.exceptions.NoSuchCommand(args[0], possibilities=names, ctx=ctx) from error


def _entry_points() -> dict[str, metadata.EntryPoint]:
    try:
        found = metadata.distribution(_DISTRIBUTION).entry_points
    except metadata.PackageNotFoundError:  # A checkout that `make setup` has not seen.
        return {}
    return {entry.name: entry for entry in found if entry.group == _GROUP}


def _print_version(ctx: click.Context) -> None:
    try:
        print(f"{NAME} {metadata.version(_DISTRIBUTION)}")
    except metadata.PackageNotFoundError as error:
        raise click.UsageError("It is not installed: type `make setup`.", ctx) from error
    ctx.exit()


@click.group(
    cls=Verbs,
    context_settings={"max_content_width": 100},
    epilog='Completion: eval "$(_BIT_TFX_COMPLETE=bash_source bit-tfx)" in ~/.bashrc; zsh_source '
    "and fish_source are for those shells. docs/reference/cli.md has every option of every verb.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, wanted: _print_version(ctx) if wanted else None,
    help="Show the version and exit.",
)
def command() -> None:
    """Fine-tunes BiT image classifiers: reads data, trains, judges, and pushes what passes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code of its verb, or 2 for a mistake in the line.

    Args:
      arguments: of the command line; None for the process's own.
    """
    return carry_out(command, arguments)
