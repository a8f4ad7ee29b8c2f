"""The Trainer's run_fn, which TFX's GenericExecutor calls."""

from __future__ import annotations

import os
from typing import Any

from components.example_gen.counts import read_counts
from components.trainer.input_pipeline import files_of
from components.trainer.settings import Job, TrainerSettings
from components.trainer.train import train
from components.trainer.workers.chief import train_with_workers


def run_fn(fn_args: Any) -> None:
    """Fine-tunes the backbone and exports the classifier.

    Args:
      fn_args: tfx.components.trainer.fn_args_utils.FnArgs; in `custom_config`, `settings` is a
        `TrainerSettings` as JSON, `checkpoints` the folder of all checkpoints and `code` the digest
        of the code.

    Raises:
      UserError: the backbone cannot be trained as configured, the base model does not fit, or the
        batch cannot be shared out to the devices.
    """
    job = make_job(fn_args)
    if job.settings.training.strategy == "multi_worker":
        train_with_workers(job)
    else:
        train(job)


def make_job(fn_args: Any) -> Job:
    """TFX's arguments as plain values."""
    told = fn_args.custom_config
    settings = TrainerSettings.model_validate_json(told["settings"])
    # TFX tells of patterns in the splits' folders, and not of the artifact.
    examples = os.path.dirname(os.path.dirname(fn_args.train_files[0]))
    settings = settings.with_counts(read_counts(examples))
    return Job(
        settings=settings.with_hyperparameters(fn_args.hyperparameters or {}),
        train_files=files_of(fn_args.train_files),
        eval_files=files_of(fn_args.eval_files),
        transform_graph=fn_args.transform_output,
        code=told["code"],
        model_run=fn_args.model_run_dir,
        serving_model=fn_args.serving_model_dir,
        checkpoints=told["checkpoints"],
        base_model=fn_args.base_model,
    )
