"""What `make lint` cannot check of imports; pyproject.toml has the rest, `[tool.importlinter]`."""

import subprocess
import sys

FRAMEWORKS = ("tensorflow", "tfx", "apache_beam", "tf_keras", "tensorflow_hub", "ml_metadata")


def loaded_by(*modules):
    code = f"import sys, {', '.join(modules)}; print(*set({FRAMEWORKS!r}) & set(sys.modules))"
    return set(subprocess.check_output([sys.executable, "-c", code], text=True).split())


def test_what_the_terminal_needs_loads_no_framework():
    """The parent process draws and waits; TensorFlow is its worker's business."""
    assert loaded_by("pipeline.cli.run") == set()


def test_the_report_of_a_run_that_broke_off_needs_no_tfx():
    """A worker that died costs no second start of it: ML Metadata is enough."""
    modules = "pipeline.run.conclude", "components.report.collect", "components.report.page"
    assert loaded_by(*modules) == {"ml_metadata"}
