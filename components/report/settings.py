"""The settings of the Report step, as one value in its execution properties.

>>> settings = ReportSettings(
...     pipeline="flowers", run_id="20261130-101500-000000", split="eval",
...     class_names=("daisy", "rose"), config={},
...     sources=(("Data", "beans/0.1.0", "/data/beans", "5f2a"),), links={"All runs": "runs.html"},
... )
>>> ReportSettings.model_validate_json(settings.model_dump_json()) == settings
True
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from components.section import Names, Section

PAGE = "index.html"
"""The report's file in its artifact."""


class ReportSettings(Section):
    """What a report shows that is in no artifact.

    Attributes:
      pipeline: the pipeline's name.
      run_id: of this run, so that the step is never cached.
      split: the split that is judged.
      class_names: names by class index.
      config: the resolved configuration.
      sources: rows of the lineage that are no artifacts: (kind, name, where, identity).
      links: text -> address relative to the page.
    """

    pipeline: str
    run_id: str
    split: str
    class_names: Names
    config: dict[str, Any]
    sources: Annotated[
        tuple[Annotated[tuple[str, str, str, str], Field(strict=False)], ...], Field(strict=False)
    ]
    links: dict[str, str]
