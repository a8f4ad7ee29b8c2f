"""A model that is worse on one class only: all together pass, and the class's own gate does not."""

from pathlib import Path

import pytest

from tests.e2e.conftest import QUICK

pytestmark = pytest.mark.slow

GATES = (
    "evaluation.max_regression=0.2",
    "evaluation.min_class_accuracy={'3': 0.5}",
    "evaluation.max_class_regression=0.4",
    "evaluation.slices=[{feature: image_side, min_accuracy: 0.5}]",
)


@pytest.fixture(scope="module")
def mislabelled(tmp_path_factory):
    """The digits with every 3 of the first nine tenths, which training sees, called an 8."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    from components.example_gen.sources import digits as _digits  # noqa: F401

    folder = tmp_path_factory.mktemp("mislabelled")
    tfds.builder("digits", data_dir=str(folder)).download_and_prepare()
    path = str(next((folder / "digits" / "1.0.0").glob("*.tfrecord*")))
    records = list(tf.data.TFRecordDataset(path).as_numpy_iterator())
    with tf.io.TFRecordWriter(path) as writer:
        for number, record in enumerate(records):
            example = tf.train.Example.FromString(record)
            label = example.features.feature["label"].int64_list.value
            if number < len(records) * 9 // 10 and label[0] == 3:
                label[0] = 8
            writer.write(example.SerializeToString())
    return folder


def content(ended):
    """What the report of a run shows, as data."""
    from tfx.orchestration import metadata

    from components.lineage.outputs import read_outputs
    from components.report.collect import collect
    from components.report.settings import ReportSettings

    path = str(ended.output / "metadata" / "metadata.sqlite")
    connection = metadata.sqlite_metadata_connection_config(path)
    run_id = ended.summary["run_id"]
    settings = ReportSettings(
        pipeline="digits", run_id=run_id, split="eval", class_names=tuple("0123456789"),
        config={}, sources=(), links={},
    )  # fmt: skip
    return collect(read_outputs(connection, run_id), settings)


@pytest.fixture(scope="module")
def good(run, tmp_path_factory):
    """A first run, blessed."""
    ended = run(tmp_path_factory.mktemp("output") / "out", *QUICK, *GATES)
    assert ended.exit_code == 0, ended.out
    return ended


def test_the_class_gate_rejects_and_the_report_shows_the_images(run, good, mislabelled):
    # The train split has no 3 left, for which the data gate would stop.
    told = (f"data.data_dir={mislabelled}", "data_gate.missing_classes=report")
    worse = run(good.output, *QUICK, *GATES, *told)
    assert worse.exit_code == 3, worse.out
    metrics, before = worse.summary["metrics"], worse.summary["baseline_metrics"]
    assert metrics["accuracy"] > before["accuracy"] - 0.2
    assert metrics["per_class"]["3"]["accuracy"] < 0.2
    assert worse.summary["reasons"] == [
        reason for reason in worse.summary["reasons"] if "class '3'" in reason
    ]
    keys = ("min_class_accuracy", "max_class_regression")
    assert len(worse.summary["reasons"]) == 2
    for key, reason in zip(keys, worse.summary["reasons"], strict=True):
        assert f"evaluation.{key}" in reason
    assert worse.served == good.served
    page = Path(worse.summary["report"]).read_text()
    assert "accuracy of class &#39;3&#39;" in page
    report = content(worse)
    row = report.classes[3]
    assert row.change == pytest.approx(-before["per_class"]["3"]["accuracy"], abs=0.2)
    shown = [report.pictures[position] for position in report.confusion.pictures[3, 8]]
    assert len(shown) >= 10
    assert all(picture.image.startswith(b"\x89PNG") for picture in shown)
    assert {(picture.true, picture.predicted) for picture in shown} == {(3, 8)}


def test_the_best_that_ever_passed_is_the_baseline_when_asked_for(run, good):
    """A good model, a worse one that passes, and a third: it is compared with the first."""
    output = good.output
    soft = (*QUICK, "evaluation.min_accuracy=0.05", "evaluation.max_regression=null")
    worse = run(output, *soft, "training.base_learning_rate=0.01")
    assert worse.exit_code == 0, worse.out
    assert worse.summary["metrics"]["accuracy"] < good.summary["metrics"]["accuracy"]
    best = ("evaluation.baseline=best_blessed", "evaluation.max_regression=0.9")
    third = run(output, *soft, *best, "training.seed=3")
    baseline = third.summary["baseline_metrics"]["loss"]
    assert baseline == pytest.approx(good.summary["metrics"]["loss"], abs=1e-6)
