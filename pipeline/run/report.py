"""What a run gives to its report, and where the report is written.

>>> import tempfile
>>> from pipeline.config import load_config
>>> from pipeline.run.summary import begin
>>> with tempfile.TemporaryDirectory() as output:
...     layout = Layout(output)
...     _ = begin(load_config("digits"), layout, "20261130-101500-000000")
...     publish_runs("digits", layout)
...     on_the_page(layout)
True
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from components.report.runs import render_runs
from components.report.settings import ReportSettings
from components.storage import AnyPath, io_errors, write_whole
from pipeline.config import Config, dump_config
from pipeline.inputs.code import library_versions
from pipeline.run.layout import Layout
from pipeline.run.summary import SUMMARY_FILE

if TYPE_CHECKING:
    # NumPy and the sources, which the command's own process does without.
    from pipeline.inputs.resolve import Inputs


def report_settings(config: Config, inputs: Inputs, run_id: str) -> ReportSettings:
    """The configuration, and the sources that are no artifacts."""
    source, backbone = inputs.source, inputs.backbone
    sources = [
        ("Data", source.full_name, source.data_dir, source.fingerprint),
        *(("Note", text, "", "") for text in source.notes),
        ("Backbone", backbone.handle, backbone.path, backbone.sha256),
        *(("Image", image, "", commit) for image, commit in [inputs.image] if image),
        *(("Code", step, "", digest) for step, digest in inputs.code.items()),
        *(("Library", name, "", version) for name, version in library_versions().items()),
    ]
    return ReportSettings(
        pipeline=config.pipeline_name,
        run_id=run_id,
        split=config.evaluation.split,
        class_names=source.class_names,
        config=dump_config(config),
        sources=tuple(sources),
        links={
            "All runs": "runs.html",
            "Logs": f"../logs/{run_id}/",
            "run_summary.json": "../run_summary.json",
        },
    )


_KEYS = {"run_id", "finished", "exit_code", "config", "metrics", "reasons", "pushed"}


def publish_runs(pipeline: str, layout: Layout) -> None:
    """Writes the page of all runs that left their summary with their logs."""
    publish(render_runs(pipeline, list(summaries_of(layout))), layout.runs)


def summaries_of(layout: Layout) -> Iterator[dict[str, Any]]:
    """The summaries that runs left with their logs, oldest first."""
    for path in _kept(layout):
        try:
            summary = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            continue
        # Cut off by a full disk, or of another make: one row less is better than no page.
        if isinstance(summary, dict) and summary.keys() >= _KEYS:
            yield summary


def on_the_page(layout: Layout) -> bool:
    """Whether the page of all runs has each of them; one that was killed could not draw it."""
    try:
        page = layout.runs.read_text(encoding="utf-8")
    except io_errors():
        return False
    return all(f"/logs/{path.parent.name}/" in page for path in _kept(layout))


def _kept(layout: Layout) -> list[AnyPath]:
    """The summaries that runs left with their logs, oldest first."""
    return sorted(layout.logs("").glob(f"*/{SUMMARY_FILE}"))


def publish(page: str, target: AnyPath) -> AnyPath:
    """Writes a page so that a reader sees the old one or the new one; returns its path."""
    write_whole(target, page)
    return target
