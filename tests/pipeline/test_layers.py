"""What `make lint` cannot check of imports; pyproject.toml has the rest, `[tool.importlinter]`."""

import subprocess
import sys

FRAMEWORKS = ("tensorflow", "tfx", "apache_beam", "tf_keras", "tensorflow_hub", "ml_metadata")


def test_what_the_terminal_needs_loads_no_framework():
    """The parent process draws and waits; TensorFlow is its worker's business."""
    code = (
        "import sys, pipeline.cli.run;"
        f"loaded = set({FRAMEWORKS!r}) & set(sys.modules); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
