"""docs/reference/cli.md: every verb with its options, written from the commands themselves.

.venv/bin/python -m pipeline.cli.reference > docs/reference/cli.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from components.commands import NAME
from components.terminal import run_command
from pipeline.cli.main import command

_WIDTH = 92

_HEAD = """\
# The command bit-tfx

<!-- Written by `.venv/bin/python -m pipeline.cli.reference` from the commands themselves. -->

`make setup` installs it as `.venv/bin/bit-tfx`, which works from any folder. After
`source .venv/bin/activate` it is `bit-tfx`, and messages name it so. `local_runner.py` is
`bit-tfx run`.

A mistake in the command line, the configuration or the data is one sentence on standard error,
and exit code 2. Each verb says which other codes it has.
"""

_COMPLETION = """\
## Completion by the shell

Verbs, options and presets are completed after one of these lines:

| shell | line | in |
|---|---|---|
| bash | `eval "$(_BIT_TFX_COMPLETE=bash_source bit-tfx)"` | `~/.bashrc` |
| zsh | `eval "$(_BIT_TFX_COMPLETE=zsh_source bit-tfx)"` | `~/.zshrc` |
| fish | `_BIT_TFX_COMPLETE=fish_source bit-tfx \\| source` | `~/.config/fish/config.fish` |
"""


def render() -> str:
    """The page as Markdown."""
    context = click.Context(command, info_name=NAME, terminal_width=_WIDTH)
    return "\n".join([_HEAD, *_sections(command, context, title=""), _COMPLETION])


def _sections(of: click.Command, context: click.Context, title: str) -> Iterator[str]:
    if title:
        yield f"## {title}\n"
    yield f"```text\n{of.get_help(context)}\n```\n"
    if isinstance(of, click.Group):
        for name in of.list_commands(context):
            found = of.get_command(context, name)
            assert found is not None
            below = click.Context(found, context, name, terminal_width=_WIDTH)
            yield from _sections(found, below, f"{title} {name}".strip())


def main() -> int:
    """Prints the page; returns the exit code."""
    print(render(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
