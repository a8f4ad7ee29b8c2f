"""Data sets found, prepared, checked and fingerprinted, through tfds itself."""

import json
import os
import socket
import subprocess
import sys
import time
import types

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from components.errors import UserError
from components.example_gen.config import DataConfig, ScreenConfig, SplitsConfig
from components.example_gen.sources.source import open_source
from components.example_gen.sources.stored import parsed
from components.example_gen.sources.tfrecord_file import tf_records
from pipeline.inputs.code import ROOT
from tests import slicing
from tests.components.example_gen.conftest import prepare_digits
from tests.components.example_gen.sources.test_tfrecord_file import write


def data(tfds_dir, train="train[:85%]", eval_="train[85%:]", name="digits", **more):
    splits = SplitsConfig(train=train, eval=eval_)
    return DataConfig(name=name, data_dir=str(tfds_dir), splits=splits, **more)


def test_digits_is_all_of_scikit_learns_scans(tfds_dir):
    source = open_source(data(tfds_dir))
    assert source.full_name == "digits/1.0.0"
    assert source.class_names == tuple("0123456789")
    assert source.num_examples("train") == 1527
    assert source.num_examples("eval") == 270


def test_digits_holds_the_scans_themselves(tfds_dir):
    import numpy as np
    import tensorflow_datasets as tfds
    from sklearn.datasets import load_digits

    scans = load_digits()
    expected = sorted(
        (int(label), np.round(image * 255 / 16).astype(np.uint8).tobytes())
        for image, label in zip(scans.images, scans.target, strict=True)
    )
    stored = tfds.builder("digits", data_dir=str(tfds_dir)).as_dataset("train", as_supervised=True)
    found = sorted((int(label), image.tobytes()) for image, label in tfds.as_numpy(stored))
    assert found == expected


@pytest.mark.parametrize(
    ("slice_", "count"),
    [
        ("train[1:]", 1796),
        ("train[1:10]", 9),
        ("train[-7:]", 7),
        ("train[10%:20%]", 179),
        ("train[50%:]+train[1%:50%]", 1779),
        ("train[1:5]+train[100:105]+train[-5:]", 14),
        ("train[1:9]+train[9:3]", 8),
    ],
)
def test_slices_are_tfdss_own(tfds_dir, slice_, count):
    source = open_source(data(tfds_dir, train=slice_, eval_="train[:1]"))
    assert source.num_examples("train") == count


@settings(max_examples=20)
@given(slicing.slices(1797))
def test_a_slice_holds_the_records_that_it_names(tfds_dir, drawn):
    slice_, expected = drawn
    if not expected:
        with pytest.raises(UserError, match="selects no record"):
            open_source(data(tfds_dir, eval_=slice_))
        return
    # Alone: with a second split it could share records.
    config = data(tfds_dir).model_copy(update={"splits": Alone(slice_)})
    shards = open_source(config).shards
    found = [at for shard in shards for at in range(shard.skip, shard.skip + shard.take)]
    assert found == expected


class Alone:
    def __init__(self, slice_):
        self._slice = slice_

    def slices(self):
        return {"train": self._slice}


@settings(max_examples=20)
@given(slicing.partitions(1797))
def test_no_record_is_lost_or_in_two_splits_whatever_the_slices(tfds_dir, slices):
    config = DataConfig(name="digits", data_dir=str(tfds_dir), splits=SplitsConfig(**slices))
    source = open_source(config)
    found = [at for shard in source.shards for at in range(shard.skip, shard.skip + shard.take)]
    assert sorted(found) == list(range(1797))
    assert source.split_fingerprints.keys() == slices.keys()


def test_slices_that_share_a_record_are_refused(tfds_dir):
    with pytest.raises(UserError) as error:
        open_source(data(tfds_dir, eval_="train[80%:]"))
    assert str(error.value) == (
        "data.splits.train 'train[:85%]' and data.splits.eval 'train[80%:]' share 89 records of "
        "digits/1.0.0. Change them so that they do not overlap."
    )
    splits = SplitsConfig(test="train[:1]")
    with pytest.raises(UserError, match=r"data\.splits\.test 'train\[:1\]' share 1 record"):
        open_source(data(tfds_dir).model_copy(update={"splits": splits}))


@pytest.mark.parametrize(
    ("slice_", "words"),
    [
        ("test", "Unknown split"),
        ("train[", "Error parsing split"),
        ("train[:110%]", "Error parsing split"),
        ("train[5:5]", "selects no record"),
        ("train[5:4]", "selects no record"),
        ("train[:0%]", "selects no record"),
    ],
)
def test_a_wrong_or_empty_slice_is_named(tfds_dir, slice_, words):
    with pytest.raises(UserError, match=words) as error:
        open_source(data(tfds_dir, eval_=slice_))
    assert "data.splits.eval" in str(error.value)
    assert "digits/1.0.0" in str(error.value)


def test_an_unknown_name_suggests_one_that_is_known(tfds_dir):
    with pytest.raises(UserError, match="no data set tf_flower; did you mean tf_flowers"):
        open_source(data(tfds_dir, name="tf_flower"))


def test_an_unknown_version_or_config_is_refused(tfds_dir):
    with pytest.raises(UserError, match="digits"):
        open_source(data(tfds_dir, version="9.9.9"))
    with pytest.raises(UserError, match="beans/nope"):
        open_source(data(tfds_dir, name="beans/nope"))


@pytest.mark.parametrize("name", ["mnist/no_such=1", "Foo Bar", "beans/", "huggingface:x"])
def test_a_name_that_tfds_cannot_take_is_refused(tfds_dir, name):
    with pytest.raises(UserError, match=rf"^data\.name {name}: "):
        open_source(data(tfds_dir, name=name))


def test_a_mistake_in_our_builder_is_not_the_users(tmp_path, monkeypatch):
    scans = types.SimpleNamespace(images=None, target=None)
    monkeypatch.setattr("sklearn.datasets.load_digits", lambda: scans)
    with pytest.raises(TypeError, match="NoneType"):
        open_source(data(tmp_path))


def test_a_mistake_in_our_call_is_not_the_users(tfds_dir, monkeypatch):
    monkeypatch.setattr("tensorflow_datasets.builder", lambda: None)
    with pytest.raises(TypeError, match=r"unexpected keyword|positional"):
        open_source(data(tfds_dir))


def test_a_disk_that_is_too_small_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "tensorflow_datasets.core.utils.has_sufficient_disk_space", lambda *_, **__: False
    )
    with pytest.raises(UserError, match=r"could not be prepared in .*: Not enough disk space"):
        open_source(data(tmp_path))


def test_what_cannot_be_downloaded_fails_at_once_with_what_to_do(tmp_path, monkeypatch):
    def unreachable(address, timeout):
        raise OSError("no network in tests")

    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "create_connection", unreachable)
    started = time.monotonic()
    with pytest.raises(UserError, match=r"download\.tensorflow\.org cannot be reached") as error:
        open_source(data(tmp_path, name="tf_flowers"))
    assert time.monotonic() - started < 10
    assert "tfds build tf_flowers" in str(error.value)
    assert not (tmp_path / "tf_flowers").exists()


def test_what_must_be_fetched_by_hand_says_how(tmp_path, monkeypatch):
    monkeypatch.setattr("components.example_gen.sources.tfds._reachable", lambda address: True)
    with pytest.raises(UserError, match=r"imagenet2012.*could not be prepared.*[Mm]anual"):
        open_source(data(tmp_path, name="imagenet2012"))


def test_the_fingerprint_stays_while_nothing_changes(tfds_dir):
    assert open_source(data(tfds_dir)).fingerprint == open_source(data(tfds_dir)).fingerprint


def test_the_fingerprint_sees_the_slices(tfds_dir):
    other = open_source(data(tfds_dir, train="train[:80%]"))
    assert other.fingerprint != open_source(data(tfds_dir)).fingerprint


def test_the_fingerprint_sees_other_values_of_the_same_size_and_time(tmp_path):
    before = open_source(data(tmp_path)).split_fingerprints
    path = next((tmp_path / "digits" / "1.0.0").glob("*.tfrecord*"))
    stat = path.stat()
    records = list(tf_records(str(path)))
    example = parsed(records[0])
    label = example.features.feature["label"].int64_list
    label.value[0] = (label.value[0] + 1) % 10
    write(path, [example.SerializeToString(), *records[1:]])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    after = open_source(data(tmp_path)).split_fingerprints
    assert after["train"] != before["train"]
    assert after["eval"] == before["eval"]


@pytest.mark.slow
def test_the_same_data_prepared_in_another_environment_are_the_same_data(tmp_path):
    """Each process of tfds writes a record's features in another order, at another time."""
    found = {}
    for seed in ("1", "2"):
        ran = subprocess.run(
            [sys.executable, "-c", PREPARE, data(tmp_path / seed).model_dump_json()],
            cwd=ROOT, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC+{seed}"},
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr[-2000:]
        path = next((tmp_path / seed / "digits" / "1.0.0").glob("*.tfrecord*"))
        found[path.read_bytes(), path.stat().st_mtime_ns] = ran.stdout.splitlines()[-1]
    assert len(found) == 2
    assert len(set(found.values())) == 1


def test_features_in_another_order_are_the_same_data(tmp_path):
    before = open_source(data(tmp_path)).fingerprint
    path = next((tmp_path / "digits" / "1.0.0").glob("*.tfrecord*"))
    turned = [with_features_turned(record) for record in tf_records(str(path))]
    assert turned != list(tf_records(str(path)))
    assert [parsed(one) for one in turned] == [parsed(one) for one in tf_records(str(path))]
    write(path, turned)
    assert open_source(data(tmp_path)).fingerprint == before


def with_features_turned(record):
    """A tf.Example of two features with each before the other."""
    (outer,) = fields(record)
    return field(b"".join(field(content) for content in reversed(fields(outer))))


def fields(message):
    """The contents of the fields of a message, of which all are number 1 and have a length."""
    found, at = [], 0
    while at < len(message):
        assert message[at] == 0x0A
        length, shift, at = 0, 0, at + 1
        while True:
            byte, at = message[at], at + 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        found.append(message[at : at + length])
        at += length
    return found


def field(content):
    length, out = len(content), b"\x0a"
    while length >= 0x80:
        out += bytes([length & 0x7F | 0x80])
        length >>= 7
    return out + bytes([length]) + content


def test_large_data_are_identified_by_size_and_time_and_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("components.example_gen.sources.tfds._READ_RECORDS", 100)
    before = open_source(data(tmp_path)).fingerprint
    record = next((tmp_path / "digits" / "1.0.0").glob("*.tfrecord*"))
    stat = record.stat()
    os.utime(record, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10_000_000))
    assert open_source(data(tmp_path)).fingerprint != before


PREPARE = """
import sys
from components.example_gen.config import DataConfig
from components.example_gen.sources.source import open_source
print(open_source(DataConfig.model_validate_json(sys.argv[1])).fingerprint)
"""


def test_the_fingerprint_sees_class_names(tmp_path):
    before = open_source(data(tmp_path)).fingerprint
    labels = tmp_path / "digits" / "1.0.0" / "label.labels.txt"
    labels.write_text(labels.read_text().replace("7", "seven"))
    assert open_source(data(tmp_path)).fingerprint != before


def test_a_draw_changes_the_fingerprint_of_the_train_split_alone(tfds_dir):
    whole, five, six, other = (
        open_source(data(tfds_dir, **draw))
        for draw in (
            {},
            {"examples_per_class": 5},
            {"examples_per_class": 6},
            {"examples_per_class": 5, "examples_seed": 43},
        )
    )
    for key in (
        lambda source: source.fingerprint,
        lambda source: source.split_fingerprints["train"],
    ):
        assert len({key(source) for source in (whole, five, six, other)}) == 4
    assert {source.split_fingerprints["eval"] for source in (whole, five, six, other)} == {
        whole.split_fingerprints["eval"]
    }
    # Without a draw its seed decides nothing.
    assert open_source(data(tfds_dir, examples_seed=43)).fingerprint == whole.fingerprint
    again = open_source(data(tfds_dir, examples_per_class=5))
    assert again.fingerprint == five.fingerprint


def test_a_draw_is_counted_without_reading_the_data(tmp_path):
    open_source(data(tmp_path))
    next((tmp_path / "digits" / "1.0.0").glob("*.tfrecord*")).write_bytes(b"no record")
    source = open_source(data(tmp_path, examples_per_class=7))
    assert source.num_examples("train") == 70
    assert source.num_examples("eval") == 270


def test_a_slice_that_overlaps_itself_is_refused_for_a_draw(tfds_dir):
    slice_ = "train[1%:50%]+train[40%:60%]"
    assert open_source(data(tfds_dir, train=slice_)).num_examples("train") == 1239
    with pytest.raises(UserError, match=r"data\.splits\.train .* takes some records twice"):
        open_source(data(tfds_dir, train=slice_, examples_per_class=1))
    open_source(data(tfds_dir, train="train[50%:85%]+train[:50%]", examples_per_class=1))


@pytest.mark.parametrize("key", [{"examples_per_class": 0}, {"examples_seed": -1}])
def test_a_draw_of_nothing_and_a_negative_seed_are_refused(tfds_dir, key):
    with pytest.raises(ValueError, match="greater than or equal to"):
        data(tfds_dir, **key)


def test_the_screens_limits_are_part_of_the_fingerprint(tfds_dir):
    limited = open_source(data(tfds_dir, screen=ScreenConfig(max_bytes=1000)))
    whole = open_source(data(tfds_dir))
    for split in ("train", "eval"):
        assert limited.split_fingerprints[split] != whole.split_fingerprints[split]


@pytest.mark.parametrize(("file_format", "lost"), [("parquet", True), ("array_record", False)])
def test_records_that_tfds_lost_when_it_wrote_parquet_are_missed(tmp_path, file_format, lost):
    """tfds 4.9.10 writes 500 of the 1,797 and says nothing."""
    prepare_digits(tmp_path, file_format)
    if not lost:
        assert open_source(data(tmp_path)).num_examples("train") == 1527
        return
    with pytest.raises(UserError, match=r"holds 500 records, and the data set says 1,797\. tfds"):
        open_source(data(tmp_path))


def test_parquet_that_is_whole_is_read(tmp_path):
    prepare_digits(tmp_path, "parquet")
    path = next((tmp_path / "digits" / "1.0.0").glob("*.parquet*"))
    whole = [b"%d" % number for number in range(1797)]
    pq.write_table(pa.table({"data": pa.array(whole, pa.binary())}), path)
    source = open_source(data(tmp_path))
    found = [r.record for shard in source.shards for r in shard.records()]
    assert found == whole


def test_a_missing_record_file_is_named(tmp_path):
    open_source(data(tmp_path))
    next((tmp_path / "digits" / "1.0.0").glob("*.tfrecord*")).unlink()
    with pytest.raises(UserError, match="is missing although"):
        open_source(data(tmp_path))


def test_metadata_counts_are_the_builders(tfds_dir):
    info = json.loads((tfds_dir / "digits" / "1.0.0" / "dataset_info.json").read_text())
    assert sum(int(n) for n in info["splits"][0]["shardLengths"]) == 1797
