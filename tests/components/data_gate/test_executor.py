"""The step through its executor, on real scans with TFDV's real statistics and anomalies."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from apache_beam.options.pipeline_options import PipelineOptions
from google.protobuf import text_format
from sklearn.datasets import load_digits
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx.components.example_validator.executor import Executor as ExampleValidator
from tfx.types import standard_artifacts

from components.artifacts import DataChecks, ImageIndex, Quarantine
from components.commands import bit_tfx
from components.data_gate.checks import CHECKS, read_checks, read_class_counts
from components.data_gate.config import DataGateConfig, DataGateSettings
from components.data_gate.executor import Executor
from components.digests import digest_of_classes
from components.errors import UserError
from components.example_gen.counts import SplitCounts, set_counts
from tests.components.data_gate.indexes import row, write_index
from tests.components.trainer.jobs import png

CLASSES = ("zero", "one", "two")
SCHEMA = """
feature {
  name: "image" type: BYTES image_domain {}
  presence { min_fraction: 1 } shape { dim { size: 1 } } %(on_image)s
}
feature {
  name: "label" type: INT int_domain { min: 0 max: 2 %(label)s }
  presence { min_fraction: 1 } shape { dim { size: 1 } } %(on_label)s
}
feature {
  name: "camera" type: BYTES
  presence { min_fraction: 1 } shape { dim { size: 1 } } %(on_camera)s
}
"""
BALANCED = {"train": (20, 20, 20), "eval": (5, 5, 5)}


def schema_of(label="is_categorical: true", **comparators):
    on = {"on_image": "", "on_label": "", "on_camera": "", **comparators}
    return text_format.Parse(SCHEMA % {"label": label, **on}, schema_pb2.Schema())


def artifact_of(kind, folder):
    artifact = kind()
    artifact.uri = str(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return artifact


class Data:
    """Scans of digits as the steps before the gate leave them.

    Args:
      folder: of the artifacts.
      numbers: scans of each class, by split.
      camera: that took all of them.
      label: of every scan in place of its own.
      schema: that the statistics are made with.
    """

    def __init__(self, folder, numbers, camera="a", label=None, schema=None):
        self.folder, self.splits = folder, list(numbers)
        self.examples = artifact_of(standard_artifacts.Examples, folder / "examples")
        self.examples.split_names = json.dumps(self.splits)
        self.statistics = artifact_of(standard_artifacts.ExampleStatistics, folder / "statistics")
        self.statistics.split_names = json.dumps(self.splits)
        self.statistics.id = 17
        self.counts = {split: SplitCounts(sum(n), sum(n)) for split, n in numbers.items()}
        self.rows = {split: [] for split in numbers}
        scans = {c: list(map(int, (load_digits().target == c).nonzero()[0])) for c in range(3)}
        for split, of_split in numbers.items():
            path = folder / f"{split}.gz"
            with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
                for index, number in enumerate(of_split):
                    for scan in [scans[index].pop() for _ in range(number)]:
                        self._write(writer, split, scan, index if label is None else label, camera)
            self._describe(split, path, schema or schema_of())

    def _write(self, writer, split, scan, label, camera):
        features = {
            "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[png(scan)])),
            "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            "camera": tf.train.Feature(bytes_list=tf.train.BytesList(value=[camera.encode()])),
        }
        example = tf.train.Example(features=tf.train.Features(feature=features))
        writer.write(example.SerializeToString())
        self.rows[split].append(row(f"{split}/{scan}.png", min(label, 2), png(scan)))

    def _describe(self, split, path, schema):
        found = tfdv.generate_statistics_from_tfrecord(
            str(path),
            stats_options=tfdv.StatsOptions(schema=schema),
            pipeline_options=PipelineOptions(["--runner=FnApiRunner"]),
        )
        target = Path(self.statistics.uri, f"Split-{split}", "FeatureStats.pb")
        target.parent.mkdir()
        target.write_bytes(found.SerializeToString())

    def read(self, split="train"):
        path = Path(self.statistics.uri, f"Split-{split}", "FeatureStats.pb")
        return tfdv.load_stats_binary(str(path))


class Gate:
    """The gate over data, each time with artifacts of its own."""

    def __init__(self, folder):
        self.folder, self.runs = folder, 0

    def run(self, data, schema=None, rows=None, counts=None, previous=None, slices=None, **config):
        """Returns the checks, or raises what the step raises.

        Args:
          data: that are looked at.
          schema: of this run.
          rows: by split, in place of the data's own.
          counts: by split, likewise.
          previous: data and checks to compare with.
          slices: `data.splits`.
          config: the section `data_gate`.
        """
        self.runs += 1
        self.here = self.folder / str(self.runs)
        self.checks = artifact_of(DataChecks, self.here / "checks")
        index = artifact_of(ImageIndex, self.here / "index")
        write_index(index.uri, {**data.rows, **(rows or {})})
        set_counts(data.examples, {**data.counts, **(counts or {})})
        of_schema = artifact_of(standard_artifacts.Schema, self.here / "schema")
        tfdv.write_schema_text(schema or schema_of(), f"{of_schema.uri}/schema.pbtxt")
        anomalies = artifact_of(standard_artifacts.ExampleAnomalies, self.here / "anomalies")
        inputs = {"statistics": [data.statistics], "schema": [of_schema]}
        ExampleValidator().Do(inputs, {"anomalies": [anomalies]}, {})
        before, passed = previous or (None, None)
        inputs |= {
            "examples": [data.examples],
            "index": [index],
            "quarantine": [artifact_of(Quarantine, self.here / "quarantine")],
            "anomalies": [anomalies],
            "previous_statistics": [before.statistics] if before else [],
            "previous_checks": [passed] if passed else [],
        }
        settings = DataGateSettings(
            data_gate=DataGateConfig(**config),
            split="eval",
            class_names=CLASSES,
            span=3,
            slices=slices or {},
        )
        outputs = {"checks": [self.checks]}
        Executor().Do(inputs, outputs, {"settings": settings.model_dump_json(), "code": ""})
        return read_checks(self.checks.uri)

    def refuses(self, *arguments, **options):
        """The sentences for which it stops; nothing is left that says that the data passed."""
        with pytest.raises(UserError) as raised:
            self.run(*arguments, **options)
        assert not (Path(self.checks.uri) / CHECKS).exists()
        head, *lines = str(raised.value).splitlines()
        assert head == "The data gate stopped the run before training:"
        return [line.strip() for line in lines]


@pytest.fixture
def gate(tmp_path):
    return Gate(tmp_path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return Data(tmp_path_factory.mktemp("balanced"), BALANCED)


@pytest.fixture(scope="module")
def drifted(tmp_path_factory):
    """Half of the train split is zeros, by another camera."""
    numbers = {"train": (30, 15, 15), "eval": (5, 5, 5)}
    return Data(tmp_path_factory.mktemp("drifted"), numbers, camera="b")


@pytest.fixture(scope="module")
def mislabelled(tmp_path_factory):
    numbers = {"train": (2, 2, 2), "eval": (1, 1, 1)}
    return Data(tmp_path_factory.mktemp("mislabelled"), numbers, label=12)


@pytest.fixture
def passed(gate, data):
    """The balanced data and the checks that they passed."""
    gate.run(data)
    return data, gate.checks


def test_data_as_they_should_be_pass_and_say_so(gate, data):
    checks = gate.run(data, max_label_skew=0.0, max_label_drift=0.0, duplicates="stop")
    assert [check.sentence for check in checks if not check.passed] == []
    keys = {check.key.removeprefix("data_gate.") for check in checks}
    assert keys == {*DataGateConfig.model_fields, "data.splits"} - {"near_distance"}
    assert gate.checks.get_int_custom_property("passed") == 1
    assert gate.checks.get_int_custom_property("span") == 3
    assert gate.checks.get_int_custom_property("statistics_id") == 17
    assert gate.checks.get_string_custom_property("class_names") == digest_of_classes(CLASSES)
    assert read_class_counts(gate.checks.uri, "train", CLASSES).tolist() == [20, 20, 20]


def test_tfdvs_anomalies_stop_the_run_in_its_words_each_once(gate, mislabelled):
    sentences = gate.refuses(mislabelled)
    assert len(sentences) == 2
    for split, sentence in zip(("train", "eval"), sentences, strict=True):
        path = gate.here / "anomalies" / f"Split-{split}" / "SchemaDiff.pb"
        found = anomalies_pb2.Anomalies.FromString(path.read_bytes())
        words = found.anomaly_info["label"].description.strip()
        assert "12" in words
        assert sentence.startswith(f"{split} split, label: ")
        assert words in sentence
        assert sentence.endswith("(data_gate.anomalies: stop).")


def test_anomalies_can_be_reported_alone(gate, mislabelled, caplog):
    caplog.set_level("INFO")
    checks = gate.run(mislabelled, anomalies="report")
    found = [check for check in checks if check.key == "data_gate.anomalies"]
    assert len(found) == 2
    assert not any(check.passed for check in found)
    assert all(check.sentence in caplog.messages for check in found)
    assert (
        "reported, and not stopped: anomalies (train split, label; eval split, label), "
        "missing_classes (all splits)"
    ) in caplog.messages


@pytest.mark.parametrize("feature", ["on_label", "on_camera"])
def test_the_schemas_own_drift_comparator_stops_the_run(gate, passed, drifted, feature):
    schema = schema_of(**{feature: "drift_comparator { infinity_norm { threshold: 0.1 } }"})
    (sentence,) = gate.refuses(drifted, schema, previous=passed)
    name = feature.removeprefix("on_")
    distance = {"label": "0.166667", "camera": "1"}[name]
    assert sentence.startswith(f"train split, {name}: High Linfty distance between")
    assert f" is {distance} (up to six significant digits), above the threshold 0.1" in sentence
    assert "previous: the last data that passed" in sentence
    # Without data to compare with there is no drift.
    gate.run(drifted, schema)
    gate.run(passed[0], schema, previous=passed)


def test_the_schemas_own_skew_comparator_is_against_the_judged_split(gate, data, drifted):
    schema = schema_of(on_label="skew_comparator { infinity_norm { threshold: 0.1 } }")
    (sentence,) = gate.refuses(drifted, schema)
    assert sentence.startswith("train split, label: High Linfty distance between")
    assert "serving: the eval split" in sentence
    gate.run(data, schema)


def test_label_drift_by_the_configuration_stops_the_run(gate, passed, drifted):
    (sentence,) = gate.refuses(drifted, previous=passed, max_label_drift=0.1)
    assert sentence == (
        "class 'zero' is 50 % of the train split and 33.33 % of the train split of the last data "
        "that passed: 0.1667 apart, and data_gate.max_label_drift allows 0.1."
    )
    gate.run(drifted, previous=passed, max_label_drift=0.17)
    gate.run(drifted, max_label_drift=0.0)


def test_label_drift_is_tfdvs_number_where_tfdv_has_one(gate, passed, drifted):
    checks = gate.run(drifted, previous=passed, max_label_drift=1.0)
    (ours,) = [check.value for check in checks if check.key == "data_gate.max_label_drift"]
    schema = schema_of(on_label="drift_comparator { infinity_norm { threshold: 0 } }")
    found = tfdv.validate_statistics(drifted.read(), schema, previous_statistics=passed[0].read())
    (info,) = found.drift_skew_info
    assert ours == pytest.approx(info.drift_measurements[0].value)


def test_label_skew_by_the_configuration_stops_the_run(gate, drifted):
    (sentence,) = gate.refuses(drifted, max_label_skew=0.1)
    assert sentence.startswith("class 'zero' is 50 % of the train split and 33.33 % of the eval")


def test_a_comparator_that_tfdv_passes_over_in_silence_is_an_anomaly(gate, tmp_path, passed):
    """Labels that no schema calls categorical have no histogram: any two are equal to TFDV."""
    numbers = {"train": (6, 1, 1), "eval": (1, 1, 1)}
    norm = "drift_comparator { infinity_norm { threshold: 0.01 } }"
    schema = schema_of(label="", on_label=norm)
    plain = Data(tmp_path / "plain", numbers, schema=schema)
    silent = tfdv.validate_statistics(plain.read(), schema, previous_statistics=plain.read())
    assert not silent.anomaly_info
    (sentence,) = gate.refuses(plain, schema, previous=(plain, None))
    assert "label: Not compared: drift_comparator.infinity_norm needs a histogram" in sentence
    schema = schema_of(on_image="drift_comparator { jensen_shannon_divergence { threshold: 0 } }")
    (sentence,) = gate.refuses(passed[0], schema, previous=passed)
    assert "image: Not compared: drift_comparator.jensen_shannon_divergence is for" in sentence
    # Text it compares.
    schema = schema_of(on_camera="drift_comparator { jensen_shannon_divergence { threshold: 0 } }")
    gate.run(passed[0], schema, previous=passed)


def test_too_many_rejects_stop_the_run_and_name_the_quarantine(gate, data):
    counts = {"train": SplitCounts(70, 60, {"truncated": 7, "empty": 3})}
    (sentence,) = gate.refuses(data, counts=counts)
    assert "10 of the 85 images read (11.76 %) were set aside" in sentence
    assert "train: 7 truncated, 3 empty" in sentence
    tool = bit_tfx("quarantine", "--output", f"{gate.here}/quarantine")
    assert f"They are in {gate.here}/quarantine; `{tool}`" in sentence
    gate.run(data, counts=counts, max_reject_fraction=0.12)


def test_missing_classes_and_imbalance_stop_where_they_should(gate, data):
    rows = {"eval": [each for each in data.rows["eval"] if each.label != 1]}
    rows["train"] = [each for each in data.rows["train"] if each.label != 2][:25]
    sentences = gate.refuses(data, rows=rows, max_imbalance=3)
    assert "1 of the 3 classes has no image in the train split: 'two'" in sentences[0]
    assert "evaluated but never trained on is always wrong" in sentences[0]
    assert "1 of the 3 classes has no image in the eval split: 'one'" in sentences[1]
    assert "fail on a class that is never evaluated, and still pass the gates" in sentences[1]
    assert "20 images and the smallest, 'one', 5: 4 to one" in sentences[2]
    checks = gate.run(data, rows=rows, missing_classes="report")
    missing = [check for check in checks if check.key == "data_gate.missing_classes"]
    assert [check.passed for check in missing] == [False, False]


def test_slices_of_data_in_order_of_their_classes_stop_with_what_to_type(gate, data, caplog):
    """One after another, 17 of 20 images train and the last class alone is judged."""
    caplog.set_level("INFO")
    everything = sorted([*data.rows["train"], *data.rows["eval"]], key=lambda each: each.label)
    slices = {"train": "train[:85%]", "eval": "train[85%:]"}
    cut = round(0.85 * len(everything))
    rows = {"train": everything[:cut], "eval": everything[cut:]}
    (sentence,) = gate.refuses(data, rows=rows, slices=slices)
    assert sentence.startswith(
        "2 of the 3 classes have no image in the eval split: 'zero', 'one' "
        "(data_gate.missing_classes: stop). The model can fail on a class that is never evaluated"
    )
    assert "stored class by class (75 images in 3 runs)" in sentence
    typed = dict(re.findall(r"--set data\.splits\.(\w+)='([^']+)'", sentence))
    (line,) = (text for text in caplog.messages if text.startswith("slices of data that are"))
    assert "train 'train[:85%]' holds 3 of 3 classes" in line
    assert "eval 'train[85%:]' holds 1 of 3 classes" in line
    assert "form 3 runs of one class; a shuffled order has 51 on average" in line
    # What it says works.
    for split, slice_ in typed.items():
        edges = [map(int, pair) for pair in re.findall(r"train\[(\d+)%:(\d+)%\]", slice_)]
        rows[split] = [
            each for a, b in edges for each in everything[round(0.75 * a) : round(0.75 * b)]
        ]
    assert len(rows["train"]) + len(rows["eval"]) == len(everything)
    gate.run(data, rows=rows, slices=typed)


def test_duplicates_and_near_duplicates_stop_where_they_should(gate, data):
    first, second = data.rows["train"][:2]
    twice = first._replace(source="eval/twice.png", label=2)
    alike = second._replace(
        source="eval/alike.png", sha256=hashlib.sha256(b"x").digest(), phash=second.phash ^ 1
    )
    rows = {"eval": [*data.rows["eval"], twice, alike]}
    (sentence,) = gate.refuses(data, rows=rows, duplicates="stop")
    assert f"eval/twice.png is {first.source} (data_gate.duplicates: stop)" in sentence
    (sentence,) = gate.refuses(data, rows=rows, near_duplicates="stop", near_distance=1)
    assert f"eval/alike.png like {second.source} (data_gate.near_duplicates: stop)" in sentence
    checks = gate.run(data, rows=rows, near_duplicates="stop")
    reported = [check.sentence for check in checks if not check.passed]
    assert "1 of the 17 images of the eval split is in the train split too" in reported[0]
    assert "1 image is in the data under more than one class" in reported[1]


def test_all_that_stops_is_told_at_once(gate, mislabelled):
    counts = {"train": SplitCounts(12, 6, {"empty": 6})}
    # All labels are out of range, and stand for the last class here.
    few = {"eval": [mislabelled.rows["eval"][0]._replace(label=1)]}
    sentences = gate.refuses(mislabelled, counts=counts, rows=few)
    assert len(sentences) == 5
