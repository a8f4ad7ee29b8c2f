"""docs/configuration.md is what the models say."""

import re

import pytest

from pipeline.config import load_config
from pipeline.config.reference import render
from pipeline.inputs.code import ROOT


def test_the_reference_is_up_to_date():
    """Mend it with `python -m pipeline.config.reference > docs/configuration.md`."""
    assert (ROOT / "docs" / "configuration.md").read_text() == render()


def test_every_key_is_described():
    assert "|  |" not in render()
    for key in ("data.splits.train", "training.schedule.boundaries", "evaluation.max_regression"):
        assert f"| `{key}` |" in render()


@pytest.mark.parametrize(
    "page", ["README.md", "docs/configuration.md", "docs/evaluation.md", "docs/search.md"]
)
def test_the_yaml_of_the_pages_is_valid(page, tmp_path):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        (tmp_path / "example.yaml").write_text(block)
        assert load_config(file=str(tmp_path / "example.yaml")).pipeline_name
