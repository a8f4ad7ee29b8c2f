"""Slices in tfds's syntax with the positions that each names, told by Python's own slicing."""

import itertools

from hypothesis import strategies as st


def pieces(count, split="train"):
    """(text, positions) of one piece of a split of `count` records; it may be empty."""
    absolute = st.one_of(st.none(), st.integers(-count, count))
    percent = st.one_of(st.none(), st.integers(-100, 100))
    return st.one_of(
        st.tuples(absolute, absolute).map(lambda ends: _piece(count, split, ends, "")),
        st.tuples(percent, percent).map(lambda ends: _piece(count, split, ends, "%")),
    )


def _piece(count, split, ends, unit):
    if ends == (None, None):
        return split, list(range(count))
    begin, end = ("" if end is None else f"{end}{unit}" for end in ends)
    at = [end if end is None or not unit else round(end * count / 100) for end in ends]
    return f"{split}[{begin}:{end}]", list(range(count)[at[0] : at[1]])


def slices(count, split="train"):
    """(text, positions) of sums of up to three pieces."""
    return st.lists(pieces(count, split), min_size=1, max_size=3).map(
        lambda found: (
            "+".join(text for text, _ in found),
            [position for _, at in found for position in at],
        )
    )


@st.composite
def partitions(draw, count, names=("train", "eval", "test"), split="train"):
    """By name a slice; together they take every record, and each once."""
    unit = draw(st.sampled_from(("", "%")))
    most = 100 if unit else count

    def at(end):
        return round(end * count / most)

    ends = st.integers(1, most - 1).filter(lambda end: 0 < at(end) < count)
    inner = draw(st.lists(ends, min_size=2, max_size=6, unique_by=at))
    cuts = [0, *sorted(inner), most]
    parts = [f"{split}[{a}{unit}:{b}{unit}]" for a, b in itertools.pairwise(cuts)]
    parts = draw(st.permutations(parts))
    owners = [*names, *draw(st.lists(st.sampled_from(names), min_size=len(parts)))]
    owned = {name: [] for name in names}
    for part, owner in zip(parts, owners, strict=False):
        owned[owner].append(part)
    return {name: "+".join(parts) for name, parts in owned.items()}
