"""Between the Evaluator and a server: ModelCheck's gates, a rollback, and what the next runs do.

The tests build on each other in their order, as in test_digits.
"""

from pathlib import Path

import pytest
import tensorflow as tf

from components.lineage.changes import changes
from components.pusher.versions import versions
from pipeline.run.metadata_file import connection_of
from tests.command import bit_tfx
from tests.e2e.conftest import QUICK

pytestmark = pytest.mark.slow

SHORT = (*QUICK, "training.schedule={steps: 20, boundaries: [15]}", "evaluation.min_accuracy=0.01")
OTHER = (*SHORT, "training.base_learning_rate=0.002", "evaluation.max_regression=1.0")
WORST = (*SHORT, "training.base_learning_rate=0.00001", "evaluation.max_regression=0.1")


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="module")
def first(run, output):
    return run(output, *SHORT)


def test_a_model_is_asked_before_it_is_pushed(first):
    assert first.exit_code == 0, first.out + first.err
    assert first.states["ModelCheck"] == "complete"
    measured = first.summary["model_check"]
    assert measured.keys() == {"load_s", "memory_mb", "p50_ms", "p99_ms", "images_per_s", "images"}
    assert measured["images"] == 64
    assert "Serving   loads in" in first.out


def test_the_pushed_version_has_requests_that_it_answers(first):
    from tensorflow_serving.apis import prediction_log_pb2

    pushed = first.summary["pushed"]
    model = tf.saved_model.load(pushed)
    file = f"{pushed}/assets.extra/tf_serving_warmup_requests"
    records = list(tf.data.TFRecordDataset(file).as_numpy_iterator())
    assert len(records) <= 1_000
    asked = set()
    for record in records:
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        assert request.model_spec.name == "digits"
        rows = {name: tf.make_ndarray(each).tolist() for name, each in request.inputs.items()}
        answers = model.signatures[request.model_spec.signature_name](
            **{name: tf.constant(values, tf.string) for name, values in rows.items()}
        )
        assert answers["valid"].numpy().all()
        asked.add((request.model_spec.signature_name, len(answers["valid"])))
    assert asked == {(name, n) for name in ("predict_image", "serving_default") for n in (1, 7, 64)}


def test_a_model_that_is_too_slow_is_rejected_and_what_serves_stays(run, output, first):
    slow = run(output, *OTHER, "serving.max_latency_ms=0.001")
    assert slow.exit_code == 3
    assert slow.summary["blessed"] is False
    (reason,) = slow.summary["reasons"]
    assert reason.startswith("the time for one image (99th percentile), ")
    assert reason.endswith(" ms, exceeds serving.max_latency_ms 0.001")
    assert reason in (output / "report" / "index.html").read_text(encoding="utf-8")
    assert slow.summary["pushed"] is None
    assert slow.served == first.served


def test_the_limit_is_all_that_is_asked_again(run, output, first):
    second = run(output, *OTHER)
    assert second.exit_code == 0
    assert second.states["Trainer"] == second.states["Evaluator"] == "cached"
    assert second.states["ModelCheck"] == "complete"
    assert Path(second.summary["pushed"]).name > first.served[-1]
    assert len(second.served) == 2


def test_a_rollback_is_recorded_and_not_undone_by_the_next_run(run, output, first):
    before, after = (int(name) for name in sorted(p.name for p in (output / "serving").iterdir()))
    rolled = bit_tfx("rollback", "--output", str(output))
    assert rolled.returncode == 0, rolled.stderr
    assert rolled.stdout.startswith(f"Version {before} of {output}/serving serves; before, ")
    assert versions(output / "serving") == [before]

    from ml_metadata.metadata_store import metadata_store

    store = metadata_store.MetadataStore(connection_of(output / "metadata" / "metadata.sqlite"))
    (change,) = changes(store)
    assert (change["what"], change["before"], change["after"]) == ("rollback", after, before)

    again = run(output, *OTHER)
    assert again.exit_code == 0
    assert again.summary["pushed"] is None
    assert f"was rolled back as version {after}" in again.summary["not_pushed"]
    assert f"({again.summary['not_pushed']})" in again.out
    assert versions(output / "serving") == [before]


def test_the_next_model_is_compared_with_the_one_that_was_rolled_back_to(run, output, first):
    worst = run(output, *WORST)
    assert worst.exit_code == 3
    assert worst.summary["baseline_metrics"]["accuracy"] == first.summary["metrics"]["accuracy"]
    assert len(versions(output / "serving")) == 1
