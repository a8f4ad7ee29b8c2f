"""The step through its executor, and TFX's Trainer on what it leaves."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from tfx.components.trainer.executor import GenericExecutor
from tfx.types import standard_artifacts

from components.errors import UserError
from components.example_gen.counts import SplitCounts, set_counts, write_counts
from components.progress import EVENT, LOGGER
from components.tuner.config import SearchConfig
from components.tuner.executor import Executor, table_of
from components.tuner.settings import TunerSettings
from components.tuner.study import Trial
from tests.components.trainer import jobs

COUNTS = {"train": SplitCounts(100, 100), "eval": SplitCounts(33, 33)}
"""Of `digits_folder`."""
SHORT = {"steps": 4, "boundaries": [3], "warmup": 0, "decay": "steps"}


def artifact_of(kind, folder):
    artifact = kind()
    artifact.uri = str(folder)
    Path(folder).mkdir(parents=True, exist_ok=True)
    return artifact


@pytest.fixture(scope="module")
def inputs(digits_folder, tmp_path_factory):
    """The artifacts; the eval split holds nothing that could be read."""
    folder = tmp_path_factory.mktemp("examples")
    examples = artifact_of(standard_artifacts.Examples, folder)
    examples.split_names = json.dumps(["train", "eval"])
    set_counts(examples, COUNTS)
    for split in ("train", "eval"):
        Path(folder, f"Split-{split}").mkdir()
    shutil.copy(f"{digits_folder}/train.gz", f"{folder}/Split-train/train.gz")
    Path(folder, "Split-eval", "eval.gz").write_bytes(b"no records")
    graph = artifact_of(standard_artifacts.TransformGraph, f"{digits_folder}/graph")
    return {"examples": [examples], "transform_graph": [graph]}


def run(folder, inputs, **search):
    job = jobs.make_job("/nowhere", "x", mode="head_only")
    settings = TunerSettings(trainer=job.settings, search=SearchConfig(**search))
    outputs = {
        "best_hyperparameters": [artifact_of(standard_artifacts.HyperParameters, folder / "best")],
        "tuner_results": [artifact_of(standard_artifacts.TunerResults, folder / "results")],
    }
    Executor().Do(inputs, outputs, {"settings": settings.model_dump_json(), "code": ""})
    return outputs


@pytest.fixture(scope="module")
def searched(inputs, tmp_path_factory):
    """Four short trials: two rates under two schedules; one rate is far too high."""
    folder = tmp_path_factory.mktemp("searched")
    lines = []

    class Handler:
        level = 0

        def handle(self, record):
            lines.append(record.__dict__[EVENT])

    handler, before = Handler(), LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel("INFO")
    try:
        space = {"base_learning_rate": [4.0, 1e38], "schedule": [SHORT, "hyperrule"]}
        outputs = run(folder, inputs, **space, mode=["full"], epochs=4)
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)
    return folder, outputs, lines


def test_every_trial_is_in_json_and_in_csv(searched):
    folder, _, _ = searched
    rows = json.loads((folder / "results" / "trials.json").read_text())
    assert [row["number"] for row in rows] == [1, 2, 3, 4]
    assert [row["state"] for row in rows] == ["complete", "complete", "failed", "failed"]
    assert rows[0]["values"] == {"base_learning_rate": 4.0, "schedule": SHORT, "mode": "full"}
    assert 0 <= rows[0]["val_accuracy"] <= 1
    assert all(row["seconds"] > 0 for row in rows)
    assert rows[2]["val_accuracy"] is None
    assert rows[2]["reason"].endswith("is not finite")
    table = list(csv.DictReader(io.StringIO((folder / "results" / "trials.csv").read_text())))
    assert [row["state"] for row in table] == [row["state"] for row in rows]
    assert json.loads(table[0]["schedule"]) == SHORT
    assert table[1]["schedule"] == "hyperrule"
    assert float(table[1]["val_loss"]) == rows[1]["val_loss"]


def test_the_best_trial_is_alone_in_its_artifact(searched):
    """TFX's Trainer refuses a folder of two files."""
    folder, _, _ = searched
    assert [path.name for path in (folder / "best").iterdir()] == ["best_hyperparameters.txt"]
    best = json.loads((folder / "best" / "best_hyperparameters.txt").read_text())
    rows = json.loads((folder / "results" / "trials.json").read_text())
    complete = [row for row in rows if row["state"] == "complete"]
    assert best == min(complete, key=lambda row: (-row["val_accuracy"], row["val_loss"]))["values"]


def test_every_trial_is_told_in_a_line_with_its_epochs_before_it(searched):
    _, _, events = searched
    kinds = [event["event"] for event in events]
    assert kinds[:10] == [*["epoch"] * 4, "trial", *["epoch"] * 4, "trial"]
    assert kinds.count("trial") == 4
    assert kinds[-2:] == ["epoch", "trial"]
    texts = [event["text"] for event in events if event["event"] == "trial"]
    assert texts[0].startswith("trial 1/4, base_learning_rate 4, schedule {")
    assert ": held-out accuracy " in texts[0]
    assert texts[0].endswith(", the best so far")
    assert "schedule hyperrule, mode full: failed: the loss of epoch " in texts[3]
    assert texts[3].endswith(" is not finite (2 of 4 trials failed so far)")


def test_tfxs_trainer_takes_what_was_chosen(searched, inputs, digits_folder, tmp_path):
    _, outputs, _ = searched
    (hyperparameters,) = outputs["best_hyperparameters"]
    best = json.loads(Path(hyperparameters.uri, "best_hyperparameters.txt").read_text())
    examples = artifact_of(standard_artifacts.Examples, tmp_path / "examples")
    examples.split_names = json.dumps(["train", "eval"])
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    examples.set_string_custom_property("file_format", "tfrecords_gzip")
    write_counts(COUNTS, str(tmp_path / "examples"))
    for split in ("train", "eval"):
        (tmp_path / "examples" / f"Split-{split}").mkdir()
        shutil.copy(f"{digits_folder}/{split}.gz", tmp_path / "examples" / f"Split-{split}")
    settings = jobs.make_job("/nowhere", "x", mode="head_only", epochs=3).settings
    told = {"settings": settings.model_dump_json(), "checkpoints": str(tmp_path / "c"), "code": ""}
    trained = {
        "model": [artifact_of(standard_artifacts.Model, tmp_path / "model")],
        "model_run": [artifact_of(standard_artifacts.ModelRun, tmp_path / "run")],
    }
    properties = {
        "run_fn": "components.trainer.run_fn.run_fn",
        "train_args": "{}",
        "eval_args": "{}",
        "custom_config": json.dumps(told),
    }
    given = {**inputs, "examples": [examples], "hyperparameters": [hyperparameters]}
    GenericExecutor().Do(given, trained, properties)
    kept = json.loads((tmp_path / "run" / "hyperparameters.json").read_text())
    chosen = settings.with_hyperparameters(best)
    assert (kept["mode"], kept["training"]) == ("full", chosen.training.model_dump(mode="json"))
    assert kept["training"]["base_learning_rate"] == 4.0
    assert kept["training"]["schedule"] == best["schedule"]


def test_a_search_without_a_good_trial_leaves_its_table_and_says_why(inputs, tmp_path):
    with pytest.raises(
        UserError, match=r"none of the 2 trials came to its end \(the loss of epoch.*\): 2 failed\."
    ):
        run(tmp_path, inputs, base_learning_rate=[1e38, 2e38])
    assert not (tmp_path / "best" / "best_hyperparameters.txt").exists()
    rows = json.loads((tmp_path / "results" / "trials.json").read_text())
    assert [row["state"] for row in rows] == ["failed", "failed"]


def test_the_eval_split_is_never_looked_at(inputs, tmp_path):
    """Of it there is a file in these tests that holds no record."""
    outputs = run(tmp_path, inputs, base_learning_rate=[0.1, 0.4], epochs=1)
    assert Path(outputs["best_hyperparameters"][0].uri, "best_hyperparameters.txt").exists()


def test_a_table_has_a_column_for_every_value():
    trials = [Trial(1, {"mode": "full"}, "pruned", seconds=1.5), Trial(2, {"mode": "head_only"})]
    assert table_of(trials).splitlines() == [
        "number,state,val_accuracy,val_loss,seconds,reason,mode",
        "1,pruned,,,1.5,,full",
        "2,complete,,,0.0,,head_only",
    ]
