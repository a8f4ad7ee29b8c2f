"""The whole pipeline on real data and the real BeamDagRunner, run after run in one output folder.

The tests of this file build on each other in their order: each is the next day of one pipeline.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.inputs.code import ROOT
from tests import cards
from tests.e2e.conftest import QUICK

STEPS = {
    "ImageExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "PassedSpan",
    "DataGate", "Transform", "Pictures", "Trainer", "BaselineModel", "Evaluator",
    "ModelCheck", "Pusher", "Report",
}  # fmt: skip


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("output") / "digits"


@pytest.fixture(scope="module")
def temporary(tmp_path_factory):
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def first(run, checkout, output, temporary):
    return run(output, *QUICK, root=checkout, environment={"TMPDIR": str(temporary)})


def test_the_first_run_trains_judges_and_pushes(first):
    assert first.exit_code == 0, first.out + first.err
    summary = first.summary
    assert set(first.states) == STEPS
    assert set(first.states.values()) == {"complete"}
    splits = summary["counts"].pop("splits")
    assert summary["counts"] == {"read": 539, "rejected": {}, "train": 359, "eval": 180}
    assert splits["eval"] == {"read": 180, "kept": 180, "rejected": {}}
    assert summary["quarantine"] is None
    assert summary["blessed"] is True
    assert summary["reasons"] == []
    assert summary["baseline_metrics"] == {}
    assert summary["metrics"]["accuracy"] >= 0.5
    assert summary["metrics"]["example_count"] == 180
    assert set(summary["metrics"]["per_class"]) == set("0123456789")
    assert first.served == [os.path.basename(summary["pushed"])]
    assert "blessed" in first.out
    assert summary["pushed"] in first.out


def test_its_terminal_is_readable_and_the_noise_is_in_log_files(first):
    assert first.err == ""
    assert len(first.out.splitlines()) < 40
    assert "WARNING" not in first.out
    assert "epoch 4/4" in first.out
    logs = first.output / "logs" / first.summary["run_id"]
    assert {f"{step}.log" for step in STEPS} < {path.name for path in logs.iterdir()}
    assert "epoch 4/4" in (logs / "Trainer.log").read_text()
    assert (logs / "config.yaml").read_text().startswith("pipeline_name: digits")


def test_nothing_is_left_in_the_folder_of_temporary_files(first, temporary):
    assert list(temporary.iterdir()) == []


def test_beam_never_looks_for_another_runner(first):
    logs = first.output / "logs" / first.summary["run_id"]
    for log in logs.glob("*.log"):
        assert "prism" not in log.read_text().lower(), log


def test_the_data_are_drawn_before_and_after(first):
    (folder,) = (first.output / "artifacts" / "Pictures" / "pictures").iterdir()
    for name in ("before.png", "after.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    page = Path(first.summary["report"]).read_text()
    assert page.count('class="sheet"') == 2


def test_the_history_is_kept_with_the_model_run(first):
    (history,) = (first.output / "artifacts" / "Trainer" / "model_run").glob("*/history.json")
    rows = json.loads(history.read_text())
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert sum(row["restored"] for row in rows) == 1
    best = next(row for row in rows if row["restored"])
    assert best["val_accuracy"] == max(row["val_accuracy"] for row in rows)
    assert best["val_accuracy"] == pytest.approx(first.summary["metrics"]["accuracy"], abs=1e-6)
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.025] * 3 + [0.0025])


def test_no_float_image_was_stored(first):
    transform = first.output / "artifacts" / "Transform"
    assert {path.name for path in transform.iterdir()} >= {"transform_graph"}
    assert "transformed_examples" not in {path.name for path in transform.iterdir()}


def test_both_signatures_reach_the_accuracy_of_the_summary_with_tensorflow_alone(first, tfds_dir):
    code = f"""
import sys, json, glob, numpy as np, tensorflow as tf
model = tf.saved_model.load({first.summary["pushed"]!r})
files = glob.glob({str(first.output)!r} + "/artifacts/ImageExampleGen/examples/*/Split-eval/*")
records = [r.numpy() for r in tf.data.TFRecordDataset(files, "GZIP")]
features = [tf.train.Example.FromString(r).features.feature for r in records]
labels = np.array([f["label"].int64_list.value[0] for f in features])
images = tf.constant([f["image"].bytes_list.value[0] for f in features])
by_example = model.signatures["serving_default"](examples=tf.constant(records))
by_image = model.signatures["predict_image"](image_bytes=images)
assert not {{"tfx", "tensorflow_hub", "tensorflow_transform", "tfx_bsl"}} & set(sys.modules)
for out in (by_example, by_image):
    assert out["probabilities"].shape == (180, 10)
    np.testing.assert_allclose(out["probabilities"].numpy().sum(1), 1, atol=1e-5)
    assert [name.decode() for name in out["class_name"].numpy()] == [
        str(index) for index in out["class_index"].numpy()]
np.testing.assert_array_equal(by_example["probabilities"], by_image["probabilities"])
for name in ("serving_default", "predict_image"):
    none = model.signatures[name](tf.constant([], tf.string))
    shapes = {{name: tuple(value.shape) for name, value in none.items()}}
    assert shapes.pop("probabilities") == (0, 10)
    assert shapes == dict.fromkeys(["class_index", "class_name", "valid", "error"], (0,))
names = [name.decode() for name in model.signatures["labels"]()["labels"].numpy()]
assert names == list(map(str, range(10)))
print(json.dumps(float(np.mean(by_image["class_index"].numpy() == labels))))
"""
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, cwd="/")
    assert json.loads(printed) == pytest.approx(first.summary["metrics"]["accuracy"], abs=1e-6)


def test_the_pushed_model_carries_its_card(first):
    """It says what the summary says, and how the model is called."""
    folder = Path(first.summary["pushed"])
    card = json.loads((folder / "assets.extra" / "model_card.json").read_text())
    summary = first.summary
    overall = {name: each["value"] for name, each in card["metrics"]["overall"].items()}
    assert overall["accuracy"] == summary["metrics"]["accuracy"]
    assert overall.items() <= summary["metrics"].items()
    for name, metrics in card["metrics"]["per_class"].items():
        assert metrics["accuracy"]["value"] == summary["metrics"]["per_class"][name]["accuracy"]
    assert card["baseline_metrics"] is None
    assert all(gate["passed"] for gate in card["gates"])
    assert (card["model"]["run_id"], card["model"]["version"]) == (
        summary["run_id"],
        int(folder.name),
    )
    counts = {split: summary["counts"][split] for split in ("train", "eval")}
    assert (card["data"]["name"], card["counts"]) == ("digits/1.0.0", counts)
    assert card["hyperparameters"]["training"] == summary["config"]["training"]
    assert card["training"]["epochs"] == 4
    assert set(card["code"]["steps"]) < STEPS
    markdown = (folder / "assets.extra" / "model_card.md").read_text()
    assert markdown.startswith(f"# Model card: digits, version {folder.name}\n")
    call = [sys.executable, "-c", cards.CALL, str(folder), json.dumps(card)]
    subprocess.run(call, check=True, cwd="/")


def test_the_report_says_what_the_summary_says(first):
    page = first.output / "report" / "index.html"
    assert first.summary["report"] == str(page)
    assert str(page) in first.out
    text = page.read_text()
    assert "http-equiv" in text
    assert f"{first.summary['metrics']['accuracy']:.4f}" in text
    assert first.summary["run_id"] in text
    # A mistake has the name of its record.
    assert "<dt>from</dt><dd>digits-train.tfrecord-00000-of-00001#" in text
    runs = (first.output / "report" / "runs.html").read_text()
    assert "first run" in runs
    # What the report is made of is one artifact like the others.
    (made,) = (first.output / "artifacts" / "Report" / "report").glob("*/index.html")
    assert made.read_text() == text


def test_its_numbers_are_scikit_learns_on_the_served_models_predictions(first):
    code = f"""
import glob, json, numpy as np, tensorflow as tf
from sklearn import metrics
from sklearn.calibration import calibration_curve
from tfx.orchestration import metadata
from components.report.collect import collect
from components.report.settings import ReportSettings
from components.lineage.outputs import read_outputs
path = {str(first.output)!r} + "/metadata/metadata.sqlite"
store = metadata.sqlite_metadata_connection_config(path)
names = tuple("0123456789")
report = collect(read_outputs(store, {first.summary["run_id"]!r}), ReportSettings(
    pipeline="digits", run_id="1", split="eval", class_names=names, config={{}}, sources=(),
    links={{}}))

model = tf.saved_model.load({first.summary["pushed"]!r})
files = glob.glob({str(first.output)!r} + "/artifacts/ImageExampleGen/examples/*/Split-eval/*")
records = [r.numpy() for r in tf.data.TFRecordDataset(files, "GZIP")]
labels = np.array([tf.train.Example.FromString(r).features.feature["label"].int64_list.value[0]
                   for r in records])
p = np.concatenate([model.signatures["serving_default"](examples=tf.constant(records[i:i + 64]))
                    ["probabilities"].numpy() for i in range(0, len(records), 64)])
predicted = p.argmax(1)
close = lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6)
close(report.metrics["accuracy"].value, metrics.accuracy_score(labels, predicted))
close(report.metrics["loss"].value, metrics.log_loss(labels, p.astype(np.float64)))
close(report.metrics["balanced_accuracy"].value,
      metrics.balanced_accuracy_score(labels, predicted))
close(report.metrics["macro_f1"].value, metrics.f1_score(labels, predicted, average="macro"))
close(report.metrics["top_5_accuracy"].value, metrics.top_k_accuracy_score(labels, p, k=5))
precision, recall, f1, count = metrics.precision_recall_fscore_support(labels, predicted)
close([row.precision for row in report.classes], precision)
close([row.recall for row in report.classes], recall)
close([row.f1 for row in report.classes], f1)
close([row.count for row in report.classes], count)
matrix = np.zeros((10, 10))
for true, taken, number in report.confusion.cells:
    matrix[true, taken] = number
close(matrix, metrics.confusion_matrix(labels, predicted))
accuracy, confidence = calibration_curve(labels == predicted, p.max(1), n_bins=10)
close([row.accuracy for row in report.calibration], accuracy)
close([row.confidence for row in report.calibration], confidence)
"""
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]


def test_an_unchanged_run_does_nothing_and_ends_the_same(run, checkout, output, first):
    again = run(output, *QUICK, root=checkout)
    assert again.exit_code == 0
    assert again.seconds < 30
    assert set(again.states.values()) == {"cached"}
    assert again.summary["metrics"] == first.summary["metrics"]
    assert again.summary["pushed"] is None
    assert again.served == first.served
    assert "nothing was pushed" in again.out


def test_a_gate_that_is_not_reached_rejects_with_both_numbers(run, checkout, output, first):
    gate = (*QUICK, "evaluation.min_accuracy=0.9999")
    rejected = run(output, *gate, root=checkout)
    assert_below(gate, rejected, first)


def assert_below(gate, rejected, first):
    assert rejected.exit_code == 3
    accuracy = rejected.summary["metrics"]["accuracy"]
    (reason,) = rejected.summary["reasons"]
    assert gate[-1].replace("=", " ") in reason
    assert f"{accuracy:.4f}" in reason or f"{accuracy:.6f}" in reason
    assert rejected.summary["blessed"] is False
    assert rejected.summary["pushed"] is None
    assert rejected.served == first.served
    assert rejected.states["Trainer"] == "cached"


@pytest.mark.slow
def test_a_run_that_was_rejected_is_rejected_again(run, checkout, output, first):
    gate = (*QUICK, "evaluation.min_accuracy=0.9999")
    for _ in range(2):
        assert_below(gate, run(output, *gate, root=checkout), first)


@pytest.mark.slow
def test_a_worse_model_is_rejected_against_the_last_blessed(run, checkout, output, first):
    worse = (*QUICK, "training.base_learning_rate=0.00001", "evaluation.min_accuracy=0.01")
    rejected = run(output, *worse, root=checkout)
    assert rejected.exit_code == 3
    summary = rejected.summary
    assert summary["baseline_metrics"]["accuracy"] == first.summary["metrics"]["accuracy"]
    (reason,) = summary["reasons"]
    assert "evaluation.max_regression" in reason
    assert "the baseline has" in reason
    assert rejected.served == first.served
    assert rejected.states["Transform"] == "cached"
    assert rejected.states["Trainer"] == "complete"


@pytest.mark.slow
def test_an_edit_reruns_the_step_that_imports_it_and_pushes_a_new_model(
    run, checkout, output, first
):
    schedule = checkout / "components" / "trainer" / "schedule.py"
    with schedule.open("a") as stream:
        stream.write("\n# A comment is no edit.\n")
    commented = run(output, *QUICK, root=checkout)
    assert commented.exit_code == 0, commented.out
    assert {commented.states[step] for step in ("Transform", "Pictures", "Trainer")} == {"cached"}
    assert commented.served == first.served
    with schedule.open("a") as stream:
        stream.write("EDIT = True\n")
    edited = run(output, *QUICK, root=checkout)
    assert edited.exit_code == 0, edited.out
    for step in ("ImageExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "Transform"):
        assert edited.states[step] == "cached"
    for step in ("Trainer", "Evaluator", "Pusher"):
        assert edited.states[step] == "complete"
    assert edited.summary["baseline_metrics"]["accuracy"] == first.summary["metrics"]["accuracy"]
    assert edited.served[:-1] == first.served
    assert edited.served[-1] == os.path.basename(edited.summary["pushed"])


@pytest.mark.slow
def test_a_served_model_that_was_removed_is_pushed_again(run, checkout, output, first):
    import shutil

    newest = max((output / "serving").iterdir(), key=lambda path: int(path.name))
    shutil.rmtree(newest)
    repaired = run(output, *QUICK, root=checkout)
    assert repaired.exit_code == 0
    assert repaired.states["Trainer"] == "cached"
    assert repaired.states["Pusher"] == "complete"
    assert repaired.served[-1] == os.path.basename(repaired.summary["pushed"])


@pytest.fixture
def turned_data(tfds_dir):
    """Digits in the other order, in place, while one test runs: every module reads this folder."""
    import tensorflow as tf

    path = next((tfds_dir / "digits" / "1.0.0").glob("*.tfrecord*"))
    before = path.read_bytes()
    records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in reversed(records):
            writer.write(record)
    yield
    path.write_bytes(before)


@pytest.mark.slow
@pytest.mark.usefixtures("turned_data")
def test_data_rewritten_in_place_is_read_again(run, checkout, output, first):
    """In another order: of a small tfds data set it is compared what it holds."""
    fresh = run(output, *QUICK, root=checkout)
    assert fresh.exit_code == 0, fresh.out
    assert fresh.states["ImageExampleGen"] == "complete"
    assert fresh.states["Trainer"] == "complete"
    assert fresh.summary["baseline_metrics"] != {}


@pytest.mark.slow
def test_without_cache_and_without_a_curated_schema_every_step_runs(
    run, checkout, output, first, tmp_path
):
    path = tmp_path / "mine" / "schema.pbtxt"
    # The model that serves has learned from the data in another order, and may be the better one.
    more = ("data.curated_schema=null", "evaluation.max_regression=0.2")
    wish = (*QUICK, *more, f"data.write_schema={path}")
    ended = run(output, *wish, root=checkout, arguments=("--no-cache",))
    assert ended.exit_code == 0, ended.out
    assert set(ended.states.values()) == {"complete"}
    schemas = (output / "artifacts" / "SchemaGen" / "schema").glob("*/schema.pbtxt")
    newest = max(schemas, key=lambda path: int(path.parent.name)).read_text()
    assert "image" in newest
    assert "label" in newest
    # Without an image domain, TFDV says of every image that it cannot be decoded as UTF-8.
    log = output / "logs" / ended.summary["run_id"] / "StatisticsGen.log"
    assert "cannot be decoded" not in log.read_text()
    assert f"Schema: written to {path}" in ended.out

    written = path.read_text()
    assert "minimum_supported_image_fraction: 1.0" in written
    again = run(output, *wish, root=checkout)
    assert again.exit_code == 0, again.out
    assert f"Schema: {path} exists, and is used unchanged" in again.out
    assert again.states["ImageExampleGen"] == "cached"
    assert again.states["SchemaGen"] == again.states["StatisticsGen"] == "complete"
    assert path.read_text() == written
    kept = max((output / "artifacts" / "SchemaGen" / "schema").iterdir(), key=lambda p: int(p.name))
    assert "max: 9" in (kept / "schema.pbtxt").read_text()

    path.unlink()
    anew = run(output, *wish, root=checkout)
    assert anew.exit_code == 0, anew.out
    assert path.read_text() == written
