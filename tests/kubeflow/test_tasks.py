"""What the tasks of a run do, each by itself and in process."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from typing import ClassVar

import pytest

from components.errors import UserError
from components.report.settings import ReportSettings
from kubeflow import parameters
from kubeflow.finish import enter_steps
from kubeflow.node import main
from kubeflow.prepare import run_config
from pipeline.config import dump_config, load_config
from pipeline.config.kubeflow import PREPARE
from pipeline.run.summary import Summary, write_summary
from pipeline.steps import steps_of

DIGITS = load_config("digits", overrides=["kubeflow.image=registry/bit:1"])
STEPS = steps_of(DIGITS)
SEARCH = load_config("digits", overrides=["search.mode=[head_only, full]"])


@pytest.fixture(autouse=True)
def _environment_stays(monkeypatch):
    for name in ("CUDA_VISIBLE_DEVICES", "TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, os.environ.get(name, ""))


def options(overrides="[]", **given):
    values = {**parameters.defaults(DIGITS), **given}
    return argparse.Namespace(config=json.dumps(dump_config(DIGITS)), overrides=overrides, **values)


class TestParameters:
    def test_their_defaults_change_nothing(self):
        assert run_config(options()) == DIGITS

    def test_each_reaches_its_key(self):
        config = run_config(
            options(
                dataset="mnist",
                version="null",
                handle="https://hub/x",
                epochs="3",
                min_accuracy="0.5",
                max_regression="null",
            )
        )
        assert (config.data.name, config.data.version) == ("mnist", None)
        assert config.backbone.handle == "https://hub/x"
        assert config.training.epochs == 3
        assert config.evaluation.min_accuracy == 0.5
        assert config.evaluation.max_regression is None

    def test_overrides_go_over_them(self):
        config = run_config(
            options('["evaluation.min_accuracy=0.6", "training.seed=7"]', min_accuracy="0.5")
        )
        assert (config.evaluation.min_accuracy, config.training.seed) == (0.6, 7)

    @pytest.mark.parametrize("text", ["training.seed=7", "{}", "[1]", "", "null", '"a=b"'])
    def test_overrides_that_are_no_list_of_texts(self, text):
        with pytest.raises(UserError, match="not a list of texts"):
            run_config(options(text))

    @pytest.mark.parametrize(
        ("override", "named"),
        [
            ("pipeline_name=other", "pipeline_name"),
            ("kubeflow.rejected=fail", "kubeflow"),
            ("data.curated_schema=null", "curated_schema"),
            ("search.mode=[head_only, full]", "search"),
            ("training.warm_start=true", "warm_start"),
        ],
    )
    def test_what_the_package_is_made_of_stays(self, override, named):
        with pytest.raises(UserError, match=named):
            run_config(options(json.dumps([override])))

    @pytest.mark.parametrize(
        ("name", "value", "key"),
        [
            ("epochs", "0", "training.epochs"),
            ("epochs", "many", "training.epochs"),
            ("min_accuracy", "2", "evaluation.min_accuracy"),
            ("dataset", "[", "data.name"),
            ("version", "newest", "data.version"),
        ],
    )
    def test_a_wrong_one_is_told_by_its_key(self, name, value, key):
        with pytest.raises(UserError, match=key):
            run_config(options(**{name: value}))

    @pytest.mark.parametrize("value", [None, True, 3, 0.25, "x", "null", "3", "a: b", "", "3.0.1"])
    def test_a_value_reads_as_itself(self, value):
        from pipeline.config.yaml_text import parse_yaml

        assert parse_yaml(parameters.as_text(value), "here") == value


def settings_of(config):
    return ReportSettings(
        pipeline="digits",
        run_id="run-1",
        split="eval",
        class_names=("0", "1"),
        config=dump_config(config),
        sources=(),
        links={},
    )


class TestFinish:
    COMPLETE: ClassVar = {"state": "complete", "seconds": 1.25}

    def entered(self, folder, **given):
        summary = Summary()
        for name, event in given.items():
            folder.write_step({"event": "step", "id": name, **event})
        enter_steps(summary, folder)
        return summary

    def test_states_and_seconds(self, folder):
        summary = self.entered(folder, prepare=self.COMPLETE, ImageExampleGen=self.COMPLETE)
        assert summary.step("ImageExampleGen").state == "complete"
        assert summary.step("ImageExampleGen").seconds == 1.25
        assert summary.step("Trainer").state == "skipped"
        assert [step.id for step in summary.steps] == list(STEPS)

    def test_a_refused_configuration(self, folder):
        refused = {"state": "failed", "seconds": 1.0, "error": "x", "user_error": "no such key"}
        summary = self.entered(folder, prepare=refused)
        assert (summary.exit_code, summary.reasons) == (2, ["prepare: no such key"])

    def test_steps_that_failed_in_the_order_of_their_ends(self, folder):
        failed = {"state": "failed", "seconds": 1.0, "error": "boom", "user_error": None}
        summary = self.entered(folder, prepare=self.COMPLETE, Trainer=failed, Pictures=failed)
        assert (summary.exit_code, summary.reasons) == (1, ["Trainer: boom", "Pictures: boom"])

    def test_a_step_whose_pod_was_killed(self, folder):
        summary = self.entered(folder, prepare=self.COMPLETE, Trainer={"state": "running"})
        assert summary.exit_code == 1
        assert summary.step("Trainer").state == "failed"
        assert "its pod ended without a word" in summary.reasons[0]

    def test_a_step_that_never_reported_is_named(self, folder):
        summary = self.entered(folder, prepare=self.COMPLETE, ImageExampleGen=self.COMPLETE)
        assert summary.exit_code == 1
        assert summary.reasons[0].startswith("StatisticsGen never reported")

    def finish(self, folder, metadata):
        arguments = ["--run-id=run-1", f"--output={folder.layout.output}"]
        return main(["finish", *arguments, f"--metadata={metadata}", "--pipeline=digits"])

    def test_a_run_that_never_began(self, folder, tmp_path):
        assert self.finish(folder, json.dumps({"sqlite": str(tmp_path / "m")})) == 0
        summary = json.loads(folder.layout.summary.read_text())
        assert summary["exit_code"] == 1
        assert summary["reasons"][0].startswith("prepare never reported")
        assert summary.keys() == Summary().__dict__.keys()

    @pytest.mark.parametrize("config", [DIGITS, SEARCH], ids=["no search", "search"])
    def test_the_steps_are_those_of_the_configuration(self, folder, tmp_path, config):
        folder.write_config(dump_config(config), settings_of(config))
        for name in (PREPARE, "ImageExampleGen"):
            folder.write_step({"id": name, "event": "step", **self.COMPLETE})
        assert self.finish(folder, json.dumps({"sqlite": str(tmp_path / "m")})) == 0
        summary = json.loads(folder.layout.summary.read_text())
        assert [step["id"] for step in summary["steps"]] == list(steps_of(config))

    def test_a_store_that_is_gone_leaves_no_older_runs_summary(self, folder):
        write_summary(folder.layout.summary, Summary(run_id="older", exit_code=0, blessed=True))
        folder.write_config(dump_config(DIGITS), settings_of(DIGITS))
        for name in (PREPARE, *STEPS):
            folder.write_step({"id": name, "event": "step", **self.COMPLETE})
        mysql = {"host": "127.0.0.1", "port": 9, "database": "bit", "user": "me"}
        assert self.finish(folder, json.dumps({"mysql": mysql})) == 0
        for path in (folder.layout.summary, folder.path / "run_summary.json"):
            summary = json.loads(path.read_text())
            assert (summary["run_id"], summary["exit_code"]) == ("run-1", 1)
            assert "what the run left could not be read" in summary["reasons"][0]


class TestPrepare:
    def prepare(self, output):
        given = [f"--{n.replace('_', '-')}={v}" for n, v in parameters.defaults(DIGITS).items()]
        return main(
            [
                "prepare",
                "--run-id=run-1",
                f"--output={output}",
                "--metadata={}",
                f"--config={json.dumps(dump_config(DIGITS))}",
                *given,
                '--overrides=["training.sed=1"]',
                "--use-cache=true",
                "--ir-to=/nowhere",
                "--sha256-to=/nowhere",
            ]
        )

    def test_it_takes_the_last_runs_summary_away(self, folder):
        write_summary(folder.layout.summary, Summary(run_id="older", exit_code=0, blessed=True))
        assert self.prepare(folder.layout.output) == 2
        summary = json.loads(folder.layout.summary.read_text())
        assert (summary["run_id"], summary["exit_code"]) == ("run-1", 1)
        assert "did not finish" in summary["reasons"][0]
        assert "did you mean seed" in folder.step(PREPARE)["user_error"]

    def test_an_output_that_cannot_be_written_is_one_sentence(self, tmp_path, capsys):
        (tmp_path / "file").write_text("")
        assert self.prepare(tmp_path / "file" / "digits") == 2
        assert "kubeflow.output" in capsys.readouterr().out


class TestRejected:
    @pytest.mark.parametrize(("end", "code"), [("succeed", 0), ("fail", 3)])
    def test_it_ends_as_configured(self, tmp_path, capsys, end, code):
        arguments = ["--run-id=r", f"--output={tmp_path}", "--metadata={}", f"--end={end}"]
        assert main(["model-rejected", *arguments]) == code
        assert "A gate rejected the model" in capsys.readouterr().out


def test_gpus_are_hidden_from_a_step_that_asked_for_none(tmp_path):
    code = (
        "import os, sys; from kubeflow.node import main;"
        "main(sys.argv[1:]); print(os.environ.get('CUDA_VISIBLE_DEVICES'))"
    )
    arguments = ["--run-id=r", f"--output={tmp_path}", "--metadata={}", "--end=succeed"]
    environment = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    for more, expected in (((), "-1"), (("--gpu",), "None")):
        ran = subprocess.run(
            [sys.executable, "-c", code, "model-rejected", *arguments, *more],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        assert ran.stdout.splitlines()[-1] == expected
