"""Whether a run on a cluster equals the run in-process, step by step.

A test module has a fixture `both`, the two runs (`tests.e2e.conftest.Ended`), the one in-process
first, made with `GATES`:

    class TestPortable(SameRun):
        pass
"""

import collections
import hashlib

import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.evaluator.prediction_table import read_predictions
from components.evaluator.results import read_gates
from tests.e2e.conftest import QUICK

JOBS = 3
"""Of a run: ExampleGen, StatisticsGen, Evaluator. Transform has no analyzer, and makes no output
but its graph, so that TFX traces it in place."""
GATES = (
    *QUICK,
    "evaluation.min_class_accuracy=0.1",
    "evaluation.slices=[{feature: image_side, min_accuracy: 0.1}]",
)


def artifact(ended, step, output):
    """The folder of a step's one artifact."""
    (folder,) = (ended.output / "artifacts" / step / output).iterdir()
    return folder


def records(ended, split):
    folder = artifact(ended, "ImageExampleGen", "examples") / f"Split-{split}"
    files = [str(path) for path in folder.iterdir()]
    return list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())


def digests(folder):
    """SHA-256 of every file, by its path in the folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class SameRun:
    """Every output of a Beam step, and what came of it."""

    def test_every_step_completes_and_the_model_is_pushed(self, both):
        for ended in both:
            assert ended.exit_code == 0, ended.out + ended.err
            assert set(ended.states.values()) == {"complete"}
            assert len(ended.served) == 1

    def test_the_counts_are_equal(self, both):
        one, other = (ended.summary["counts"] for ended in both)
        assert one == other
        assert (one["train"], one["eval"]) == (359, 180)

    @pytest.mark.parametrize("split", ["train", "eval"])
    def test_the_examples_are_equal_to_the_byte(self, both, split):
        one, other = (records(ended, split) for ended in both)
        assert collections.Counter(one) == collections.Counter(other)
        assert len(one) == {"train": 359, "eval": 180}[split]

    @pytest.mark.parametrize("split", ["train", "eval"])
    def test_the_statistics_are_equal(self, both, split):
        def statistics(ended):
            folder = artifact(ended, "StatisticsGen", "statistics") / f"Split-{split}"
            text = (folder / "FeatureStats.pb").read_bytes()
            found = statistics_pb2.DatasetFeatureStatisticsList.FromString(text)
            for dataset in found.datasets:
                dataset.features.sort(key=lambda feature: list(feature.path.step))
            return found

        one, other = (statistics(ended) for ended in both)
        assert one == other
        assert one.datasets[0].num_examples == {"train": 359, "eval": 180}[split]
        assert {feature.path.step[0] for feature in one.datasets[0].features} >= {"image", "label"}

    def test_the_transform_graphs_give_equal_outputs(self, both):
        def transformed(ended, serialized):
            graph = tft.TFTransformOutput(str(artifact(ended, "Transform", "transform_graph")))
            raw = tf.io.parse_example(serialized, graph.raw_feature_spec())
            return graph.transform_features_layer()(raw)

        serialized = sorted(records(both[0], "eval"))[:32]
        one, other = (transformed(ended, serialized) for ended in both)
        assert one.keys() == other.keys()
        for name, values in one.items():
            tf.debugging.assert_equal(values, other[name])
        assert len(one) >= 2

    def test_the_metrics_are_equal(self, both):
        one, other = (ended.summary["metrics"] for ended in both)
        assert one.keys() == other.keys()
        for name in one.keys() - {"per_class"}:
            assert one[name] == pytest.approx(other[name], abs=1e-6), name
        assert one["per_class"].keys() == other["per_class"].keys()
        for name, values in one["per_class"].items():
            assert values == pytest.approx(other["per_class"][name], abs=1e-6), name

    def test_the_predictions_are_equal(self, both):
        one, other = (read_predictions(str(artifact(e, "Evaluator", "evaluation"))) for e in both)
        assert one.num_rows == 180
        for name in ("example", "label", "predicted", "label_rank"):
            assert one[name].to_pylist() == other[name].to_pylist(), name
        for name in ("probability", "label_probability"):
            assert one[name].to_pylist() == pytest.approx(other[name].to_pylist(), abs=1e-6), name

    def test_the_gates_and_the_verdict_are_equal(self, both):
        one, other = (read_gates(str(artifact(ended, "Evaluator", "evaluation"))) for ended in both)
        assert len(one) > 1
        assert one == other
        assert both[0].summary["blessed"] == both[1].summary["blessed"] is True
        assert both[0].summary["reasons"] == both[1].summary["reasons"] == []


class SameFiles(SameRun):
    """As `SameRun`, and the files are equal to the byte, however many workers wrote them."""

    @pytest.mark.parametrize("output", ["examples", "index", "quarantine"])
    def test_every_file_of_example_gen_is_equal_to_the_byte(self, both, output):
        one, other = (digests(artifact(ended, "ImageExampleGen", output)) for ended in both)
        assert one == other
        assert one or output == "quarantine"

    def test_predictions_metrics_and_gates_are_equal_to_the_byte(self, both):
        # Not TFMA's own tables, which have a file for each worker that wrote.
        one, other = (
            {
                name: digest
                for name, digest in digests(artifact(ended, "Evaluator", "evaluation")).items()
                if name in ("metrics.json", "gates.json") or name.startswith("predictions/")
            }
            for ended in both
        )
        assert one == other
        assert len(one) == 3
