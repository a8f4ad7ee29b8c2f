"""What is set aside can be read back, byte for byte."""

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.example_gen.screen.quarantine import (
    Reject,
    from_record,
    quarantined_splits,
    read_quarantine,
    to_record,
)

names = st.text(st.characters(codec="utf-8"))
rejects = st.builds(
    Reject, names, names, names, st.binary(), st.none() | st.integers(-(2**63), 2**63 - 1)
)


@given(rejects)
def test_a_record_is_a_reject_again(reject):
    assert from_record(to_record(reject)) == reject


def test_a_name_that_is_not_utf8_survives():
    reject = Reject(b"caf\xe9.jpg".decode("utf-8", "surrogateescape"), "empty", "", b"", 0)
    assert (
        from_record(to_record(reject)).source.encode("utf-8", "surrogateescape") == b"caf\xe9.jpg"
    )


@pytest.mark.parametrize("shards", [1, 3])
def test_all_files_of_a_split_are_read_in_order(tmp_path, shards):
    written = [Reject(f"{n}.jpg", "junk", "", bytes([n]) * n, n) for n in range(20)]
    (tmp_path / "Split-train").mkdir()
    for shard in range(shards):
        path = tmp_path / "Split-train" / f"rejects-{shard:05d}-of-{shards:05d}.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for reject in written[shard * 20 // shards : (shard + 1) * 20 // shards]:
                writer.write(to_record(reject))
    assert list(read_quarantine(str(tmp_path), "train")) == written
    assert list(read_quarantine(str(tmp_path), "eval")) == []
    assert quarantined_splits(str(tmp_path)) == ["train"]


def test_a_quarantine_that_was_never_filled_is_empty(tmp_path):
    assert quarantined_splits(str(tmp_path / "absent")) == []
