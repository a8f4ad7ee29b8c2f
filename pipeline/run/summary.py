"""run_summary.json: how a run ended, for programs.

>>> summary = Summary("digits", "20261130-101500-000000")
>>> summary.enter_verdict({"blessed": False, "reasons": ["accuracy 0.8 is below 0.9"]})
>>> summary.exit_code == MODEL_REJECTED
True
>>> Summary.from_dict(as_values(summary)) == summary
True
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from components.finite import write_json
from components.storage import AnyPath
from pipeline.config import Config, dump_config
from pipeline.run.layout import Layout
from pipeline.steps import ALWAYS, steps_of

COMPLETED = 0
STEP_FAILED = 1
USAGE = 2
MODEL_REJECTED = 3

UNFINISHED = "the run did not finish: it still runs, or it was killed"
"""The reason that a run which is killed leaves behind."""


@dataclass
class StepState:
    """One node of the run: `state` is complete, cached, failed or skipped."""

    id: str
    state: str = "skipped"
    seconds: float = 0.0


def steps_named(names: Iterable[str]) -> list[StepState]:
    """Steps of which none has run."""
    return [StepState(name) for name in names]


@dataclass
class Summary:
    """Everything that run_summary.json says; every key is always there.

    Attributes:
      pipeline: the pipeline's name; empty where the configuration could not be read.
      run_id: names the run's logs and its lineage.
      exit_code: 0 completed, 1 a step failed, 2 usage, configuration or data, 3 rejected.
      config: the resolved configuration.
      steps: every node of the configuration (`pipeline.steps.steps_of`) with its state and seconds;
        where it is not known, those that all have.
      span: number of the data in this pipeline's lineage; null before it is known.
      counts: records read, rejected (by reason), and kept in each split; the same of each split in
        `splits`.
      quarantine: where the rejected records are, or null.
      metrics: accuracy, loss, more by name, and `per_class` by class name.
      baseline_metrics: the same of the baseline; {} where there was none.
      model_check: what ModelCheck measured: `load_s`, `memory_mb`, `p50_ms` and `p99_ms` of one
        image, `images_per_s`, `images`; {} where it did not ask the model.
      blessed: the verdict; null where none was reached.
      reasons: why the run failed or the model was rejected, in sentences.
      warnings: what was found damaged, and what was done without it, in sentences.
      pushed: the version that this run pushed, or null.
      not_pushed: why a model that passed was not pushed, if `serving` is pinned or the model was
        rolled back; else null, also for a model that serves already.
      report: path of the HTML report, or null.
    """

    pipeline: str = ""
    run_id: str = ""
    exit_code: int = STEP_FAILED
    config: dict[str, Any] = field(default_factory=dict)
    steps: list[StepState] = field(default_factory=lambda: steps_named(ALWAYS))
    span: int | None = None
    counts: dict[str, Any] = field(
        default_factory=lambda: {"read": 0, "rejected": {}, "train": 0, "eval": 0, "splits": {}}
    )
    quarantine: str | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    baseline_metrics: dict[str, Any] = field(default_factory=dict)
    model_check: dict[str, float] = field(default_factory=dict)
    blessed: bool | None = None
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    pushed: str | None = None
    not_pushed: str | None = None
    report: str | None = None

    def step(self, step_id: str) -> StepState:
        """The step with this id, added at the end where it is not known yet."""
        for step in self.steps:
            if step.id == step_id:
                return step
        self.steps.append(StepState(step_id))
        return self.steps[-1]

    def enter(self, outcome: Mapping[str, Any]) -> None:
        """Enters what a run left (`pipeline.run.conclude.conclude`)."""
        if unknown := outcome.keys() - vars(self).keys():
            raise KeyError(f"no field of the summary: {', '.join(sorted(unknown))}")
        for name, value in outcome.items():
            setattr(self, name, value)

    def enter_verdict(self, outcome: Mapping[str, Any]) -> None:
        """Enters what a run left whose steps are all done, and with it the exit code."""
        self.enter(outcome)
        self.exit_code = COMPLETED if self.blessed else MODEL_REJECTED

    @classmethod
    def of(cls, config: Config, run_id: str = "") -> Summary:
        """The summary of a run of this configuration, of which no step has run."""
        steps = steps_named(steps_of(config))
        return cls(config.pipeline_name, run_id, config=dump_config(config), steps=steps)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Summary:
        """The inverse of `dataclasses.asdict`."""
        steps = [StepState(**step) for step in values["steps"]]
        return cls(**{**values, "steps": steps})


_NO_REASON = {
    STEP_FAILED: "the run failed and did not say why; its log files may",
    USAGE: "the run could not start and did not say why; its log files may",
    MODEL_REJECTED: "the Evaluator did not bless the model, and no gate says why",
}


def as_values(summary: Summary) -> dict[str, Any]:
    """The summary as plain values, with a reason for every end but a completed run's."""
    values = asdict(summary)
    if summary.exit_code != COMPLETED and not any(summary.reasons):
        values["reasons"] = [_NO_REASON[summary.exit_code]]
    return values


def write_summary(path: AnyPath, summary: Summary) -> None:
    """Writes run_summary.json."""
    write_json(path, as_values(summary))


def begin(config: Config, layout: Layout, run_id: str) -> Summary:
    """The summary of a run of which nothing is done.

    The file says that the run did not finish, which stays true if it is killed. It replaces the
    last run's.

    Raises:
      OSError: it cannot be written (`components.storage.io_errors`).
    """
    summary = Summary.of(config, run_id)
    summary.reasons = [UNFINISHED]
    write_summary(layout.summary, summary)
    keep_summary(layout.logs(run_id), summary, over=False)
    summary.reasons = []
    return summary


SUMMARY_FILE = "run_summary.json"
"""A run's own summary in its log folder."""


def keep_summary(folder: AnyPath, summary: Summary, over: bool = True) -> None:
    """Stores the summary of a run in its log folder, with the time.

    Args:
      folder: with the run's logs.
      summary: of the run.
      over: False for a run that only begins: it stays like that if the run is killed.
    """
    time = datetime.datetime.now().isoformat(timespec="seconds")
    times = {"finished": time} if over else {"finished": None, "started": time}
    write_json(folder / SUMMARY_FILE, {**times, **as_values(summary)})
