"""Mistakes of the user's: exit code 2, one clear sentence, no traceback, within seconds."""

import fcntl
import json
import subprocess
import sys
import time

import pytest

from pipeline.inputs.code import ROOT
from tests.command import bit_tfx
from tests.e2e.conftest import QUICK


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.name=tf_flower", "data.version=null"], "did you mean tf_flowers"),
        (["training.learning_rate=1"], "training.learning_rate: no such key"),
        (
            ["training.schedule=keras_io", "training.steps_per_epoch=17000"],
            "is less than one epoch",
        ),
        (["evaluation.min_accuracy=null", "evaluation.max_regression=null"], "no gate"),
        (["backbone.handle=/nowhere"], "backbone.handle /nowhere: there is no such directory"),
        (["backbone.handle=http://127.0.0.1:9/bit/1"], "could not be downloaded"),
        (["data.splits.eval=validation"], "data.splits.eval 'validation'"),
        (["data.version=7.7.7"], "7.7.7"),
        (["evaluation.min_class_accuracy={'33': 0.5}"], "min_class_accuracy: digits/1.0.0 has no"),
        (["training.class_weights={'33': 2.0}"], "class_weights: digits/1.0.0 has no class '33'"),
        (["evaluation.slices=[{feature: image_sied, min_accuracy: 0}]"], "mean 'image_side'?"),
        (["data.curated_schema=/nowhere.pbtxt"], "data.curated_schema /nowhere.pbtxt"),
    ],
)
def test_a_mistake_in_the_configuration(run, tmp_path, overrides, words):
    ended = run(tmp_path / "out", *overrides)
    assert ended.exit_code == 2
    assert words in ended.out + ended.err
    assert ended.seconds < 10
    assert ended.summary["exit_code"] == 2
    assert words in ended.summary["reasons"][0]
    assert ended.served == []


def test_a_mistake_without_output_is_told_in_the_default_folder(tmp_path):
    ran = subprocess.run(
        [sys.executable, str(ROOT / "local_runner.py"), "--set", "training.sed=1"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    summary = json.loads((tmp_path / "runs" / "digits" / "run_summary.json").read_text())
    assert summary["exit_code"] == 2
    assert "training.sed: no such key; did you mean seed?" in summary["reasons"][0]


def test_the_users_folder_is_no_source_of_modules(tmp_path):
    """Neither of ours by the same name, nor of Python's."""
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("raise SystemExit('the wrong pipeline')")
    (tmp_path / "types.py").write_text("raise SystemExit('the wrong types')")
    ran = subprocess.run(
        [sys.executable, str(ROOT / "local_runner.py"), "--set", "backbone.handle=./nowhere"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert f"backbone.handle {tmp_path}/nowhere: there is no such directory" in ran.stdout


def test_a_file_that_is_not_yaml(run, tmp_path):
    (tmp_path / "bad.yaml").write_text("data: {name: [")
    ended = run(tmp_path / "out", arguments=("--config", str(tmp_path / "bad.yaml")))
    assert ended.exit_code == 2
    assert "bad.yaml, line 1, column" in ended.err


def test_an_output_that_cannot_be_written(run, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    ended = run(tmp_path / "file" / "out")
    assert ended.exit_code == 2
    assert ended.err.startswith("error: --output ")
    assert "cannot be written: Not a directory" in ended.err


def test_an_output_in_use_by_another_run_is_left_alone(run, tmp_path):
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = run(tmp_path)
    assert ended.exit_code == 2
    assert "is in use by another run" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_an_output_of_another_pipeline_is_left_alone(run, tmp_path):
    summary = json.dumps({"pipeline": "flowers"})
    (tmp_path / "run_summary.json").write_text(summary)
    ended = run(tmp_path)
    assert ended.exit_code == 2
    assert "belongs to the pipeline 'flowers'" in ended.err
    assert (tmp_path / "run_summary.json").read_text() == summary


@pytest.mark.parametrize("arguments", [["--presets", "digits"], ["--preset"], ["digits"]])
def test_a_wrong_command_line(arguments):
    ran = subprocess.run(
        [sys.executable, "local_runner.py", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stderr.endswith("local_runner.py --help` for all that it takes.\n")


def test_help_answers_at_once():
    times = []
    for _ in range(3):
        started = time.monotonic()
        text = subprocess.check_output(
            [sys.executable, "local_runner.py", "--help"], cwd=ROOT, text=True
        )
        times.append(time.monotonic() - started)
    assert min(times) < 1
    for word in ("--preset", "--config", "--set", "--output", "--no-cache", "Exit codes", "digits"):
        assert word in text


def test_a_python_without_the_packages_says_what_to_type():
    bare = [sys.executable, "-S", "-E", "local_runner.py"]
    ran = subprocess.run(bare, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1
    assert "make run" in ran.stderr


@pytest.mark.slow
def test_a_backbone_with_nothing_to_train_stops_the_run(run, tmp_path, untrainable_backbone):
    ended = run(tmp_path / "out", f"backbone.handle={untrainable_backbone}")
    assert ended.exit_code == 2
    assert "no trainable variable" in ended.summary["reasons"][0]
    assert ended.states["Trainer"] == "failed"
    assert ended.states["Transform"] == "complete"
    assert ended.states["Evaluator"] == "skipped"
    assert ended.served == []


@pytest.mark.slow
def test_a_class_with_too_few_examples_to_draw_from_stops_the_run(run, tmp_path):
    ended = run(tmp_path / "out", "data.examples_per_class=150")
    assert ended.exit_code == 2
    assert ended.summary["reasons"] == [
        "ImageExampleGen: data.examples_per_class 150: in data.splits.train 'train[:85%]' of "
        "digits/1.0.0, class '2' has 149, '5' has 149, '6' has 146, '8' has 140. Set a smaller "
        "number, or give a larger slice."
    ]
    assert ended.states["ImageExampleGen"] == "failed"
    assert ended.states["Trainer"] == "skipped"


@pytest.mark.slow
def test_check_names_the_steps_that_the_next_run_takes_from_the_cache(run, tmp_path, tfds_dir):
    """What it says of an edit of the configuration is what the run then does."""
    output = tmp_path / "out"
    assert run(output, *QUICK).exit_code == 0
    overrides = list(QUICK)
    for override in ("training.seed=7", "evaluation.min_accuracy=0.4"):
        overrides.append(override)
        sets = [word for each in overrides for word in ("--set", each)]
        environment = {"TFDS_DATA_DIR": str(tfds_dir)}
        checked = bit_tfx("check", "--output", output, *sets, environment=environment)
        assert checked.returncode == 0, checked.stderr
        (line,) = [line for line in checked.stdout.splitlines() if line.startswith("Cache")]
        states = run(output, *overrides).states
        cached = [step for step, state in states.items() if state == "cached"]
        assert f"whole: {', '.join(cached)};" in line


def test_check_refuses_an_output_that_run_would_refuse(tmp_path, tfds_dir):
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "metadata.sqlite").write_text("no database")
    environment = {"TFDS_DATA_DIR": str(tfds_dir)}
    checked = bit_tfx("check", "--output", str(tmp_path), environment=environment)
    assert checked.returncode == 2
    assert f"The metadata database {tmp_path}/metadata/metadata.sqlite is damaged" in checked.stderr
