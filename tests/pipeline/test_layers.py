"""What `make lint` cannot check of imports; pyproject.toml has the rest, `[tool.importlinter]`."""

import subprocess
import sys

import grimp

GRAPH = grimp.build_graph("pipeline", cache_dir=None)
FRAMEWORKS = ("tensorflow", "tfx", "apache_beam", "tf_keras", "tensorflow_hub", "ml_metadata")


def test_the_pipeline_does_not_know_its_runner():
    runner = GRAPH.find_descendants("pipeline.local") | {"pipeline.local"}
    for module in GRAPH.find_descendants("pipeline") - runner:
        assert not GRAPH.find_modules_directly_imported_by(module) & runner, module


def test_what_the_terminal_needs_loads_no_framework():
    """The parent process draws and waits; TensorFlow is its worker's business."""
    code = (
        "import sys, pipeline.local.command;"
        f"loaded = set({FRAMEWORKS!r}) & set(sys.modules); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
