"""Counts add up, over shards and splits, in files and in artifacts."""

from hypothesis import given
from hypothesis import strategies as st
from tfx.types import standard_artifacts

from components.example_gen.counts import (
    SplitCounts,
    counts_of,
    read_counts,
    set_counts,
    total,
    write_counts,
)

reasons = st.dictionaries(st.sampled_from(["empty", "truncated", "label"]), st.integers(1, 1000))
split_counts = st.builds(
    lambda kept, rejected: SplitCounts(kept + sum(rejected.values()), kept, rejected),
    st.integers(0, 1000),
    reasons,
)


@given(st.lists(split_counts))
def test_a_total_adds_up_in_any_order(counts):
    found = total(counts)
    assert found == total(reversed(counts))
    assert found.read == found.kept + found.num_rejected == sum(c.read for c in counts)
    assert list(found.rejected) == sorted(found.rejected)


@given(st.lists(split_counts), st.lists(split_counts))
def test_totals_can_be_added_as_beam_does(some, others):
    assert total([total(some), total(others)]) == total([*some, *others])


@given(st.dictionaries(st.sampled_from(["train", "eval", "test"]), split_counts))
def test_an_artifact_gives_them_back(counts):
    examples = standard_artifacts.Examples()
    set_counts(examples, counts)
    assert counts_of(examples) == counts
    for split, of_split in counts.items():
        assert examples.get_int_custom_property(f"num_examples_{split}") == of_split.kept
        assert examples.get_int_custom_property(f"num_read_{split}") == of_split.read
        assert examples.get_int_custom_property(f"num_rejected_{split}") == of_split.num_rejected


def test_a_file_gives_them_back(tmp_path):
    counts = {"train": SplitCounts(3, 1, {"empty": 2}), "eval": SplitCounts(4, 4)}
    write_counts(counts, str(tmp_path))
    assert read_counts(str(tmp_path)) == counts


def test_an_artifact_without_counts_has_none():
    assert counts_of(standard_artifacts.Examples()) == {}
