"""Where a run stores its files: the folders below `--output`.

>>> layout = Layout("/moved/digits")
>>> str(layout.summary), str(layout.logs("20261130-101500-000000"))
('/moved/digits/run_summary.json', '/moved/digits/logs/20261130-101500-000000')
>>> str(layout.moved("/old/digits/artifacts/Trainer/model/7"))
'/moved/digits/artifacts/Trainer/model/7'
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from components.storage import AnyPath, as_path

_BELOW_OUTPUT = 4
"""Folders from an output to an artifact: `artifacts`, the node, its output, the execution."""


@dataclass(frozen=True, init=False)
class Layout:
    """Paths below one output folder, which belongs to one pipeline.

    Attributes:
      output: the folder; a local path, or a URI of an object store.
    """

    output: AnyPath

    def __init__(self, output: str | os.PathLike[str]):
        object.__setattr__(self, "output", as_path(output))

    @property
    def serving(self) -> AnyPath:
        """Pushed versions, as TensorFlow Serving reads them."""
        return self.output / "serving"

    @property
    def exports(self) -> AnyPath:
        """Served models converted for other runtimes: `<version>/<format>`."""
        return self.output / "exports"

    @property
    def checkpoints(self) -> AnyPath:
        """Checkpoints of trainings that are not done, by the digest of what they depend on."""
        return self.output / "checkpoints"

    @property
    def artifacts(self) -> AnyPath:
        """TFX's pipeline root: what every step wrote."""
        return self.output / "artifacts"

    @property
    def metadata(self) -> AnyPath:
        """The ML Metadata store: lineage and cache."""
        return self.output / "metadata" / "metadata.sqlite"

    @property
    def last_run(self) -> AnyPath:
        """What the last finished run had read, to recognise an unchanged one."""
        return self.output / "metadata" / "last_run.json"

    @property
    def schemas(self) -> AnyPath:
        """Curated schemas, by their digest."""
        return self.output / "metadata" / "schemas"

    @property
    def summary(self) -> AnyPath:
        """The end of the last run, for programs."""
        return self.output / "run_summary.json"

    @property
    def report(self) -> AnyPath:
        """The last run as a page."""
        return self.output / "report" / "index.html"

    @property
    def runs(self) -> AnyPath:
        """All runs as a page."""
        return self.output / "report" / "runs.html"

    @property
    def lock(self) -> AnyPath:
        """Held by the run that writes here."""
        return self.output / ".lock"

    def place_of(self, uri: str) -> str:
        """The output folder that an artifact was written below, by its address.

        "" for an address that no step of ours wrote: `<output>/artifacts/<node>/<output>/<id>`.
        """
        parts = uri.rstrip("/").rsplit("/", _BELOW_OUTPUT)
        return parts[0] if parts[1:2] == [self.artifacts.name] else ""

    def moved(self, uri: str) -> AnyPath:
        """Where an artifact is below this output, if it was written below one that was moved."""
        below = uri.rstrip("/").rsplit("/", _BELOW_OUTPUT)[2:]
        return self.artifacts.joinpath(*below) if self.place_of(uri) else as_path(uri)

    def logs(self, run_id: str) -> AnyPath:
        """Log files of one run, one a step."""
        return self.output / "logs" / run_id
