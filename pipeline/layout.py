"""Where a run keeps what: the folders below `--output`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Paths below one output folder, which belongs to one pipeline."""

    output: Path

    @property
    def serving(self) -> Path:
        """Pushed versions, as TensorFlow Serving reads them."""
        return self.output / "serving"

    @property
    def artifacts(self) -> Path:
        """TFX's pipeline root: what every step wrote."""
        return self.output / "artifacts"

    @property
    def metadata(self) -> Path:
        """The ML Metadata store: lineage and cache."""
        return self.output / "metadata" / "metadata.sqlite"

    @property
    def last_run(self) -> Path:
        """What the last finished run had read, to tell an unchanged one."""
        return self.output / "metadata" / "last_run.json"

    @property
    def schemas(self) -> Path:
        """Curated schemas, by their digest."""
        return self.output / "metadata" / "schemas"

    @property
    def summary(self) -> Path:
        """The end of the last run, for programs."""
        return self.output / "run_summary.json"

    @property
    def report(self) -> Path:
        """The last run as a page."""
        return self.output / "report" / "index.html"

    @property
    def runs(self) -> Path:
        """All runs as a page."""
        return self.output / "report" / "runs.html"

    @property
    def lock(self) -> Path:
        """Held by the run that writes here."""
        return self.output / ".lock"

    def logs(self, run_id: str) -> Path:
        """Log files of one run, one a step."""
        return self.output / "logs" / run_id
