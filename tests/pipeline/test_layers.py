"""Dependencies point one way, and policy knows no framework."""

import subprocess
import sys

import grimp
import pytest

GRAPH = grimp.build_graph(
    "components", "pipeline", "kubeflow", include_external_packages=True, cache_dir=None
)
FRAMEWORKS = ("tensorflow", "tfx", "apache_beam", "tf_keras", "tensorflow_hub", "ml_metadata")

POLICY = (
    "components.data_gate.checks",
    "components.data_gate.coverage",
    "components.data_gate.duplicates",
    "components.data_gate.settings",
    "components.digests",
    "components.evaluator.gates",
    "components.evaluator.intervals",
    "components.evaluator.ranking",
    "components.evaluator.results",
    "components.example_gen.convert",
    "components.example_gen.counts",
    "components.example_gen.example_label",
    "components.example_gen.few_shot",
    "components.example_gen.file_stat",
    "components.example_gen.formats",
    "components.example_gen.header",
    "components.example_gen.image_files",
    "components.example_gen.own_splits",
    "components.example_gen.phash",
    "components.example_gen.quarantine",
    "components.example_gen.shard",
    "components.example_gen.slices",
    "components.example_gen.stored",
    "components.example_gen.tfrecord_file",
    "components.example_gen.unused",
    "components.example_gen.verdict",
    "components.finite",
    "components.pictures.grid",
    "components.pictures.settings",
    "components.process",
    "components.progress",
    "components.pusher.card",
    "components.pusher.card_text",
    "components.pusher.versions",
    "components.report.content",
    "components.report.data_charts",
    "components.report.figures",
    "components.report.images",
    "components.report.page",
    "components.report.runs",
    "components.storage",
    "components.trainer.architecture",
    "components.trainer.hyperrule",
    "components.trainer.plan",
    "components.trainer.schedule",
    "components.trainer.settings",
    "components.tuner.config",
    "components.tuner.holdout",
    "components.tuner.settings",
    "components.tuner.study",
    "kubeflow.compile",
    "kubeflow.package",
    "kubeflow.parameters",
    "kubeflow.run_folder",
    "kubeflow.submit",
    "pipeline.beam",
    "pipeline.code",
    "pipeline.config",
    "pipeline.curation",
    "pipeline.steps",
    "pipeline.kubeflow_config",
    "pipeline.layout",
    "pipeline.summary",
)


def test_components_do_not_know_the_pipeline():
    assert GRAPH.find_shortest_chains("components", "pipeline") == set()


@pytest.mark.parametrize("package", ["components", "pipeline"])
def test_neither_knows_kubeflow(package):
    assert GRAPH.find_shortest_chains(package, "kubeflow") == set()


def test_kubeflow_does_not_know_the_local_runner():
    assert GRAPH.find_shortest_chains("kubeflow", "pipeline.local") == set()


def test_the_image_does_without_the_sdk():
    """Tasks start in `kubeflow.node`; the SDK cannot be installed beside them."""
    assert "kfp" not in GRAPH.find_upstream_modules("kubeflow.node")


def test_the_pipeline_does_not_know_its_runner():
    runner = GRAPH.find_descendants("pipeline.local") | {"pipeline.local"}
    for module in GRAPH.find_descendants("pipeline") - runner:
        assert not GRAPH.find_modules_directly_imported_by(module) & runner, module


@pytest.mark.parametrize("module", POLICY)
def test_policy_imports_no_framework(module):
    upstream = GRAPH.find_upstream_modules(module)
    assert not upstream & set(FRAMEWORKS)


def test_what_the_terminal_needs_loads_no_framework():
    """The parent process draws and waits; TensorFlow is its worker's business."""
    code = (
        "import sys, pipeline.local.command;"
        f"loaded = set({FRAMEWORKS!r}) & set(sys.modules); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
