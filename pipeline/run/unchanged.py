"""Whether a run would do nothing: the last one read the same, and what it left is whole.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as output:
...     read_and_left = {"key": "5f2a", "steps": {}, "served": "", "files": {}}
...     write_last_run(read_and_left, Summary(exit_code=0, blessed=True), Layout(output))
...     summary = Summary()
...     repeat(summary, Layout(output))
>>> summary.exit_code, summary.step("Trainer").state
(0, 'cached')
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.digests import damage, from_text
from components.finite import read_json, write_json
from components.lineage.artifacts import manifest_text
from components.progress import report
from pipeline.run.layout import Layout
from pipeline.run.summary import Summary, as_values

if TYPE_CHECKING:
    # NumPy and the sources, which the command's own process does without.
    from pipeline.inputs.resolve import Inputs


def files_of(outputs: Mapping[str, Any], layout: Layout) -> dict[str, str]:
    """The files that a run's steps wrote: manifests by their folder, relative to the output.

    Args:
      outputs: of the run (`components.lineage.outputs.read_outputs`).
      layout: of its output folder.
    """
    output = f"{layout.output}/"
    return {
        artifact.uri.removeprefix(output): text
        for artifact in outputs.values()
        if artifact.uri.startswith(output) and (text := manifest_text(artifact))
    }


def is_unchanged(inputs: Inputs, layout: Layout) -> bool:
    """Whether the last finished run read the same, and what it left is still there, whole."""
    try:
        last = read_json(layout.last_run)
        same = (last["key"], last["served"]) == (inputs.key, inputs.served)
        # A run that failed since has left a report of its own.
        if not same or last["summary"]["run_id"] not in layout.report.read_text(encoding="utf-8"):
            return False
        for folder, text in last["files"].items():
            found = damage(layout.output / folder, from_text(text))
            if found:
                note = f"Nothing changed, but {found}"
                report(note, event="note", text=note)
                return False
        return True
    except (OSError, ValueError, KeyError):
        return False


def write_last_run(event: Mapping[str, Any], summary: Summary, layout: Layout) -> None:
    """Writes what a finished run read and left, for `is_unchanged` and `repeat`.

    Args:
      event: `outcome`, with `key`, `steps` (`pipeline.properties.digests`), `served` and `files`.
      summary: of the run.
      layout: of its output folder.
    """
    state = {key: event[key] for key in ("key", "steps", "served", "files")}
    write_json(layout.last_run, {**state, "summary": as_values(summary)})


_REPEATED = (
    "exit_code",
    "span",
    "counts",
    "quarantine",
    "metrics",
    "baseline_metrics",
    "model_check",
    "blessed",
    "reasons",
    "warnings",
    "not_pushed",
    "report",
)


def repeat(summary: Summary, layout: Layout) -> None:
    """An unchanged run ends as the last one did, with every step cached and nothing pushed."""
    last = Summary.from_dict(read_json(layout.last_run)["summary"])
    for name in _REPEATED:
        setattr(summary, name, getattr(last, name))
    for step in last.steps:
        summary.step(step.id).state = "cached"
    # The output may have been moved since.
    if summary.report:
        summary.report = str(layout.report)
    if summary.quarantine:
        summary.quarantine = str(layout.moved(summary.quarantine))
