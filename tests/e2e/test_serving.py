"""Between the Evaluator and a server: ModelCheck's gates, a rollback, and what the next runs do.

The tests build on each other in their order, as in test_digits.
"""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.lineage.changes import changes
from components.pusher.signature import make_keys, sign
from components.pusher.versions import CARD_JSON, CARD_MARKDOWN, SIGNATURE, versions
from pipeline.run.metadata_file import connection_of
from tests.command import bit_tfx
from tests.e2e.conftest import QUICK

pytestmark = pytest.mark.slow

SHORT = (*QUICK, "training.schedule={steps: 20, boundaries: [15]}", "evaluation.min_accuracy=0.01")
SHORT = (*SHORT, "training.calibration=temperature", "serving.min_confidence=0.3")
OTHER = (*SHORT, "training.base_learning_rate=0.002", "evaluation.max_regression=1.0")
WORST = (*SHORT, "training.base_learning_rate=0.00001", "evaluation.max_regression=0.1")


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def first(run, output, keys):
    return run(output, *SHORT, f"push.signing_key={keys[0]}")


def verify(path, keys, *arguments):
    ran = bit_tfx("verify", str(path), "--key", keys[1], *arguments)
    failed = [line.split(":")[0].split()[1] for line in ran.stdout.splitlines() if "FAIL" in line]
    return ran.returncode, failed, ran.stdout + ran.stderr


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


def test_the_version_is_signed_and_is_what_the_lineage_says(first, output, keys):
    code, failed, said = verify(output / "serving", keys)
    assert (code, failed) == (0, []), said
    names = [line.split(":")[0].split()[1] for line in said.splitlines() if line.startswith("ok")]
    lineage = ["push", "card", "model", "backbone", "data", "code"]
    assert names == ["name", "signature", *lineage]


def spoiled_card(folder, change):
    card = json.loads((folder / CARD_JSON).read_text(encoding="utf-8"))
    change(card)
    (folder / CARD_JSON).write_text(json.dumps(card), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        (lambda card: card["backbone"].update(sha256="0" * 64), ["card", "backbone"]),
        (lambda card: card["data"].update(fingerprint="0" * 64), ["card", "data"]),
        (lambda card: card["code"]["steps"].update(Trainer="0" * 64), ["card", "code"]),
        (lambda card: card["model"].update(version=7), ["name", "push"]),
        (lambda card: card["metrics"].update(images=10**6), ["card"]),
    ],
)
def test_a_card_that_differs_from_the_lineage_is_found(
    first, output, keys, tmp_path, change, failed
):
    """Signed again, by somebody who has the key: the lineage still knows."""
    name = Path(first.summary["pushed"]).name
    copy = shutil.copytree(first.summary["pushed"], tmp_path / name)
    spoiled_card(copy, change)
    code, found, said = verify(copy, keys, "--output", str(output))
    assert (code, found) == (
        3,
        [*failed[:1], "signature", *failed[1:]] if "name" in failed else ["signature", *failed],
    ), said
    sign(copy, keys[0])
    assert verify(copy, keys, "--output", str(output))[:2] == (3, failed)


def test_weights_of_another_training_are_found_even_signed(first, output, keys, tmp_path):
    name = Path(first.summary["pushed"]).name
    copy = shutil.copytree(first.summary["pushed"], tmp_path / name)
    data = copy / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1] + b"\x00")
    sign(copy, keys[0])
    code, failed, said = verify(copy, keys, "--output", str(output))
    assert (code, failed) == (3, ["model"])
    assert "files that are not those that the Trainer wrote: variables/" in said


def test_outside_of_an_output_the_signature_alone_is_checked(first, keys, tmp_path):
    copy = shutil.copytree(first.summary["pushed"], tmp_path / Path(first.summary["pushed"]).name)
    code, failed, said = verify(copy, keys)
    assert (code, failed) == (0, []), said
    assert "lineage: not compared" in said
    older = copy.rename(tmp_path / "99999999999")
    assert verify(older, keys)[:2] == (3, ["name"])
    (older / SIGNATURE).unlink()
    assert verify(older, keys)[:2] == (3, ["name", "signature"])
    unkeyed = bit_tfx("verify", str(older))
    assert (unkeyed.returncode, unkeyed.stdout) == (2, "")
    assert "nothing to check it by" in unkeyed.stderr


def test_a_key_that_cannot_sign_stops_the_run_before_it_starts(run, output, first, tmp_path):
    refused = run(output, *SHORT, f"push.signing_key={tmp_path / 'none.pem'}")
    assert refused.exit_code == 2
    assert "push.signing_key" in refused.err
    assert "cannot be read: No such file" in refused.err
    checked = bit_tfx("check", "--set", f"push.signing_key={tmp_path / 'none.pem'}")
    assert checked.returncode == 2


def test_the_card_has_the_temperature_and_what_the_threshold_does(first, output):
    pushed = Path(first.summary["pushed"])
    card = json.loads((pushed / CARD_JSON).read_text(encoding="utf-8"))
    calibration, abstention = card["calibration"], card["abstention"]
    assert calibration["images"] == abstention["images"] == card["metrics"]["images"]
    assert calibration["loss"] < calibration["loss_before"]
    # What the Evaluator measured is what the temperature was fitted for.
    assert card["metrics"]["overall"]["loss"]["value"] <= calibration["loss"] + 0.01
    assert any("was fitted on the eval split" in each for each in card["limits"])
    (table,) = (output / "artifacts" / "Evaluator" / "evaluation").rglob("part-*.parquet")
    rows = pq.read_table(table).to_pylist()
    named = [row for row in rows if row["top_probabilities"][0] >= 0.3]
    assert 0 < len(named) < len(rows)
    right = [row["label"] == row["top_classes"][0] for row in named]
    assert abstention["named"] == len(named)
    assert abstention["accuracy"] == pytest.approx(sum(right) / len(right))
    text = (pushed / CARD_MARKDOWN).read_text(encoding="utf-8")
    assert f"names one for\n{len(named)} of {len(rows)} images, with an accuracy of" in text


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
