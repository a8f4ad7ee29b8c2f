"""ImageExampleGen's executor on real stored data."""

import pytest
import tensorflow as tf

from components.drafts import opened
from components.example_gen.config import DataConfig, ScreenConfig, SplitsConfig
from components.example_gen.counts import SplitCounts
from components.example_gen.executor import check_counts, copy_shard
from components.example_gen.shard_writer import name_files
from components.example_gen.sources import shard as shards
from components.example_gen.sources.source import open_source
from components.example_gen.sources.tfds_shard import TfdsShard
from components.storage import as_path, files_below
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
    with opened(uris["examples"]) as drafts:
        with pytest.raises(OSError, match="disk went away"):
            copy_shard(shard, ScreenConfig(), 10, drafts)
        monkeypatch.undo()
        split, copied = copy_shard(shard, ScreenConfig(), 10, drafts)
        assert (split, copied.counts) == ("eval", SplitCounts(270, 270))
        assert len(files_below(as_path(drafts.folder))) == 1 + len(copied.files)
        name_files(copied.files, split, uris, drafts)
    assert len(records(tmp_path / "examples", "eval")) == 270


@pytest.mark.parametrize("examples_per_class", [None, 3])
def test_a_long_file_becomes_several_shards_of_the_same_records(
    tmp_path, digits, examples_per_class, monkeypatch
):
    config = digits.model_copy(update={"examples_per_class": examples_per_class})
    run(tmp_path / "one", config)
    monkeypatch.setattr(shards, "RECORDS", 400)
    run(tmp_path / "several", config)
    one, several = (list((tmp_path / name).glob("Split-train/*")) for name in ("one", "several"))
    assert (len(one), len(several)) == (1, 4)
    for split in ("train", "eval"):
        assert records(tmp_path / "several", split) == records(tmp_path / "one", split)


@pytest.mark.parametrize(("limit", "most"), [("RECORDS", 200), ("BYTES", 40_000)])
def test_two_files_of_tfds_become_shards_for_more_workers(tmp_path, monkeypatch, limit, most):
    prepare_digits(tmp_path, shards=2)
    files = sorted(str(path) for path in (tmp_path / "digits" / "1.0.0").glob("*.tfrecord*"))
    whole = list(tf.data.TFRecordDataset(files).as_numpy_iterator())
    splits = SplitsConfig(train="train[100:1500]", eval="train[1500:]")
    config = DataConfig(name="digits", data_dir=str(tmp_path), splits=splits)
    monkeypatch.setattr(shards, limit, most)
    found = [shard for shard in open_source(config).shards if shard.split == "train"]
    read = [[stored.record for stored in shard.records()] for shard in found]
    assert [record for of_shard in read for record in of_shard] == whole[100:1500]
    # Neither file is the work of one worker alone, and the pieces of a file are of about one size.
    for path in files:
        pieces = [of for of, shard in zip(read, found, strict=True) if shard.path == path]
        sizes = [len(of) if limit == "RECORDS" else sum(map(len, of)) for of in pieces]
        assert len(sizes) >= 3
        assert max(sizes) <= most * 1.05
        assert min(sizes) >= max(sizes) * 0.9


@pytest.mark.parametrize("options", [None, "GZIP"])
def test_a_file_of_few_large_examples_is_cut_unless_it_is_packed(tmp_path, monkeypatch, options):
    monkeypatch.setattr(shards, "BYTES", 2_500)
    for split in ("train", "eval"):
        with tf.io.TFRecordWriter(str(tmp_path / split), options) as writer:
            for number in range(10):
                features = {
                    "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[bytes(1_000)])),
                    "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number])),
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())
    section = {
        "files": {split: str(tmp_path / split) for split in ("train", "eval")},
        "class_names": [str(number) for number in range(10)],
    }
    source = open_source(DataConfig(tfrecords=section))
    train = [shard for shard in source.shards if shard.split == "train"]
    # 10 records of 1,000 bytes and some 40 of frame, of which two and a part fit.
    assert [shard.take for shard in train] == ([10] if options else [2] * 5)
    assert [label for shard in train for label in shard.labels()] == list(range(10))


def test_a_long_file_of_examples_is_cut_unless_it_is_packed(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "RECORDS", 4)
    for name, options in (("train", None), ("eval", "GZIP")):
        with tf.io.TFRecordWriter(str(tmp_path / name), options) as writer:
            for number in range(10):
                features = {
                    "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"x"])),
                    "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number])),
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())
    section = {
        "files": {split: str(tmp_path / split) for split in ("train", "eval")},
        "class_names": [str(number) for number in range(10)],
    }
    source = open_source(DataConfig(tfrecords=section))
    found = {split: [s for s in source.shards if s.split == split] for split in ("train", "eval")}
    assert {split: len(of_split) for split, of_split in found.items()} == {"train": 3, "eval": 1}
    for of_split in found.values():
        assert [label for shard in of_split for label in shard.labels()] == list(range(10))


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
