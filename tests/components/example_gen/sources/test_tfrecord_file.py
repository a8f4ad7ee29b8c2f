"""TFRecord files without TensorFlow, against what TensorFlow writes and reads."""

import gzip
import struct
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.example_gen.sources import tfrecord_file
from components.example_gen.sources.tfrecord_file import DamagedError, Frame, count_records, frames


def write(path, records, compression=""):
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression)) as writer:
        for record in records:
            writer.write(record)
    return str(path)


@pytest.fixture(params=["", "GZIP"])
def compression(request):
    return request.param


RECORDS = [b"%d" % number * (100 + number) for number in range(20)]


@settings(max_examples=40)
@given(st.lists(st.binary(max_size=300), max_size=12), st.sampled_from(["", "GZIP"]), st.data())
def test_what_tensorflow_wrote_is_read(tmp_path_factory, records, compression, data):
    path = write(tmp_path_factory.getbasetemp() / "written", records, compression)
    assert count_records(path) == len(records)
    everything = list(frames(path, range(len(records))))
    assert everything == [Frame(number, record) for number, record in enumerate(records)]
    wanted = data.draw(st.frozensets(st.integers(0, 12)))
    assert list(frames(path, wanted)) == [
        Frame(number, record if number in wanted else None) for number, record in enumerate(records)
    ]


def test_a_name_says_nothing_about_the_content(tmp_path):
    assert count_records(write(tmp_path / "plain.gz", RECORDS)) == 20
    assert count_records(write(tmp_path / "packed.tfrecord", RECORDS, "GZIP")) == 20


def test_a_record_whose_length_looks_like_gzip_is_plain(tmp_path):
    path = write(tmp_path / "file", [bytes(0x088B1F), b"second"])
    with open(path, "rb") as stream:
        assert stream.read(3) == b"\x1f\x8b\x08"
    assert count_records(path) == 2


def test_counting_reads_the_headers_alone(tmp_path, monkeypatch):
    path = write(tmp_path / "file", RECORDS)
    monkeypatch.setattr(tfrecord_file, "_masked_crc", counted := Counted(tfrecord_file._masked_crc))
    assert count_records(path) == 20
    # One look at the first header tells whether the file is packed.
    assert set(counted.lengths) == {8}


class Counted:
    def __init__(self, function):
        self.lengths, self._function = [], function

    def __call__(self, content):
        self.lengths.append(len(content))
        return self._function(content)


@pytest.mark.parametrize("left_bytes", [5, 12, 13, 60, 127, 130, 140, 2000])
def test_a_file_that_is_cut_off_is_damaged_at_that_record(tmp_path, compression, left_bytes):
    whole = Path(write(tmp_path / "whole", RECORDS)).read_bytes()
    ends = [0]
    for record in RECORDS:
        ends.append(ends[-1] + len(record) + 16)
    at = sum(end <= left_bytes for end in ends) - 1
    cut = whole[:left_bytes]
    path = tmp_path / "cut"
    path.write_bytes(gzip.compress(cut) if compression else cut)
    with pytest.raises(DamagedError, match=rf"^record {at} "):
        count_records(str(path))
    read = []
    with pytest.raises(DamagedError, match=rf"^record {at} "):
        read.extend(frame.record for frame in frames(str(path), range(99)))


def test_a_packed_file_that_is_cut_off_is_damaged(tmp_path):
    path = tmp_path / "cut"
    records = [bytes([number]) * 5000 for number in range(9)]
    path.write_bytes(Path(write(tmp_path / "whole", records, "GZIP")).read_bytes()[:-40])
    with pytest.raises(DamagedError, match=r"record \d cannot be unpacked"):
        count_records(str(path))


@pytest.mark.parametrize(
    "content",
    [
        b"\xff" * 500,
        b"no records",
        b"\x1f\x8bno gzip either",
        gzip.compress(b"something", mtime=0),
        b"\0" * 99,
    ],
)
def test_what_is_no_record_file_is_damaged_at_once(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DamagedError, match="record 0 "):
        count_records(str(tmp_path / "file"))


def test_a_length_that_no_record_has_is_not_believed(tmp_path):
    length = struct.pack("<Q", 1 << 40)
    (tmp_path / "file").write_bytes(
        length + struct.pack("<I", tfrecord_file._masked_crc(length)) + bytes(99)
    )
    with pytest.raises(DamagedError, match="record 0 has no valid header"):
        count_records(str(tmp_path / "file"))


def test_an_empty_file_has_no_record(tmp_path, compression):
    assert count_records(write(tmp_path / "file", [], compression)) == 0
    (tmp_path / "nothing").write_bytes(b"")
    assert count_records(str(tmp_path / "nothing")) == 0


def test_a_record_whose_bytes_changed_is_told_and_the_others_are_read(tmp_path):
    path = write(tmp_path / "file", RECORDS)
    content = bytearray(Path(path).read_bytes())
    content[12 + 50] ^= 1
    Path(path).write_bytes(content)
    found = list(frames(path, range(99)))
    assert [frame.whole for frame in found] == [False] + [True] * 19
    assert [frame.record for frame in found[1:]] == RECORDS[1:]
    assert count_records(path) == 20


def test_a_file_in_an_object_store_is_read_too(store, compression):
    path = write(f"{store}/file", RECORDS, compression)
    assert count_records(path) == 20
    assert [frame.record for frame in frames(path, range(5, 7)) if frame.record] == RECORDS[5:7]
    cut = tf.io.read_file(path).numpy()[:-30]
    with tf.io.gfile.GFile(f"{store}/cut", "wb") as stream:
        stream.write(cut)
    with pytest.raises(DamagedError, match="record"):
        count_records(f"{store}/cut")
