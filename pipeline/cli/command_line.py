"""How every command of ours ends: exit code and one sentence; and what it does about signals.

>>> @click.command(cls=Verb)
... @click.option("--folder")
... def greet(folder):
...     print(f"Hello, {folder}.")
>>> perform(greet, ["--folder", "photos"])
Hello, photos.
0
>>> perform(greet, ["photos"])  # With a sentence on standard error.
2
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from components.commands import NAME, bit_tfx
from components.errors import UserError
from components.terminal import run_command
from pipeline.shipped import preset_names

_COMPLETION = "_BIT_TFX_COMPLETE"


class OwnStreams(click.Command):
    """Prints its help by `print`: click.echo goes around a stream of ours that is ASCII."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Click's hook."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _print_help
        return option


def _print_help(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        print(ctx.get_help())
        ctx.exit()


class VerbGroup(OwnStreams, click.Group):
    """Verbs below one word."""


class Verb(OwnStreams):
    """A command that says what a stray word may have meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Click's hook."""
        ctx.allow_extra_args = True
        try:
            rest = super().parse_args(ctx, args)
        except click.UsageError as error:
            # Click leaves it out of a few.
            error.ctx = error.ctx or ctx
            raise
        if ctx.args and not ctx.resilient_parsing:
            known = {name for option in self.params for name in option.opts}
            raise click.UsageError(_stray(ctx.args[0], known), ctx)
        return rest


def _stray(word: str, known: set[str]) -> str:
    """What is wrong with a word that is no option's value.

    Args:
      word: as typed.
      known: options of the command.
    """
    means = ""
    if "--images" in known and Path(word).is_file():
        return f"Unexpected word {word!r}. If the shell filled in a pattern, put it in quotes."
    if "--preset" in known and word in preset_names():
        means = "--preset"
    elif "--config" in known and word.endswith((".yaml", ".yml")):
        means = "--config"
    elif Path(word).is_dir():
        means = next((name for name in ("--folder", "--output") if name in known), "")
    hint = f"Did you mean {f'{means} {word}'!r}?" if means else "It belongs to no option."
    return f"Unexpected word {word!r}. {hint}"


def carry_out(
    command: click.Command,
    arguments: Sequence[str] | None = None,
    prog: str = NAME,
    typed: str | None = None,
) -> int:
    """Runs a command as a process of its own does; returns its exit code.

    Args:
      command: a verb, or the group of all.
      arguments: of the command line; None for the process's own.
      prog: what usage and help call it.
      typed: the line that starts it as the user can type it; None for `prog` by its path.
    """
    return run_command(lambda: perform(command, arguments, prog, typed))


def perform(
    command: click.Command,
    arguments: Sequence[str] | None = None,
    prog: str = NAME,
    typed: str | None = None,
) -> int:
    """`carry_out` with the standard streams as they are."""
    try:
        given = None if arguments is None else list(arguments)
        code = command.main(given, prog, complete_var=_COMPLETION, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        return end(error.exit_code, error.format_message())
    except click.UsageError as error:
        sentence = f"error: {error.format_message()}"
        if error.ctx is not None:
            words = error.ctx.command_path.removeprefix(prog).split()
            line = typed or bit_tfx(*prog.split()[1:])
            sentence += f" Type `{' '.join([line, *words, '--help'])}` for all that it takes."
        return end(error.exit_code, sentence)
    except click.Abort:
        return end(1, "interrupted")
    except UserError as error:
        return end(click.UsageError.exit_code, f"error: {error}")
    return code if isinstance(code, int) else 0


def take_signals_as_interrupts() -> None:
    """SIGTERM and SIGHUP raise KeyboardInterrupt as Ctrl-C does, unless they are ignored."""
    for kind in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(kind) != signal.SIG_IGN:
            signal.signal(kind, signal.default_int_handler)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ends by no signal that asks for it: for the moment in which the end is written down."""
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [(kind, signal.signal(kind, signal.SIG_IGN)) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in before:
            signal.signal(kind, handler or signal.SIG_DFL)


def end(code: int, sentence: str) -> int:
    """Says the last word on standard error; returns `code`."""
    print(sentence, file=sys.stderr)
    return code
