"""docs/reference/configuration.md is what the models say."""

from pipeline.config.reference import render
from pipeline.inputs.code import ROOT


def test_the_reference_is_up_to_date():
    """Mend it with `python -m pipeline.config.reference > docs/reference/configuration.md`."""
    assert (ROOT / "docs" / "reference" / "configuration.md").read_text() == render()


def test_every_key_is_described():
    assert "|  |" not in render()
    for key in ("data.splits.train", "training.schedule.boundaries", "evaluation.max_regression"):
        assert f"| `{key}` |" in render()
