"""Compiles a configuration into a package for Kubeflow Pipelines.

>>> from pipeline.config import load_config
>>> check_config(load_config("digits"))
Traceback (most recent call last):
...
components.errors.UserError: kubeflow.image must be given: --image registry/bit@sha256:... .
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from components.commands import bit_tfx
from components.errors import UserError
from components.storage import write_whole
from kubeflow.braces import check_values
from kubeflow.scoring import Scoring, write_scoring_package
from pipeline.config import Config, dump_config
from pipeline.run.output_path import check_database, check_folder


def check_config(config: Config) -> None:
    """Refuses what no pod could run.

    Raises:
      UserError: the image is not given, a value holds a placeholder's braces, or a path is on no
        volume.
    """
    check_image(config)
    check_folder("kubeflow.output", config.kubeflow.output_of(config.pipeline_name))
    if database := config.kubeflow.metadata.sqlite:
        check_database(f"kubeflow.metadata.sqlite {database}", database)
    records = config.data.tfrecords.files if config.data.tfrecords else {}
    # What the laptop has, a pod has not.
    lost = config.kubeflow.lost_path(
        {
            "data.data_dir": config.data.data_dir,
            "data.folder": config.data.folder,
            "data.table.path": config.data.table.path if config.data.table else None,
            **{f"data.tfrecords.files.{split}": files for split, files in records.items()},
            "data.curated_schema": config.data.curated_schema,
            "data.write_schema": config.data.write_schema,
            "backbone.handle": config.backbone.handle,
            "beam.setup_file": config.beam.setup_file,
        }
    )
    if lost:
        raise UserError(
            f"{lost} is on no volume that every step mounts: no pod could read it. Put it on one "
            "of kubeflow.volumes."
        )
    _check_signing_key(config)


def check_image(config: Config) -> None:
    """Refuses what no package can be made of, whatever its tasks.

    Raises:
      UserError: the image is not given, or a value holds a placeholder's braces.
    """
    if config.kubeflow.image is None:
        raise UserError("kubeflow.image must be given: --image registry/bit@sha256:... .")
    check_values(dump_config(config))


def _check_signing_key(config: Config) -> None:
    """The Pusher's pod alone signs: a Secret of its own will do."""
    key, pod = config.push.signing_key, config.kubeflow.step("Pusher")
    if not key or config.kubeflow.lost_path({"push.signing_key": key}) is None:
        return
    folders = [Path(files.path) for files in pod.secret_files or ()]
    if not any(folder in Path(key).parents for folder in folders):
        raise UserError(
            f"push.signing_key {key}: the pod of Pusher has no such file. Put the key into a "
            "Secret, `kubectl create secret generic signing --from-file=signing.pem`, and give "
            "--set 'kubeflow.steps.Pusher.secret_files=[{secret: signing, path: /signing}]' "
            "--set push.signing_key=/signing/signing.pem"
        )


def compile_package(config: Config, path: Path) -> None:
    """Writes the package, and prints the command that submits it.

    Args:
      config: as `check_config` takes it.
      path: FILE.yaml.

    Raises:
      OSError: it cannot be written.
    """
    from kubeflow.package import write_package

    _write(config, path, lambda made: write_package(config, made))
    print(f"{path}: the pipeline {config.pipeline_name}")
    print(f"To submit it: {bit_tfx('kubeflow', 'submit', str(path))}")


def compile_scoring(config: Config, scoring: Scoring, path: Path) -> None:
    """Writes the package of a batch scoring, and prints the command that submits it.

    Args:
      config: as `check_image` takes it.
      scoring: as `check_scoring` takes it.
      path: FILE.yaml.

    Raises:
      OSError: it cannot be written.
    """
    _write(config, path, lambda made: write_scoring_package(config, scoring, made))
    images = [] if scoring.images else ["--param", "images=/mnt/bit/photos"]
    print(f"{path}: the scoring of {scoring.images or 'any images'} with {scoring.model}")
    print(f"To submit it: {bit_tfx('kubeflow', 'submit', str(path), *images)}")


def _write(config: Config, path: Path, make: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "package.yaml")
        make(made)
        write_whole(path, made.read_text(encoding="utf-8"))
    if "@sha256:" not in str(config.kubeflow.image):
        print(
            f"warning: {config.kubeflow.image} is a tag, which can come to mean another image; "
            "give it by digest (docs/how-to/image.md).",
            file=sys.stderr,
        )
