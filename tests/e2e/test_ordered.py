"""TFRecords in the order of their classes: no model is judged on the last class alone."""

import json
import re
from pathlib import Path

import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from tests.components.trainer.jobs import png

pytestmark = pytest.mark.slow

CONFIG = """\
pipeline_name: ordered
data:
  tfrecords: {files: {train: 'records/*.tfrecord'}, class_names: [zero, one, two]}
preprocessing: {resize: 32, crop: null}
backbone: {handle: bit-mini, mode: head_only}
training: {batch_size: 64, base_learning_rate: 0.2, schedule: {steps: 40, boundaries: [30]}}
evaluation: {min_accuracy: 0.5}
"""


@pytest.fixture
def ordered(tmp_path):
    """Digits 0 to 2, one class after another, in one file."""
    digits = load_digits()
    scans = [scan for label in range(3) for scan in (digits.target == label).nonzero()[0]]
    (tmp_path / "records").mkdir()
    with tf.io.TFRecordWriter(str(tmp_path / "records" / "all.tfrecord")) as writer:
        for scan in scans:
            image = tf.train.BytesList(value=[png(int(scan))])
            label = tf.train.Int64List(value=[int(digits.target[scan])])
            features = {
                "image": tf.train.Feature(bytes_list=image),
                "label": tf.train.Feature(int64_list=label),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    (tmp_path / "ordered.yaml").write_text(CONFIG)
    return tmp_path


def intervals(ended):
    """[lower, upper] of accuracy and loss on all images."""
    folder = ended.output / "artifacts" / "Evaluator" / "evaluation"
    newest = max(folder.iterdir(), key=lambda path: int(path.name))
    (overall,) = (
        row for row in json.loads(Path(newest, "metrics.json").read_text())["candidate"]
        if not row["feature"]
    )  # fmt: skip
    return {
        name: (overall["metrics"][name]["lower"], overall["metrics"][name]["upper"])
        for name in ("accuracy", "loss")
    }


def test_slices_of_sorted_records_stop_the_run_and_what_it_says_to_type_works(run, ordered):
    told = ("--config", str(ordered / "ordered.yaml"))
    ended = run(ordered / "out", arguments=told)
    assert ended.exit_code == 2, ended.out + ended.err
    (reason,) = ended.summary["reasons"]
    assert "2 of the 3 classes have no image in the eval split: 'zero', 'one'" in reason
    assert "stored class by class (537 images in 3 runs)" in reason
    assert "slices of data that are stored class by class" in ended.out
    assert "eval 'train[85%:]' holds 1 of 3 classes" in ended.out
    assert ended.states["Trainer"] == "skipped"
    assert ended.served == []
    typed = re.findall(r"--set (data\.splits\.\w+)='([^']+)'", reason)
    again = run(ordered / "out", *(f"{key}={value}" for key, value in typed), arguments=told)
    assert again.exit_code == 0, again.out + again.err
    assert again.summary["metrics"]["per_class"].keys() == {"zero", "one", "two"}
    page = Path(again.summary["report"]).read_text()
    assert "slices of data that are stored class by class" in page
    # Trained and judged again on the same images.
    more = [f"{key}={value}" for key, value in typed]
    third = run(ordered / "out", *more, arguments=("--no-cache", *told))
    assert third.exit_code == 0, third.out + third.err
    assert third.states["Evaluator"] == "complete"
    first, second = intervals(again), intervals(third)
    for name, (lower, upper) in first.items():
        width = second[name][1] - second[name][0]
        assert width == pytest.approx(upper - lower, rel=0.02)
