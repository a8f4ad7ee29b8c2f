"""Data sets found, prepared, checked and fingerprinted, through tfds itself."""

import json
import os
import socket
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from components.errors import UserError
from components.example_gen.config import DataConfig, ScreenConfig, SplitsConfig
from components.example_gen.records import stored_records
from components.example_gen.source import open_source
from tests import slicing
from tests.components.example_gen.conftest import prepare_digits


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
        "digits/1.0.0. Write them without overlap."
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


def test_a_data_set_without_classes_is_refused(tmp_path):
    import numpy as np
    import tensorflow_datasets as tfds

    class BoxesOnly(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {"image": tfds.features.Image(shape=(2, 2, 3)), "size": np.int64}
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield 0, {"image": np.zeros((2, 2, 3), np.uint8), "size": 3}

    with pytest.raises(UserError, match="feature 'label' of type ClassLabel"):
        open_source(data(tmp_path, name="boxes_only"))


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
    monkeypatch.setattr("components.example_gen.tfds_source._reachable", lambda address: True)
    with pytest.raises(UserError, match=r"imagenet2012.*could not be prepared.*[Mm]anual"):
        open_source(data(tmp_path, name="imagenet2012"))


def test_the_fingerprint_stays_while_nothing_changes(tfds_dir):
    assert open_source(data(tfds_dir)).fingerprint == open_source(data(tfds_dir)).fingerprint


def test_the_fingerprint_sees_the_slices(tfds_dir):
    other = open_source(data(tfds_dir, train="train[:80%]"))
    assert other.fingerprint != open_source(data(tfds_dir)).fingerprint


def test_the_fingerprint_sees_data_written_anew_in_place(tmp_path):
    before = open_source(data(tmp_path)).fingerprint
    record = next((tmp_path / "digits" / "1.0.0").glob("*.tfrecord*"))
    stat = record.stat()
    record.write_bytes(record.read_bytes())
    # The same bytes, a hundredth of a second later.
    os.utime(record, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10_000_000))
    assert open_source(data(tmp_path)).fingerprint != before


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
    found = [r.record for shard in source.shards for r in stored_records(shard)]
    assert found == whole


def test_a_missing_record_file_is_named(tmp_path):
    open_source(data(tmp_path))
    next((tmp_path / "digits" / "1.0.0").glob("*.tfrecord*")).unlink()
    with pytest.raises(UserError, match="is missing although"):
        open_source(data(tmp_path))


def test_metadata_counts_are_the_builders(tfds_dir):
    info = json.loads((tfds_dir / "digits" / "1.0.0" / "dataset_info.json").read_text())
    assert sum(int(n) for n in info["splits"][0]["shardLengths"]) == 1797
