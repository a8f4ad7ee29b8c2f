"""Fine-tunes a BiT on this machine: data, training, gates and push, by TFX's BeamDagRunner."""

import sys
from importlib.util import find_spec

from components.commands import make_command, script_command

NEEDED = ("click", "grimp", "pydantic", "rich", "ruamel", "tfx")


def main() -> int:
    """Returns the exit code: 0 completed, 1 a step failed, 2 usage or data, 3 model rejected."""
    if any(find_spec(name) is None for name in NEEDED):
        print(
            f"error: {sys.executable} does not have the packages: type `{make_command('run')}`, or "
            f"`{make_command('setup')}` and then `{script_command('local_runner.py')}`.",
            file=sys.stderr,
        )
        return 2
    from pipeline.cli.command_line import carry_out
    from pipeline.cli.run import command

    return carry_out(command, sys.argv[1:], "local_runner.py", script_command("local_runner.py"))


if __name__ == "__main__":
    sys.exit(main())
