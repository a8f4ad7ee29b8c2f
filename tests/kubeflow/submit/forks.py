"""Runs `bit-tfx kubeflow submit` in a fork of this process each time: imports are paid once.

Reads one JSON object a line, `arguments`, `variables`, `out` and `err` (files); answers with the
exit code. Runs in .venv-kfp.
"""

import json
import os
import sys
from importlib import import_module

from kubeflow.cli import command
from pipeline.cli.command_line import perform

for name in ("kubeflow.submit", "pipeline.config", "requests"):
    import_module(name)


def run(order):
    """The child: becomes the command."""
    os.environ.clear()
    os.environ.update(order["variables"])
    for path, stream in ((order["out"], 1), (order["err"], 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    code = 1
    try:
        code = perform(command, ["submit", *order["arguments"]], "bit-tfx kubeflow")
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        run(json.loads(line))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
