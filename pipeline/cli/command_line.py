"""What the project's commands have in common: how a configuration is named, and how they end."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """`--preset` or `--config`, and `--set` (as `overrides`)."""
    # Not at the top: a usage error of a command without these options is told without pydantic.
    from pipeline.config import DEFAULT_PRESET, preset_names

    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--preset",
        metavar="NAME",
        help=f"shipped configuration: {', '.join(preset_names())} (default: {DEFAULT_PRESET})",
    )
    source.add_argument("--config", metavar="FILE", help="configuration of your own, in YAML")
    parser.add_argument(
        "--set",
        metavar="SECTION.KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="override one value; may be given again",
    )


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
