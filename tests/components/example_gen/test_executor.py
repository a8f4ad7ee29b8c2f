"""ImageExampleGen's executor on real stored data."""

import pytest
import tensorflow as tf

from components.example_gen.config import DataConfig, ScreenConfig, SplitsConfig
from components.example_gen.counts import SplitCounts
from components.example_gen.executor import check_counts, copy_shard
from components.example_gen.sources.source import open_source
from components.example_gen.sources.tfds_shard import TfdsShard
from tests.components.example_gen.conftest import prepare_digits, records, run


@pytest.fixture(scope="module")
def digits(tfds_dir):
    return DataConfig(name="digits", data_dir=str(tfds_dir))


def test_stored_bytes_are_copied_verbatim_and_split_as_asked(tmp_path, digits, tfds_dir):
    examples = run(tmp_path, digits)
    stored = next((tfds_dir / "digits" / "1.0.0").glob("*.tfrecord*"))
    source = list(tf.data.TFRecordDataset(str(stored)).as_numpy_iterator())
    assert records(tmp_path, "train") == source[:1527]
    assert records(tmp_path, "eval") == source[1527:]
    assert examples.split_names == '["eval", "train"]'
    assert examples.get_int_custom_property("num_examples_train") == 1527
    assert examples.get_int_custom_property("num_examples_eval") == 270
    assert examples.get_string_custom_property("source") == "digits/1.0.0"
    assert examples.span == 3


def test_a_slice_of_several_pieces_becomes_a_shard_each(tmp_path, tfds_dir):
    splits = SplitsConfig(train="train[:3]+train[10:14]", eval="train[-2:]")
    run(tmp_path, DataConfig(name="digits", data_dir=str(tfds_dir), splits=splits))
    assert sorted(path.name for path in (tmp_path / "Split-train").iterdir()) == [
        "data_tfrecord-00000-of-00002.gz",
        "data_tfrecord-00001-of-00002.gz",
    ]
    assert len(records(tmp_path, "train")) == 7
    assert len(records(tmp_path, "eval")) == 2


def test_nothing_but_data_and_counts_is_left(tmp_path, digits):
    run(tmp_path / "out", digits)
    names = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert names == [
        "counts.json",
        *["data_tfrecord-00000-of-00001.gz"] * 2,
        *["part-00000-of-00001.parquet"] * 2,
    ]


def test_data_that_changed_since_its_fingerprint_stops_the_step(tmp_path, digits):
    with pytest.raises(RuntimeError, match="changed while the run was starting"):
        run(tmp_path, digits, fingerprint="0" * 64)


def test_a_file_with_fewer_records_than_promised_stops_the_step(tmp_path):
    import os

    data_dir = tmp_path / "data"
    config = DataConfig(name="digits", data_dir=str(data_dir))
    source = open_source(config)
    path = source.shards[0].path
    kept = list(tf.data.TFRecordDataset(path).take(1700).as_numpy_iterator())
    with tf.io.TFRecordWriter(path) as writer:
        for record in kept:
            writer.write(record)
    assert os.path.getsize(path)
    with pytest.raises(Exception, match=r"split eval: 173 records were read, .* has 270"):
        run(tmp_path / "out", config)


def test_an_interrupted_copy_leaves_no_shard_and_is_done_again(tmp_path, digits, monkeypatch):
    shard = next(s for s in open_source(digits).shards if s.split == "eval")
    uris = {name: str(tmp_path / name) for name in ("examples", "index", "quarantine")}

    whole = TfdsShard.records

    def breaks(shard):
        yield from list(whole(shard))[:5]
        raise OSError("the disk went away")

    monkeypatch.setattr(TfdsShard, "records", breaks)
    with pytest.raises(OSError, match="disk went away"):
        copy_shard(shard, ScreenConfig(), 10, uris)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and _is_data(path)] == []
    monkeypatch.undo()
    assert copy_shard(shard, ScreenConfig(), 10, uris) == ("eval", SplitCounts(270, 270))
    assert len(records(tmp_path / "examples", "eval")) == 270


def _is_data(path):
    return path.parent.name.startswith("Split-")


def test_counts_are_held_against_the_source(digits):
    shards = open_source(digits).shards
    right = {"train": SplitCounts(1527, 1527), "eval": SplitCounts(270, 269, {"empty": 1})}
    check_counts(right, shards)
    with pytest.raises(RuntimeError, match="split train: 2 records were read"):
        check_counts({**right, "train": SplitCounts(2, 2)}, shards)


def test_other_file_formats_of_tfds_are_read_too(tmp_path, tfds_dir):
    stored = tmp_path / "data"
    prepare_digits(stored, "array_record")
    config = DataConfig(name="digits", data_dir=str(stored))
    source = open_source(config)
    assert {shard.file_format for shard in source.shards} == {"array_record"}
    run(tmp_path / "out", config)
    plain = DataConfig(name="digits", data_dir=str(tfds_dir))
    run(tmp_path / "again", plain)
    assert examples_in(tmp_path / "out") == examples_in(tmp_path / "again")


def examples_in(folder):
    """All (image, label), sorted: the formats store them in another order."""
    parsed = map(tf.train.Example.FromString, records(folder, "train") + records(folder, "eval"))
    return sorted(
        (
            e.features.feature["image"].bytes_list.value[0],
            e.features.feature["label"].int64_list.value[0],
        )
        for e in parsed
    )
