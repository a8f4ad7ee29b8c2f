"""Pusher's executor, and its retry in an execution that another attempt began."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.components.evaluator import constants
from tfx.types import standard_artifacts

from components.evaluator.config import EvaluationConfig, EvaluatorSettings
from components.evaluator.executor import Executor as Evaluator
from components.evaluator.gates import OVERALL
from components.evaluator.results import read_metrics, summarise
from components.lineage.served import MODEL_PROPERTY, NOT_PUSHED, VERSION_PROPERTY
from components.model_check.findings import FINDINGS, Check, Findings, write_findings
from components.pusher.executor import Executor
from components.pusher.rollback import pin, roll_back, unpin
from components.pusher.settings import BackboneFacts, CardSettings, CodeFacts, DataFacts
from components.pusher.signature import fault_of, make_keys
from components.pusher.versions import (
    ADDED,
    CARD_JSON,
    CARD_MARKDOWN,
    SIGNATURE,
    model_digest,
    versions,
)
from components.storage import copy_tree
from tests.parity import BATCH, COUNT, NAMES, write_examples, write_model

CARD = CardSettings(
    pipeline="parity",
    run_id="a-run",
    split="eval",
    data=DataFacts(
        name="parity/1.0.0",
        splits={"train": "train", "eval": "test"},
        fingerprint="f" * 64,
        class_names=NAMES,
    ),
    preprocessing={"resize": 8, "crop": None, "evaluate": 8, "flip": False},
    backbone=BackboneFacts(handle="bit-mini", sha256="b" * 64, licence="", mode="full"),
    code=CodeFacts(steps={"Pusher": "c" * 64}, image="", commit="", libraries={"python": "3"}),
    training={"batch_size": 64},
)


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Two models, of which the first was judged against the second, and what the steps left."""
    folder = tmp_path_factory.mktemp("judged")
    models = [write_model(folder / str(wrong), wrong) for wrong in (4, 30)]
    examples = write_examples(folder / "examples")
    run = standard_artifacts.ModelRun()
    run.uri = str(folder / "model_run")
    (folder / "model_run").mkdir()
    rows = [{"epoch": 1, "loss": 0.5, "restored": 0}, {"epoch": 2, "loss": None, "restored": 1}]
    (folder / "model_run" / "history.json").write_text(json.dumps(rows))
    evaluation, blessing = standard_artifacts.ModelEvaluation(), standard_artifacts.ModelBlessing()
    evaluation.uri, blessing.uri = str(folder / "evaluation"), str(folder / "blessing")
    gates = EvaluationConfig(min_accuracy=0.9, max_regression=0.01, batch_size=BATCH)
    settings = EvaluatorSettings(evaluation=gates, class_names=NAMES, evaluation_data="data")
    Evaluator().Do(
        {
            "examples": [examples],
            "model": [models[0]],
            "baseline_model": [models[1]],
            "transform_graph": [standard_artifacts.TransformGraph()],
        },
        {"evaluation": [evaluation], "blessing": [blessing]},
        {"settings": settings.model_dump_json()},
    )
    check = standard_artifacts.InfraBlessing()
    check.uri = str(folder / "check")
    check.set_int_custom_property("blessed", 1)
    (folder / "check").mkdir()
    checks = (Check("load", True, "it loads"),)
    measured = Findings(checks, 1.5, 612.0, 9.1, 16.1, 200.0, 64)
    write_findings(measured, folder / "check" / FINDINGS)
    (folder / "check" / "tf_serving_warmup_requests").write_bytes(b"requests")
    inputs = {
        "examples": examples,
        "model_run": run,
        "evaluation": evaluation,
        "infra_blessing": check,
    }
    return {name: [artifact] for name, artifact in inputs.items()}, models


@pytest.fixture
def push(tmp_path, judged):
    """Pushes in the execution with a number; returns the pushed_model artifact."""
    inputs, models = judged
    model = standard_artifacts.Model()
    model.uri, model.id = str(tmp_path / "model"), 7
    blessing = standard_artifacts.ModelBlessing()
    blessing.uri = str(tmp_path / "blessing")

    def take(number):
        shutil.rmtree(model.uri, ignore_errors=True)
        shutil.copytree(models[number].uri, model.uri)

    def start(execution, blessed=1, card=CARD, **others):
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, blessed)
        pushed = standard_artifacts.PushedModel()
        pushed.uri = str(tmp_path / "pushed_model" / str(execution))
        shutil.rmtree(pushed.uri, ignore_errors=True)
        Path(pushed.uri).mkdir(parents=True)
        destination = {"filesystem": {"base_directory": str(start.serving)}}
        Executor().Do(
            {"model": [model], "model_blessing": [blessing], **inputs, **others},
            {"pushed_model": [pushed]},
            {
                "push_destination": json.dumps(destination),
                "card": card.model_dump_json(),
                "code": "",
            },
        )
        return pushed

    take(0)
    start.serving = tmp_path / "serving"
    start.model = Path(model.uri, "Format-Serving")
    start.take = take
    return start


def was_pushed(artifact):
    return artifact.get_int_custom_property("pushed") == 1


def card_in(folder):
    return json.loads((folder / CARD_JSON).read_text(encoding="utf-8"))


def test_the_same_model_is_pushed_once(push):
    assert was_pushed(push(1))
    before = card_in(next(push.serving.iterdir()))
    assert not was_pushed(push(2, card=CARD.model_copy(update={"run_id": "another-run"})))
    assert len(versions(push.serving)) == 1
    assert card_in(next(push.serving.iterdir())) == before


def test_the_lineage_knows_what_serves_though_a_push_was_killed_before_it_heard(push):
    before = push(1)
    # As in a run of its own: what serves is this model already.
    after = push(2)
    (version,) = versions(push.serving)
    for artifact in (before, after):
        assert artifact.get_int_custom_property(VERSION_PROPERTY) == version
        assert artifact.get_int_custom_property(MODEL_PROPERTY) == 7
    assert not push(3, blessed=0).has_custom_property(MODEL_PROPERTY)


def test_a_retry_of_the_execution_that_pushed_says_that_it_did(push):
    before = push(1)
    made = card_in(Path(before.uri))
    after = push(1)
    assert was_pushed(after)
    for name in ("pushed_destination", "pushed_version"):
        assert after.get_string_custom_property(name) == before.get_string_custom_property(name)
    assert len(versions(push.serving)) == 1
    assert model_digest(Path(after.uri)) == model_digest(push.model)
    assert card_in(Path(after.uri)) == made


def test_a_retry_after_another_model_was_pushed_pushes(push):
    push(1)
    push.take(1)
    push(2)
    push.take(0)
    assert was_pushed(push(1))
    assert len(versions(push.serving)) == 3


def test_a_model_that_is_not_blessed_is_not_pushed(push):
    assert not was_pushed(push(1, blessed=0))
    assert versions(push.serving) == []


def test_the_card_is_in_the_version_and_in_the_artifact_and_not_in_the_model(push):
    before = model_digest(push.model)
    pushed = push(1)
    version = Path(pushed.get_string_custom_property("pushed_destination"))
    for name in set(ADDED) - {SIGNATURE}:
        assert (version / name).read_bytes() == (Path(pushed.uri) / name).read_bytes()
        assert not (push.model / name).exists()
    assert model_digest(push.model) == model_digest(version) == before
    assert card_in(version)["model"]["version"] == int(version.name)
    assert f"version {version.name}" in (version / CARD_MARKDOWN).read_text(encoding="utf-8")


def test_with_a_key_the_version_and_the_artifact_are_signed_alike(push, tmp_path, caplog):
    private, public = make_keys(tmp_path)
    signed = CARD.model_copy(update={"signing_key": private})
    pushed = push(1, card=signed)
    version = Path(pushed.get_string_custom_property("pushed_destination"))
    assert fault_of(version, public) == fault_of(Path(pushed.uri), public) == ""
    assert not was_pushed(push(2, card=signed))
    assert "is not signed" not in caplog.text


def test_a_model_that_serves_unsigned_is_named_with_the_command_that_signs_it(
    push, tmp_path, caplog
):
    private, public = make_keys(tmp_path)
    version = Path(push(1).get_string_custom_property("pushed_destination"))
    assert not was_pushed(push(2, card=CARD.model_copy(update={"signing_key": private})))
    (line,) = [each for each in caplog.messages if "is not signed" in each]
    command = line.partition("type `")[2].rstrip("`").split()
    bin_folder = Path(sys.executable).parent
    subprocess.run([bin_folder / command[0], *command[1:]], check=True, capture_output=True)
    assert fault_of(version, public) == ""


def test_the_card_says_what_the_steps_found(push, judged):
    (evaluation,) = judged[0]["evaluation"]
    made = card_in(Path(push(1).uri))
    measured = read_metrics(evaluation.uri)
    found = summarise(measured, NAMES)
    overall = made["metrics"]["overall"]
    assert {name: each["value"] for name, each in overall.items()} == {
        name: value for name, value in found.items() if name not in ("per_class", "example_count")
    }
    assert overall["accuracy"]["value"] == pytest.approx(0.96)
    lower, upper = overall["accuracy"]["lower"], overall["accuracy"]["upper"]
    assert lower < 0.96 < upper
    assert (lower, upper) == (
        measured[OVERALL]["accuracy"].lower,
        measured[OVERALL]["accuracy"].upper,
    )
    assert made["metrics"]["images"] == COUNT
    assert set(made["metrics"]["per_class"]) == {"even", "odd"}
    assert made["baseline_metrics"]["overall"]["accuracy"]["value"] == pytest.approx(0.7)
    assert [(gate["key"], gate["passed"]) for gate in made["gates"]] == [
        ("evaluation.min_accuracy", True),
        ("evaluation.max_regression", True),
    ]
    assert made["counts"] == {"train": 0, "eval": COUNT}
    assert made["training"] == {
        "epochs": 2,
        "restored_epoch": 2,
        "last": {"epoch": 2, "loss": None, "restored": 1},
    }
    assert made["hyperparameters"] == {
        "training": {"batch_size": 64},
        "tuned": {},
        "plan": {},
    }


def test_what_a_tuner_chose_is_on_the_card(push, judged, tmp_path):
    content = {"mode": "full", "training": {"rate": 0.1}, "plan": {"steps": 3}}
    (run,) = judged[0]["model_run"]
    shutil.copytree(run.uri, tmp_path / "tuned")
    (tmp_path / "tuned" / "hyperparameters.json").write_text(json.dumps(content))
    tuned = standard_artifacts.ModelRun()
    tuned.uri = str(tmp_path / "tuned")
    made = card_in(Path(push(1, model_run=[tuned]).uri))
    assert made["hyperparameters"]["tuned"]["rate"] == 0.1


def test_tensorflow_alone_loads_what_was_pushed(push):
    version = push(1).get_string_custom_property("pushed_destination")
    code = f"""
import sys, tensorflow as tf
model = tf.saved_model.load({version!r})
feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[bytes([7])]))
example = tf.train.Example(features=tf.train.Features(feature={{"image": feature}}))
out = model.signatures["serving_default"](tf.constant([example.SerializeToString()]))
assert not {{"tfx", "tensorflow_transform", "jinja2"}} & set(sys.modules)
print(int(out["class_index"][0]))
"""
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, cwd="/")
    assert printed.split() == ["1"]


def test_in_a_store_it_is_pushed_once_with_its_card_and_loads(push, store):
    push.serving = f"{store}/serving"
    first = push(1)
    assert was_pushed(first)
    version = first.get_string_custom_property("pushed_destination")
    with tf.io.gfile.GFile(f"{version}/{CARD_JSON}") as stream:
        assert json.loads(stream.read()) == card_in(Path(first.uri))
    assert "serving_default" in tf.saved_model.load(version).signatures
    assert not was_pushed(push(2))
    assert was_pushed(push(1))
    assert len(tf.io.gfile.listdir(push.serving)) == 1


def test_a_version_from_before_there_were_cards_is_the_same_model(push):
    copy_tree(push.model, push.serving / "8")
    assert not was_pushed(push(1))
    assert versions(push.serving) == [8]


def test_nothing_replaces_a_pinned_version(push):
    push(1)
    (version,) = versions(push.serving)
    pin(push.serving, version, "ada", "2026-11-30T10:00:00+00:00")
    push.take(1)
    held = push(2)
    assert not was_pushed(held)
    assert "is pinned to version" in held.get_string_custom_property(NOT_PUSHED)
    assert versions(push.serving) == [version]
    unpin(push.serving)
    assert was_pushed(push(3))


def test_a_model_that_was_rolled_back_stays_away(push):
    push(1)
    push.take(1)
    push(2)
    roll_back(push.serving)
    held = push(3)
    assert not was_pushed(held)
    assert "was rolled back as version" in held.get_string_custom_property(NOT_PUSHED)
    assert len(versions(push.serving)) == 1


def test_the_oldest_versions_go_with_a_push(push):
    for execution, number in enumerate((0, 1, 0), 1):
        push.take(number)
        push(execution, card=CARD.model_copy(update={"keep_last": 2}))
    assert len(versions(push.serving)) == 2


def test_a_model_that_failed_its_check_is_not_pushed(push, judged):
    failed = standard_artifacts.InfraBlessing()
    failed.set_int_custom_property("blessed", 0)
    assert not was_pushed(push(1, infra_blessing=[failed]))
    assert versions(push.serving) == []
