"""The entry point of every task: by the command that the package gives it.

Logs go to standard output. Exit codes: 0 the task is done (a model that a gate rejected is no
failure here), 1 it failed, 2 configuration or data; `model-rejected` ends with 3 where a rejected
model should end the run as failed.

    .venv/bin/python -m kubeflow.node Trainer --run-id ID --output DIR --metadata JSON ...
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys

from components.errors import UserError
from components.process import importing, leave
from components.progress import LOGGER
from components.terminal import run_command
from pipeline.config.kubeflow import FINISH, PREPARE, REJECTED_TASK
from pipeline.run.layout import Layout
from pipeline.run.run_folder import RunFolder, StepRecorder
from pipeline.run.summary import COMPLETED, MODEL_REJECTED, STEP_FAILED, USAGE
from pipeline.steps import STEPS

_logger = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Runs one task; returns its exit code."""
    options = _parse(arguments)
    _set_environment(options.gpu)
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stdout,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    LOGGER.setLevel(logging.INFO)
    # An eviction ends the process at once, and the retry clears what it wrote. A handler in Python
    # would wait for TensorFlow's step to return.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    folder = RunFolder(Layout(options.output), options.run_id)
    recorder = StepRecorder(folder)
    LOGGER.addHandler(recorder)
    try:
        return _run(options, folder)
    except UserError as error:
        print(f"error: {error}", flush=True)
        return USAGE
    except Exception:
        _logger.exception("%s failed", options.task)
        return STEP_FAILED
    finally:
        LOGGER.removeHandler(recorder)


def _run(options: argparse.Namespace, folder: RunFolder) -> int:
    # Not at the top: what TensorFlow reads from the environment must be set before it loads.
    if options.task == REJECTED_TASK:
        print("A gate rejected the model; the report and run_summary.json say which and why.")
        return MODEL_REJECTED if options.end == "fail" else COMPLETED
    with importing():
        if options.task == PREPARE:
            from kubeflow.prepare import prepare as run
        elif options.task == FINISH:
            from kubeflow.finish import finish as run
        else:
            from kubeflow.launch import launch as run
    run(options, folder)
    return COMPLETED


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kubeflow.node", allow_abbrev=False)
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    for task in (PREPARE, *STEPS, REJECTED_TASK, FINISH):
        add = tasks.add_parser(task, allow_abbrev=False).add_argument
        add("--run-id", required=True)
        add("--output", required=True)
        add("--metadata", required=True)
        add("--gpu", action="store_true")
        for name in _ARGUMENTS.get(task, _OF_A_NODE):
            add(f"--{name}", required=True)
    return parser.parse_args(arguments)


_OF_A_NODE = ("ir", "sha256")
_ARGUMENTS = {
    PREPARE: (
        "config",
        "dataset",
        "version",
        "handle",
        "epochs",
        "min-accuracy",
        "max-regression",
        "overrides",
        "use-cache",
        "ir-to",
        "sha256-to",
    ),
    "Evaluator": (*_OF_A_NODE, "verdict-to", "executor-input"),
    "Report": (*_OF_A_NODE, "page-to"),
    REJECTED_TASK: ("end",),
    FINISH: ("pipeline",),
}
"""Arguments of each task beside those that all have."""


def _set_environment(gpu: bool) -> None:
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    if not gpu:
        # A node's GPUs can be visible to a pod that asked for none, and TensorFlow takes them all.
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


if __name__ == "__main__":
    leave(run_command(main, goes_on=True))
