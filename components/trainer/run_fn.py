"""The Trainer's run_fn, which TFX's GenericExecutor calls.

>>> import tempfile
>>> from types import SimpleNamespace
>>> from components.example_gen.counts import SplitCounts, write_counts
>>> from components.trainer.config import TrainingConfig
>>> from components.transform.config import ImageSizes
>>> settings = TrainerSettings(
...     backbone_path="/weights/bit-mini", backbone_sha256="cb3d", trainable_parameters=None,
...     mode="head_only", class_names=("daisy", "rose"), num_train=100, num_eval=20,
...     sizes=ImageSizes(resize=160, evaluate=128, crop=128, flip=True),
...     training=TrainingConfig(),
... )
>>> with tempfile.TemporaryDirectory() as examples:
...     write_counts({"train": SplitCounts(100, 97), "eval": SplitCounts(20, 20)}, examples)
...     job = make_job(SimpleNamespace(
...         train_files=[f"{examples}/Split-train/*"], eval_files=[f"{examples}/Split-eval/*"],
...         transform_output="/out/transform", model_run_dir="/out/model_run",
...         serving_model_dir="/out/model", base_model=None, hyperparameters={"mode": "full"},
...         custom_config={
...             "settings": settings.model_dump_json(), "checkpoints": "/out/ckpt", "code": "9c1b"
...         },
...     ))
>>> job.settings.num_train, job.settings.mode
(97, 'full')
"""

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
        batch cannot be divided among the devices.
    """
    job = make_job(fn_args)
    if job.settings.training.strategy == "multi_worker":
        train_with_workers(job)
    else:
        train(job)


def make_job(fn_args: Any) -> Job:
    """Converts TFX's arguments to a job."""
    custom = fn_args.custom_config
    settings = TrainerSettings.model_validate_json(custom["settings"])
    # TFX gives file patterns in the splits' folders, and not the artifact.
    examples = os.path.dirname(os.path.dirname(fn_args.train_files[0]))
    settings = settings.with_counts(read_counts(examples))
    return Job(
        settings=settings.with_hyperparameters(fn_args.hyperparameters or {}),
        train_files=files_of(fn_args.train_files),
        eval_files=files_of(fn_args.eval_files),
        transform_graph=fn_args.transform_output,
        code=custom["code"],
        model_run=fn_args.model_run_dir,
        serving_model=fn_args.serving_model_dir,
        checkpoints=custom["checkpoints"],
        base_model=fn_args.base_model,
    )
