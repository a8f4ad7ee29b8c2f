"""Batch scoring as a package of its own: one task, which runs `bit-tfx score` in a pod.

No `from __future__ import annotations` here: KFP reads a component's annotations as types.

    >>> from pipeline.config import load_config
    >>> config = load_config("digits", overrides=["kubeflow.image=registry/bit:1"])
    >>> scoring = Scoring.of(config, images="/mnt/bit/photos", arguments=("--top-k", "3"))
    >>> scoring.model, scoring.predictions
    ('/mnt/bit/digits/serving', '/mnt/bit/digits/predictions.parquet')
    >>> from pipeline.cli.score import command
    >>> check_scoring(config, scoring, command)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from components.errors import UserError
from components.scoring.settings import TFDS
from components.storage import is_uri
from kubeflow.braces import check_values
from pipeline.config import Config
from pipeline.config.kubeflow import SCORE

_GPUS = "CUDA_VISIBLE_DEVICES"
"""TensorFlow's choice of them."""


@dataclass(frozen=True)
class Scoring:
    """What a run of the package scores; the texts are its parameters' defaults.

    Attributes:
      model: as `bit-tfx score --model`.
      images: as `--images`; None makes it a parameter that every run must give.
      predictions: the table, as `--output`.
      arguments: other options of `bit-tfx score`, which are fixed in the package.
    """

    model: str
    images: str | None
    predictions: str
    arguments: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        config: Config,
        model: str | None = None,
        images: str | None = None,
        predictions: str | None = None,
        arguments: tuple[str, ...] = (),
    ) -> "Scoring":
        """With what the pipeline serves, and a table beside it, where nothing else is given."""
        output = config.kubeflow.output_of(config.pipeline_name)
        return cls(
            model or f"{output}/serving",
            images,
            predictions or f"{output}/predictions.parquet",
            arguments,
        )

    def parameters(self) -> dict[str, str | None]:
        """By the options of `bit-tfx score` that they become."""
        return {"model": self.model, "images": self.images, "output": self.predictions}


def check_scoring(config: Config, scoring: Scoring, verb: click.Command) -> None:
    """Refuses what the pod could not run.

    Args:
      config: with the pod.
      scoring: what is wanted.
      verb: `bit-tfx score`, whose parser looks at the arguments.

    Raises:
      UserError: a path is on no volume of the pod, a value holds a placeholder's braces, or
        `bit-tfx score` does not take the arguments.
    """
    given = {"--model": scoring.model, "--images": scoring.images}
    places: Mapping[str, str | None] = {**given, "--predictions": scoring.predictions}
    for option, value in places.items():
        check_values(value or "", option)
        is_elsewhere = option in given and (is_uri(value or "") or str(value).startswith(TFDS))
        if value and not value.startswith("/") and not is_elsewhere:
            raise UserError(f"{option} {value}: give an absolute path on a volume of the pod.")
    for argument in scoring.arguments:
        check_values(argument, "an argument after --:")
    lost = config.kubeflow.lost_path(places, (SCORE,))
    if lost:
        raise UserError(
            f"{lost} is on no volume that the pod of {SCORE} mounts. Put it on one of "
            f"kubeflow.volumes, or add one to kubeflow.steps.{SCORE}.volumes."
        )
    _check_line(scoring, verb)


def _check_line(scoring: Scoring, verb: click.Command) -> None:
    line = [f"--{name}={value or '/'}" for name, value in scoring.parameters().items()]
    try:
        verb.make_context(SCORE, [*scoring.arguments, *line])
    except click.exceptions.Exit as error:  # --help, which the pod would print and be done.
        raise UserError("--help after -- is no option for a pod to score with.") from error
    except click.ClickException as error:
        raise UserError(f"after --: {error.format_message()}") from error


def write_scoring_package(config: Config, scoring: Scoring, path: Path) -> None:
    """Compiles the package.

    Args:
      config: with `kubeflow.image`.
      scoring: as `check_scoring` takes it.
      path: a name that ends in .yaml.
    """
    from kfp import compiler

    compiler.Compiler().compile(_pipeline(config, scoring), str(path))


def _pipeline(config: Config, scoring: Scoring) -> Any:
    from kfp import dsl

    from kubeflow.pods import place

    step = config.kubeflow.step(SCORE)

    @dsl.container_component
    def score(model: str, images: str, output: str) -> dsl.ContainerSpec:
        return dsl.ContainerSpec(
            image=step.image or config.kubeflow.image,
            command=["python", "-m", "pipeline.cli", "score"],
            # What a run gives comes last, and so wins.
            args=[
                *scoring.arguments,
                f"--model={model}", f"--images={images}", f"--output={output}",
            ],
        )  # fmt: skip

    def add(**values: Any) -> None:
        task = score(**values)
        task.set_display_name(SCORE)
        place(task, step, config)
        gpus = step.accelerator and step.accelerator.count
        if not gpus and _GPUS not in (step.env or {}):
            # A node's GPUs can be visible to a pod that asked for none.
            task.set_env_variable(_GPUS, "-1")

    about = {
        "name": f"{config.pipeline_name}-{SCORE}",
        "description": f"Scores images with a model of {config.pipeline_name}.",
    }
    if scoring.images is None:

        @dsl.pipeline(**about)
        def pipeline(
            images: str, model: str = scoring.model, output: str = scoring.predictions
        ) -> None:
            add(model=model, images=images, output=output)

        return pipeline

    @dsl.pipeline(**about)
    def pipeline_of_images(
        model: str = scoring.model,
        images: str = scoring.images,
        output: str = scoring.predictions,
    ) -> None:
        add(model=model, images=images, output=output)

    return pipeline_of_images
