"""Data as it comes: folders, poison, gates that stop, spans; from one command to a pushed model."""

import collections
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.example_gen.index import read_index
from components.example_gen.screen.quarantine import read_quarantine
from tests import folders
from tests.e2e.conftest import QUICK
from tests.e2e.test_failure import start

PHOTOS = """\
pipeline_name: photos
data: {folder: photos, screen: {max_bytes: 1_000_000}}
data_gate: {max_reject_fraction: 0.15}
preprocessing: {resize: 32, crop: null}
backbone: {handle: bit-mini, mode: full}
training: {batch_size: 64, base_learning_rate: 0.2, schedule: {steps: 60, boundaries: [40]}}
evaluation: {min_accuracy: 0.8}
"""
"""Beside a folder `photos`."""


@pytest.fixture
def photos(tmp_path):
    """A configuration beside a folder of 300 photographs."""
    folders.write_photos(tmp_path / "photos", 300)
    (tmp_path / "photos.yaml").write_text(PHOTOS)
    return tmp_path


def run_photos(run, folder, *overrides, output="out"):
    return run(folder / output, *overrides, arguments=("--config", str(folder / "photos.yaml")))


def artifact(ended, name):
    """The folder of the newest artifact `<node>/<output>`."""
    return str(max((ended.output / "artifacts" / name).iterdir(), key=lambda path: int(path.name)))


@pytest.mark.slow
def test_a_thousand_photographs_go_to_a_pushed_model_by_one_command(run, tmp_path):
    folders.write_photos(tmp_path / "photos", 1_000, sides=(40, 400))
    assert len(PHOTOS.splitlines()) < 15
    (tmp_path / "photos.yaml").write_text(PHOTOS)
    ended = run_photos(run, tmp_path)
    assert ended.exit_code == 0, ended.out + ended.err
    counts = ended.summary["counts"]
    assert (counts["read"], counts["rejected"]) == (1_000, {})
    assert counts["train"] + counts["eval"] == 1_000
    assert ended.summary["metrics"]["per_class"].keys() == set(folders.CLASSES)
    rows = read_index(artifact(ended, "ImageExampleGen/index"), "train").to_pydict()
    assert set(rows["format"]) == {"jpeg", "png", "gif", "bmp"}
    assert {name.partition("/")[0] for name in rows["source"]} == set(folders.CLASSES)
    model = tf.saved_model.load(str(ended.output / "serving" / ended.served[0]))
    image = folders.photo(3, np.random.default_rng(7))
    answer = model.signatures["predict_image"](image_bytes=tf.constant([image]))
    assert answer["class_name"].numpy() == [b"tulips"]


@pytest.mark.long
@pytest.mark.slow
def test_a_thousand_bad_images_of_ten_thousand_are_set_aside_each_for_its_reason(run, tmp_path):
    reasons = folders.write_folder(tmp_path / "photos", 9_000, 1_000)
    assert len(set(reasons.values())) >= 6
    (tmp_path / "photos.yaml").write_text(PHOTOS)
    ended = run_photos(run, tmp_path)
    assert ended.exit_code == 0, ended.out + ended.err
    counts = ended.summary["counts"]
    assert counts["read"] == 10_000
    assert counts["rejected"] == dict(collections.Counter(reasons.values()))
    assert counts["train"] + counts["eval"] == 9_000
    for of_split in counts["splits"].values():
        assert of_split["read"] == of_split["kept"] + sum(of_split["rejected"].values())
    quarantine = ended.summary["quarantine"]
    rejects = [r for split in ("train", "eval") for r in read_quarantine(quarantine, split)]
    assert {reject.source: reject.reason for reject in rejects} == reasons
    for reject in rejects:
        path = tmp_path / "photos" / reject.source
        assert path.read_bytes().startswith(reject.image)
        if reject.reason != "too_many_bytes":
            assert len(reject.image) == path.stat().st_size
    assert "1,000 of 10,000 images set aside" in ended.out


@pytest.mark.long
@pytest.mark.slow
def test_too_many_bad_images_stop_the_run_before_it_trains(run, photos):
    folders.spoil(photos / "photos", 100)
    ended = run_photos(run, photos)
    assert ended.exit_code == 2
    (reason,) = ended.summary["reasons"]
    assert "data_gate.max_reject_fraction" in reason
    assert ended.states["ImageExampleGen"] == ended.states["StatisticsGen"] == "complete"
    assert ended.states["DataGate"] == "failed"
    assert ended.states["Transform"] == ended.states["Trainer"] == "skipped"
    assert sum(ended.summary["counts"]["rejected"].values()) == 100
    assert len(list(read_quarantine(ended.summary["quarantine"], "train"))) > 50
    assert ended.served == []
    # The limit is no part of what was read: only the gate runs again.
    again = run_photos(run, photos, "data_gate.max_reject_fraction=0.3")
    assert again.exit_code == 0, again.out + again.err
    assert again.states["ImageExampleGen"] == "cached"


@pytest.mark.slow
def test_what_tfdv_finds_stops_the_run_in_its_words(run, tmp_path):
    schema = tmp_path / "schema.pbtxt"
    schema.write_text(
        'feature { name: "image" type: BYTES shape { dim { size: 1 } } image_domain {} }\n'
        'feature { name: "label" type: INT shape { dim { size: 1 } }'
        " int_domain { min: 0 max: 7 is_categorical: true } }\n"
    )
    ended = run(tmp_path / "out", *QUICK, f"data.curated_schema={schema}")
    assert ended.exit_code == 2
    reasons = "".join(ended.summary["reasons"])
    assert "data gate" in reasons
    assert "label" in reasons
    assert ended.states["Trainer"] == "skipped"


@pytest.mark.long
@pytest.mark.slow
def test_the_gate_can_judge_a_split_that_training_never_sees(run, tmp_path):
    ended = run(
        tmp_path / "out",
        *QUICK,
        "data.splits.eval=train[60%:75%]",
        "data.splits.test=train[80%:]",
        "evaluation.split=test",
    )
    assert ended.exit_code == 0, ended.out + ended.err
    counts = ended.summary["counts"]
    assert (counts["train"], counts["eval"], counts["test"]) == (359, 270, 359)
    (history,) = (ended.output / "artifacts" / "Trainer" / "model_run").glob("*/history.json")
    looked_at = [row["val_accuracy"] for row in json.loads(history.read_text())]
    # Of 359 images, and not of the 270 that training looked at.
    accuracy = ended.summary["metrics"]["accuracy"]
    assert accuracy * 359 == pytest.approx(round(accuracy * 359), abs=1e-4)
    assert all(seen * 270 == pytest.approx(round(seen * 270), abs=1e-3) for seen in looked_at)


@pytest.mark.slow
@pytest.mark.long
def test_a_draw_takes_exactly_k_good_images_and_new_data_is_a_new_span(run, photos):
    folders.spoil(photos / "photos", 40)
    told = ("data.examples_per_class=8", "evaluation.min_accuracy=0.2")
    first = run_photos(run, photos, *told, "data_gate.max_reject_fraction=0.5")
    assert first.exit_code == 0, first.out + first.err
    assert first.summary["counts"]["train"] == 40
    rows = read_index(artifact(first, "ImageExampleGen/index"), "train").to_pydict()
    assert collections.Counter(rows["label"]) == dict.fromkeys(range(5), 8)
    of_train = first.summary["counts"]["splits"]["train"]
    assert of_train["read"] == 40 + sum(of_train["rejected"].values()) > 40
    folders.write_photos(photos / "photos", 320, seed=1)
    second = run_photos(run, photos, *told, "data_gate.max_reject_fraction=0.5")
    assert second.summary["span"] == first.summary["span"] + 1
    assert second.summary["counts"]["train"] == 40


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_reads_is_complete_when_it_runs_again(run, tmp_path):
    reasons = folders.write_folder(tmp_path / "photos", 4_950, 50)
    (tmp_path / "photos.yaml").write_text(PHOTOS)
    output, config = tmp_path / "out", str(tmp_path / "photos.yaml")
    parent = start(output, tmp_path, "Loading TFX", arguments=("--config", config))
    written = output / "artifacts" / "ImageExampleGen"
    deadline = time.monotonic() + 120
    while not any(path.stat().st_size > 100_000 for path in written.glob("**/unfinished-*/*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(parent.pid, signal.SIGKILL)
    parent.wait()
    assert not list(written.glob("**/counts.json"))
    ended = run_photos(run, tmp_path)
    deadline = time.monotonic() + 10
    while ended.exit_code == 2 and time.monotonic() < deadline:
        # The worker may need a moment to notice that its parent is gone.
        ended = run_photos(run, tmp_path)
    assert ended.exit_code == 0, ended.out + ended.err
    assert ended.states["ImageExampleGen"] == "complete"
    assert ended.summary["counts"]["read"] == 5_000
    rejects = [
        reject
        for split in ("train", "eval")
        for reject in read_quarantine(ended.summary["quarantine"], split)
    ]
    assert {reject.source: reject.reason for reject in rejects} == reasons
    found = collections.Counter(
        source
        for split in ("train", "eval")
        for source in read_index(artifact(ended, "ImageExampleGen/index"), split)[
            "source"
        ].to_pylist()
    )
    photographs = {
        str(path.relative_to(tmp_path / "photos"))
        for path in Path(tmp_path / "photos").rglob("*.*")
        if path.is_file()
    }
    assert found == dict.fromkeys(photographs - reasons.keys(), 1)


@pytest.mark.slow
def test_a_split_of_which_nothing_is_left_stops_the_run_and_keeps_what_was_set_aside(run, tmp_path):
    folders.write_photos(tmp_path / "photos" / "train", 60)
    for number in range(20):
        path = tmp_path / "photos" / "eval" / folders.CLASSES[number % 5] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no image")
    (tmp_path / "photos.yaml").write_text(PHOTOS)
    told = ("data.splits={train: train, eval: eval}", "data_gate.max_reject_fraction=1")
    ended = run_photos(run, tmp_path, *told)
    assert ended.exit_code == 2, ended.out + ended.err
    assert "no image of the eval split is left of 20 read" in "".join(ended.summary["reasons"])
    assert len(list(read_quarantine(ended.summary["quarantine"], "eval"))) == 20


@pytest.mark.slow
def test_a_folders_own_splits_train_and_judge_and_the_rest_is_said(run, tmp_path):
    for split, count in (("train", 200), ("Val", 60), ("extra", 20)):
        folders.write_photos(tmp_path / "photos" / split, count)
    (tmp_path / "photos" / "README.md").write_text("Photographs.")
    (tmp_path / "photos.yaml").write_text(PHOTOS)
    ended = run_photos(run, tmp_path, "evaluation.min_accuracy=0.3")
    assert ended.exit_code == 0, ended.out + ended.err
    counts = ended.summary["counts"]
    assert (counts["read"], counts["train"], counts["eval"]) == (260, 200, 60)
    splits = ended.summary["config"]["data"]["splits"]
    assert splits == {"train": "train", "eval": "Val", "test": None}
    rows = read_index(artifact(ended, "ImageExampleGen/index"), "eval").to_pydict()
    assert {name.partition("/")[0] for name in rows["source"]} == {"Val"}
    assert "train reads train (200 images), eval reads Val (60 images)" in ended.out
    assert "extra of folder/photos is read by no split (20 images)" in ended.out
    assert "1 beside the class folders (README.md)" in ended.out
    assert "extra of folder/photos" in (ended.output / "report" / "index.html").read_text()
