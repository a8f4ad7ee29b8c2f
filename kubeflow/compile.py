"""Compiles a configuration into a package for Kubeflow Pipelines.

.venv/bin/python -m kubeflow.compile --preset flowers --image IMAGE@sha256:... --output flowers.yaml
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from components.commands import module_command
from components.errors import UserError
from components.storage import write_whole
from components.terminal import run_command
from kubeflow.braces import check_values
from kubeflow.sdk import enter_sdk_environment
from pipeline.cli.command_line import add_source_options, end
from pipeline.config import Config, dump_config, load_config
from pipeline.run.output_path import check_database, check_folder
from pipeline.run.summary import COMPLETED, STEP_FAILED, USAGE

_EPILOG = """\
exit codes:
  0  the package is written
  1  it could not be written
  2  usage or configuration

It prints the command that submits the package. docs/how-to/kubeflow.md describes the whole way.
"""


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    options = _parse(arguments)
    try:
        config = _config(options)
        enter_sdk_environment("kubeflow.compile")
        return _write(config, options.output)
    except UserError as error:
        return end(USAGE, f"error: {error}")
    except OSError as error:
        return end(STEP_FAILED, f"error: {options.output} cannot be written: {error.strerror}.")


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=module_command("kubeflow.compile"),
        description=(__doc__ or "").split("\n", maxsplit=1)[0],
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_source_options(parser)
    parser.add_argument("--image", help="kubeflow.image; best by digest: registry/bit@sha256:...")
    parser.add_argument("--output", metavar="FILE", type=Path, required=True, help="FILE.yaml")
    return parser.parse_args(arguments)


def _config(options: argparse.Namespace) -> Config:
    image = [f"kubeflow.image={options.image}"] if options.image else []
    config = load_config(options.preset, options.config, [*options.overrides, *image])
    if config.kubeflow.image is None:
        raise UserError("kubeflow.image must be given: --image registry/bit@sha256:... .")
    if options.output.suffix not in (".yaml", ".yml"):
        raise UserError(f"--output {options.output}: a package's name ends in .yaml.")
    check_values(dump_config(config))
    check_folder("kubeflow.output", config.kubeflow.output_of(config.pipeline_name))
    if database := config.kubeflow.metadata.sqlite:
        check_database(f"kubeflow.metadata.sqlite {database}", database)
    records = config.data.tfrecords.files if config.data.tfrecords else {}
    # What the laptop has, a pod has not.
    lost = config.kubeflow.lost_path(
        {
            "data.data_dir": config.data.data_dir,
            "data.folder": config.data.folder,
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
    return config


def _write(config: Config, path: Path) -> int:
    from kubeflow.package import write_package

    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "package.yaml")
        write_package(config, made)
        write_whole(path, made.read_text(encoding="utf-8"))
    if "@sha256:" not in str(config.kubeflow.image):
        print(
            f"warning: {config.kubeflow.image} is a tag, which can come to mean another image; "
            "give it by digest (docs/how-to/image.md).",
            file=sys.stderr,
        )
    print(f"{path}: the pipeline {config.pipeline_name}")
    print(f"To submit it: {module_command('kubeflow.submit', str(path.resolve()))}")
    return COMPLETED


if __name__ == "__main__":
    sys.exit(run_command(main))
