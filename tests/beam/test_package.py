"""What `beam.setup_file: auto` sends to the workers is whole, and asks for nothing else."""

import os
import subprocess
import sys

from components.backbone.handle import find_backbone
from pipeline.config import load_config
from pipeline.inputs.code import ROOT


def in_package(package, code):
    """Runs Python that knows us by the installed package alone."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=package.parent,
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_holds_every_file_that_the_steps_read(package):
    def files(root):
        return {
            str(path.relative_to(root))
            for folder in ("components", "pipeline")
            for path in (root / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    assert files(ROOT) - files(package) == set()


def test_it_asks_for_no_other_package(package):
    # pip refuses every TFX beside the tensorflow-hub that works; the image brings the libraries.
    (metadata,) = package.glob("*.dist-info/METADATA")
    text = metadata.read_text(encoding="utf-8")
    assert "Name: bit-on-tfx" in text
    assert "Requires-Dist" not in text


def test_the_projects_own_metadata_stays_as_it_is(staged):
    assert staged.is_file()
    assert '"tfx==' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_steps_of_beam_import_from_it(package):
    modules = (
        "components.example_gen.executor",
        "components.evaluator.executor",
        "components.transform.preprocessing",
    )
    imports = ", ".join(modules)
    found = in_package(package, f"import {imports}; print(components.__file__)")
    assert found == str(package / "components" / "__init__.py")


def test_it_finds_bit_mini_presets_and_templates(package):
    code = (
        "from components.backbone.handle import find_backbone\n"
        "from pipeline.config import load_config\n"
        "from components.report.runs import render_runs\n"
        "print(find_backbone(load_config().backbone).sha256)\n"
        "assert '<html' in render_runs('digits', [])\n"
    )
    assert in_package(package, code) == find_backbone(load_config().backbone).sha256
