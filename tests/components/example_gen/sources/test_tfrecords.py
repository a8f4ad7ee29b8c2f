"""`data.tfrecords`: files of tf.Examples that were there before."""

import gzip
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import given, settings

from components.errors import UserError
from components.example_gen.config import (
    DataConfig,
    ScreenConfig,
    SplitsConfig,
    TfRecordsConfig,
)
from components.example_gen.screening import screen_record
from components.example_gen.sources.shard import first_records
from components.example_gen.sources.source import open_source
from components.example_gen.sources.stored import parsed
from pipeline.inputs.code import ROOT
from tests import slicing
from tests.components.example_gen.sources.test_folder import LOOK, photo, stored
from tests.components.example_gen.sources.test_tfrecord_file import write


def example(**features):
    """A serialized tf.Example; a feature is a list of bytes, ints or floats."""
    made = tf.train.Example()
    for name, values in features.items():
        feature = made.features.feature[name.replace("__", "/")]
        kinds = {bytes: feature.bytes_list, int: feature.int64_list, float: feature.float_list}
        kinds[type(values[0])].value.extend(values)
    return made.SerializeToString(deterministic=True)


def numbered(number):
    return example(image=[b"image %d" % number], label=[number % 3], size=[number], tags=[1, 2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """30 records of `train` in four files, one packed and one empty; 5 of `validation`."""
    folder = tmp_path_factory.mktemp("records") / "birds"
    folder.mkdir()
    write(folder / "train-0.tfrecord", map(numbered, range(12)))
    write(folder / "train-1.tfrecord", map(numbered, range(12, 19)), "GZIP")
    write(folder / "train-2.tfrecord", [])
    write(folder / "train-3.tfrecord", map(numbered, range(19, 30)))
    write(folder / "validation.gz", map(numbered, range(30, 35)))
    return folder


def data(folder, train="train", eval_="validation", files=None, **more):
    section = {
        "files": files or {"train": f"{folder}/train-*", "validation": f"{folder}/validation.gz"},
        "class_names": ("owl", "robin", "wren"),
    }
    keys = {key: more.pop(key) for key in list(more) if key in TfRecordsConfig.model_fields}
    splits = more.pop("splits", SplitsConfig(train=train, eval=eval_))
    return DataConfig(tfrecords=TfRecordsConfig(**{**section, **keys}), splits=splits, **more)


def test_records_are_as_they_were_in_the_order_of_the_files(folder):
    source = open_source(data(folder))
    assert source.full_name == "tfrecords/birds"
    assert source.data_dir == str(folder)
    assert source.class_names == ("owl", "robin", "wren")
    assert source.features == ("label", "size")
    assert (source.num_examples("train"), source.num_examples("eval")) == (30, 5)
    assert [r.record for r in stored(source, "train")] == [numbered(n) for n in range(30)]
    assert [r.record for r in stored(source, "eval")] == [numbered(n) for n in range(30, 35)]
    names = [record.source for record in stored(source, "train")]
    assert names[11:13] == ["train-0.tfrecord#11", "train-1.tfrecord#0"]
    assert [(s.index, s.count, s.take) for s in source.shards if s.split == "train"] == [
        (0, 3, 12),
        (1, 3, 7),
        (2, 3, 11),
    ]


@settings(max_examples=40)
@given(slicing.slices(30))
def test_a_slice_holds_the_records_that_it_names_in_their_order(folder, drawn):
    slice_, expected = drawn
    if not expected:
        with pytest.raises(UserError, match="selects no record"):
            open_source(data(folder, slice_))
        return
    source = open_source(data(folder, slice_))
    assert [r.record for r in stored(source, "train")] == [numbered(n) for n in expected]
    assert source.num_examples("train") == len(expected)


@settings(max_examples=40)
@given(slicing.partitions(30))
def test_no_record_is_lost_or_in_two_splits_whatever_the_slices(folder, slices):
    source = open_source(data(folder, splits=SplitsConfig(**slices)))
    found = [r.record for split in slices for r in stored(source, split)]
    assert sorted(found) == sorted(numbered(n) for n in range(30))
    assert all(len(stored(source, split)) == source.num_examples(split) for split in slices)


def test_labels_and_drawn_records(folder):
    for shard in open_source(data(folder, "train[5:25]")).shards:
        everything = list(shard.records())
        labels = [
            parsed(r.record).features.feature["label"].int64_list.value[0] for r in everything
        ]
        drawn = replace(shard, drawn=(0, shard.take - 1))
        assert list(drawn.records()) == [everything[0], everything[-1]]
        assert list(shard.labels()) == list(drawn.labels()) == labels


def ours(tmp_path, *records, **keys):
    """The records as they reach the screen."""
    path = write(tmp_path / "file", [*records, numbered(0)])
    files = {"train": path}
    found = open_source(data(tmp_path, "train[:-1]", "train[-1:]", files, **keys))
    return [parsed(r.record) and parsed(r.record).features.feature for r in stored(found, "train")]


def test_features_of_other_names_are_renamed_and_the_rest_is_kept(tmp_path):
    (features,) = ours(
        tmp_path,
        example(image__encoded=[b"I"], image__class=[2], label=[b"text"], size=[7]),
        image_feature="image/encoded",
        label_feature="image/class",
    )
    assert sorted(features) == ["image", "label", "size"]
    assert features["image"].bytes_list.value == [b"I"]
    assert features["label"].int64_list.value == [2]
    assert features["size"].int64_list.value == [7]


def test_two_features_that_have_each_others_names_are_exchanged(tmp_path):
    keys = {"image_feature": "label", "label_feature": "image"}
    (features,) = ours(tmp_path, example(label=[b"I"], image=[1]), **keys)
    assert features["image"].bytes_list.value == [b"I"]
    assert features["label"].int64_list.value == [1]


def test_a_label_that_is_text_becomes_its_number(tmp_path):
    texts = [b"wren", b"owl", b"penguin", b"\xff"]
    found = ours(tmp_path, *(example(image=[b"I"], label=[text]) for text in texts))
    assert [f["label"].int64_list.value[0] for f in found] == [2, 0, -1, -1]
    assert all(f["image"].bytes_list.value == [b"I"] for f in found)
    keys = {"label_feature": "name"}
    (features,) = ours(tmp_path, example(image=[b"I"], name=[b"robin"], label=[9]), **keys)
    assert sorted(features) == ["image", "label"]
    assert features["label"].int64_list.value == [1]


def test_what_is_no_example_of_ours_reaches_the_screen(tmp_path):
    records = [b"\xff junk", example(size=[1]), example(image=[b"a", b"b"], label=[b"owl", b"x"])]
    junk, without, double = ours(tmp_path, *records, image_feature="image")
    assert junk is None
    assert sorted(without) == ["size"]
    assert len(double["image"].bytes_list.value) == 2
    assert double["label"].int64_list.value == [0, -1]
    keys = {"image_feature": "picture", "label_feature": "kind"}
    last = example(picture=[b"I"], kind=[1])
    (features, _) = ours(tmp_path, example(image=[b"not this"], label=[1]), last, **keys)
    assert sorted(features) == []


def test_a_record_whose_bytes_changed_is_told_in_it(tmp_path):
    path = write(tmp_path / "file", map(numbered, range(4)))
    content = bytearray(Path(path).read_bytes())
    content[20] ^= 1
    Path(path).write_bytes(content)
    source = open_source(data(tmp_path, "train[:3]", "train[3:]", {"train": path}))
    first, *others = stored(source, "train")
    assert "checksum" in first.error
    assert [other.error for other in others] == ["", ""]
    assert list(source.shards[0].labels()) == [-1, 1, 2]


def test_a_record_whose_bytes_changed_is_set_aside_with_its_image(tmp_path):
    record = example(image__encoded=[b"an image"], image__class=[1])
    path = write(tmp_path / "file", [record, record])
    content = bytearray(Path(path).read_bytes())
    place = content.index(b"an image")
    content[place : place + 2] = b"An"
    Path(path).write_bytes(content)
    keys = {"image_feature": "image/encoded", "label_feature": "image/class"}
    source = open_source(data(tmp_path, "train[:1]", "train[1:]", {"train": path}, **keys))
    found = screen_record(stored(source, "train")[0], ScreenConfig(), 3)
    assert (found.reason, found.image, found.label) == ("unreadable", b"An image", 1)


def test_a_damaged_record_that_is_no_example_is_set_aside_whole(tmp_path):
    path = write(tmp_path / "file", [b"\xff junk", numbered(1)])
    content = bytearray(Path(path).read_bytes())
    content[content.index(b"junk")] ^= 1
    Path(path).write_bytes(content)
    source = open_source(data(tmp_path, "train[:1]", "train[1:]", {"train": path}))
    found = screen_record(stored(source, "train")[0], ScreenConfig(), 3)
    assert (found.reason, found.image) == ("malformed", b"\xff kunk")


def test_a_label_that_is_the_name_of_no_class_is_told(tmp_path):
    path = write(tmp_path / "file", [example(image=[b"I"], label=[b"Robin"]), numbered(1)])
    source = open_source(data(tmp_path, "train[:1]", "train[1:]", {"train": path}))
    found = screen_record(stored(source, "train")[0], ScreenConfig(), 3)
    assert found.reason == "label"
    assert found.detail == "label 'Robin' is none of data.tfrecords.class_names"


def test_a_pipe_among_the_files_is_named(tmp_path):
    os.mkfifo(tmp_path / "train-0")
    with pytest.raises(UserError, match=r"files\.train: .*train-0 is not a regular file"):
        open_source(data(tmp_path, files={"train": f"{tmp_path}/train-*"}))


def test_a_file_whose_name_is_no_pattern_is_found(tmp_path):
    path = write(tmp_path / "train[1]", map(numbered, range(4)))
    source = open_source(data(tmp_path, "train[:3]", "train[3:]", {"train": path}))
    assert source.num_examples("train") == 3


def test_a_damaged_file_is_named_with_the_record(tmp_path):
    path = write(tmp_path / "file", map(numbered, range(9)))
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError) as error:
        open_source(data(tmp_path, files={"train": path}))
    assert str(error.value) == (
        f"data.tfrecords.files.train: {path} is damaged, or not a TFRecord file (plain or gzip): "
        "record 4 is cut off. Write it again."
    )
    Path(path).write_bytes(gzip.compress(whole)[:-20])
    with pytest.raises(UserError, match=r"record \d cannot be unpacked"):
        open_source(data(tmp_path, files={"train": path}))


def test_a_pattern_without_files_is_named(folder):
    files = {"train": f"{folder}/train-*", "validation": f"{folder}/nothing-*"}
    with pytest.raises(UserError, match=r"files\.validation: no file matches .*/nothing-\*"):
        open_source(data(folder, files=files))
    with pytest.raises(UserError, match=r"no file matches"):
        open_source(data(folder, files={"train": str(folder)}))


def test_a_file_of_two_splits_is_refused(folder, tmp_path):
    files = {"train": f"{folder}/*", "validation": f"{folder}/validation.gz"}
    with pytest.raises(UserError, match=r"validation\.gz is in both train and validation"):
        open_source(data(folder, files=files))
    (tmp_path / "again").symlink_to(folder / "train-0.tfrecord")
    files = {"train": f"{folder}/train-*", "validation": f"{tmp_path}/again"}
    with pytest.raises(UserError, match="is in both"):
        open_source(data(folder, files=files))


def test_a_class_that_is_named_twice_is_refused(folder):
    with pytest.raises(UserError, match=r"data\.tfrecords\.class_names: 'b' is given twice"):
        open_source(data(folder, class_names=("a", "b", "b")))


def test_slices_that_share_a_record_are_refused(folder):
    with pytest.raises(UserError, match=r"share 3 records of tfrecords/birds"):
        open_source(data(folder, "train[:18]", "train[15:]"))


def test_the_fingerprint_sees_what_changes(tmp_path):
    def prints(train="train[:6]", **keys):
        files = {"train": f"{tmp_path}/train-*"}
        return open_source(data(tmp_path, train, "train[6:]", files, **keys)).split_fingerprints

    for number in range(3):
        write(tmp_path / f"train-{number}", map(numbered, range(number * 3, number * 3 + 3)))
    before = prints()
    assert prints() == before
    assert prints(class_names=("a", "b", "c"))["eval"] != before["eval"]
    stat = (tmp_path / "train-0").stat()
    os.utime(tmp_path / "train-0", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    touched = prints()
    assert touched["train"] != before["train"]
    assert touched["eval"] == before["eval"]
    # A record more in the first file, and the eval slice begins at another of the last.
    write(tmp_path / "train-0", map(numbered, range(4)))
    moved = prints()
    assert moved["eval"] != before["eval"]


def test_the_images_size_is_told_without_tensorflow(tmp_path):
    write(tmp_path / "train-0", [example(x=[photo(30, 20)], label=[b"owl"])] * 3, "GZIP")
    write(tmp_path / "train-1", [example(x=[photo(50, 60)], label=[b"wren"])] * 4)
    files = {"train": f"{tmp_path}/train-*"}
    config = data(tmp_path, "train[:6]", "train[6:]", files, image_feature="x")
    ran = subprocess.run(
        [sys.executable, "-c", LOOK, config.model_dump_json()],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.strip() == "(40, 40) 6"
    assert len(list(first_records(open_source(config).shards, 5))) == 5


def test_files_in_an_object_store_are_found_and_read(store):
    for number in range(3):
        write(f"{store}/birds/part {number}/train-{number}", map(numbered, range(number, 9)))
    files = {"train": f"{store}/birds/part */train-*"}
    source = open_source(data("", "train[:-2]", "train[-2:]", files))
    assert source.data_dir == f"{store}/birds"
    assert source.full_name == "tfrecords/birds"
    assert source.num_examples("train") == 22
    assert stored(source, "train")[0].record == numbered(0)
    with pytest.raises(UserError, match="no file matches"):
        open_source(data("", files={"train": f"{store}/fish/*"}))
