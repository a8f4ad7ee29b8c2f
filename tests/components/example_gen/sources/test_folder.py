"""`data.folder`: shards, records and fingerprints of a folder of files."""

import io
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from components.errors import UserError
from components.example_gen.config import DataConfig, ScreenConfig, SplitsConfig
from components.example_gen.sources import folder as folder_source
from components.example_gen.sources.folder_shard import FolderShard
from components.example_gen.sources.image_files import list_images
from components.example_gen.sources.shard import first_records
from components.example_gen.sources.source import open_source
from components.example_gen.sources.stored import parsed
from components.storage import as_path
from pipeline.inputs.code import ROOT
from tests import slicing
from tests.components.example_gen.trees import write_classes, write_tree


@pytest.fixture
def birds(tmp_path):
    """40 files in three classes."""
    return write_classes(tmp_path / "birds", {"owl": 20, "robin": 12, "wren": 8})


def data(root, **more):
    splits = {key: more.pop(key) for key in ("train", "eval", "test") if key in more}
    return DataConfig(folder=str(root), splits=SplitsConfig(**splits), **more)


def stored(source, split):
    return [record for shard in source.shards if shard.split == split for record in shard.records()]


def image_and_label(record):
    features = parsed(record).features.feature
    assert sorted(features) == ["image", "label"]
    (image,), (label,) = features["image"].bytes_list.value, features["label"].int64_list.value
    return image, label


def test_every_file_is_a_record_of_its_class(birds):
    source = open_source(data(birds))
    assert source.full_name == "folder/birds"
    assert source.data_dir == str(birds)
    assert source.class_names == ("owl", "robin", "wren")
    assert source.features == ("label",)
    assert (source.num_examples("train"), source.num_examples("eval")) == (34, 6)
    found = stored(source, "train") + stored(source, "eval")
    assert len({record.source for record in found}) == 40
    for record in found:
        assert (record.error, record.size_bytes) == ("", 0)
        image, label = image_and_label(record.record)
        assert image == (birds / record.source).read_bytes()
        assert source.class_names[label] == record.source.split("/")[0]


def test_a_split_of_the_folder_is_named_as_its_folder(tmp_path):
    root = write_tree(tmp_path, "train/a/1", "train/b/1", "val/a/2", "val/b/2", "val/b/3")
    source = open_source(data(root, train="train", eval="val"))
    assert {record.source for record in stored(source, "eval")} == {"val/a/2", "val/b/2", "val/b/3"}
    with pytest.raises(UserError) as error:
        open_source(data(root, train="train", eval="test"))
    text = str(error.value)
    assert "data.splits.eval 'test': Unknown split 'test'" in text
    assert text.endswith(f"folder/{root.name} has: train, val.")


@pytest.mark.parametrize("split", ["two words", "caf\udce9", "held-out"])
def test_splits_and_files_of_any_name_are_read(tmp_path, split):
    root = write_tree(tmp_path, "train/a/1", f"{split}/a/\udce9.png")
    shown = split.replace("\udce9", "\\xe9")
    source = open_source(data(root, train="train", eval=shown))
    assert [record.source for record in stored(source, "eval")] == [f"{split}/a/\udce9.png"]
    train, judged = source.split_fingerprints.values()
    assert train != judged


@settings(max_examples=50)
@given(
    st.integers(7, 60).flatmap(
        lambda n: st.tuples(st.just(n), slicing.partitions(n), st.integers(1, 9))
    )
)
def test_no_file_is_lost_or_in_two_splits_whatever_the_slices(tmp_path_factory, drawn):
    count, slices, most = drawn
    root = tmp_path_factory.getbasetemp() / f"of {count} files"
    if not root.exists():
        write_classes(root, {"a": count // 2, "b": count - count // 2})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder_source, "RECORDS", most)
        source = open_source(data(root, **slices))
    found = {split: [record.source for record in stored(source, split)] for split in slices}
    everything = [name for names in found.values() for name in names]
    assert sorted(everything) == sorted(file.name for file in list_images(root).splits["train"])
    assert all(len(names) == source.num_examples(split) for split, names in found.items())
    assert all(shard.take <= most for shard in source.shards)


@settings(max_examples=50)
@given(slicing.slices(40))
def test_a_slice_holds_the_files_that_it_names_in_their_order(tmp_path_factory, drawn):
    slice_, expected = drawn
    root = tmp_path_factory.getbasetemp() / "sliced"
    if not root.exists():
        write_classes(root / "train", {"a": 25, "b": 15})
        write_classes(root / "held out", {"a": 1, "b": 1})
        write_classes(root / "val", {"a": 1, "b": 1})
    if not expected:
        with pytest.raises(UserError, match="selects no record"):
            open_source(data(root, train=slice_, eval="val"))
        return
    order = [file.name for file in list_images(root).splits["train"]]
    source = open_source(data(root, train=slice_, eval="val"))
    assert [record.source for record in stored(source, "train")] == [order[at] for at in expected]


def test_shards_hold_about_as_many_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_source, "BYTES", 1000)
    names = [f"a/{number}" for number in range(30)] + [f"b/{number}" for number in range(30)]
    root = write_tree(tmp_path, *names, content=bytes(100))
    write_tree(tmp_path, "a/large", content=bytes(5000))
    source = open_source(data(root, train="train[:-1]", eval="train[-1:]"))
    train = [shard for shard in source.shards if shard.split == "train"]
    sizes = [sum((root / name).stat().st_size for name in shard.names) for shard in train]
    assert all(size <= 1000 for shard, size in zip(train, sizes, strict=True) if shard.take > 1)
    assert 6 <= len(train) <= 9
    assert [(shard.index, shard.count) for shard in train] == [
        (n, len(train)) for n in range(len(train))
    ]


def test_a_shard_is_read_where_the_folder_was_never_listed(birds):
    (shard, *_) = open_source(data(birds)).shards
    again = pickle.loads(pickle.dumps(shard))
    assert list(again.records()) == list(shard.records())
    assert list(again.labels()) == list(again.classes)
    drawn = replace(again, drawn=(1, 4))
    assert [r.source for r in drawn.records()] == [again.names[1], again.names[4]]
    # As the draw reads them, whatever is taken later.
    assert list(drawn.labels()) == list(again.classes)


def test_a_file_that_cannot_be_read_is_told_in_its_record(birds):
    source = open_source(data(birds, train="train[:-1]", eval="train[-1:]"))
    gone, folder, link, pipe = [record.source for record in stored(source, "train")][:4]
    for name in (gone, folder, link, pipe):
        (birds / name).unlink()
    (birds / folder).mkdir()
    (birds / link).symlink_to("nowhere")
    os.mkfifo(birds / pipe)
    found = {record.source: record for record in stored(source, "train")}
    assert len(found) == 39
    errors = {name: record.error for name, record in found.items() if record.error}
    assert errors == {
        gone: "No such file or directory",
        link: "No such file or directory",
        folder: "It is not a regular file",
        pipe: "It is not a regular file",
    }
    for name in errors:
        image, label = image_and_label(found[name].record)
        assert image == b""
        assert source.class_names[label] == name.split("/")[0]


def test_of_a_large_file_no_more_is_read_than_the_limit_and_a_byte(tmp_path):
    root = write_tree(tmp_path, "a/small", "b/exact", content=bytes(100))
    with (root / "a" / "large").open("wb") as sparse:
        sparse.truncate(3_000_000_000)
    config = data(root, train="train[:-1]", eval="train[-1:]", screen=ScreenConfig(max_bytes=100))
    source = open_source(config)
    found = stored(source, "train") + stored(source, "eval")
    sizes = {r.source: (len(image_and_label(r.record)[0]), r.size_bytes) for r in found}
    assert sizes == {"a/small": (100, 0), "b/exact": (100, 0), "a/large": (101, 3_000_000_000)}


def test_the_fingerprint_sees_what_changes(birds):
    def prints(**more):
        return open_source(data(birds, **more)).split_fingerprints

    before = prints()
    assert prints() == before
    os.rename(birds, birds.with_name("moved"))
    birds.with_name("moved").rename(birds)
    assert prints() == before
    shown = [record.source for record in stored(open_source(data(birds)), "train")]
    path = birds / shown[0]
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    touched = prints()
    assert touched["train"] != before["train"]
    assert touched["eval"] == before["eval"]
    (birds / "zebra finch").mkdir()
    numbered = prints()
    assert numbered["train"] != touched["train"]
    assert numbered["eval"] != touched["eval"]


def test_the_screens_limits_are_part_of_the_fingerprint(birds):
    limited = data(birds, screen=ScreenConfig(max_pixels=1000))
    before, after = open_source(data(birds)), open_source(limited)
    assert all(
        before.split_fingerprints[split] != after.split_fingerprints[split]
        for split in ("train", "eval")
    )


def test_new_files_of_another_split_leave_the_evals_fingerprint(tmp_path):
    root = write_tree(tmp_path, "train/a/1", "train/b/1", "val/a/1", "val/b/1")
    config = data(root, train="train", eval="val")
    before = open_source(config).split_fingerprints
    write_tree(root, "train/a/2")
    after = open_source(config).split_fingerprints
    assert before["train"] != after["train"]
    assert before["eval"] == after["eval"]


def photo(width, height):
    out = io.BytesIO()
    Image.new("RGB", (width, height)).save(out, "JPEG")
    return out.getvalue()


LOOK = """
import sys
from components.example_gen.config import DataConfig
from components.example_gen.sources.source import open_source
source = open_source(DataConfig.model_validate_json(sys.argv[1]))
print(source.image_size, source.num_examples("train"))
assert not {"tensorflow", "apache_beam", "tfx"} & set(sys.modules)
"""


def test_the_images_size_is_told_without_tensorflow(tmp_path):
    for number, size in enumerate([(30, 20), (50, 40), (70, 10)] * 3):
        write_tree(tmp_path, f"{'ab'[number % 2]}/{number}", content=photo(*size))
    write_tree(tmp_path, "a/junk", content=b"junk")
    config = data(tmp_path, train="train[:-1]", eval="train[-1:]")
    ran = subprocess.run(
        [sys.executable, "-c", LOOK, config.model_dump_json()],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.strip() in {"(20, 50) 9", "(15, 50) 9", "(20, 40) 9"}
    assert len(list(first_records(open_source(config).shards, 5))) == 5


def test_without_a_readable_image_the_key_is_named(birds):
    with pytest.raises(UserError, match=r"data\.folder folder/birds: none of the first 64"):
        _ = open_source(data(birds)).image_size


def test_a_folder_in_an_object_store_is_read_too(store):
    for number in range(8):
        path = as_path(f"{store}/birds/{'ab'[number % 2]}/{number}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number * 100)
    config = data(f"{store}/birds", train="train[:6]", eval="train[6:]")
    source = open_source(config.model_copy(update={"screen": ScreenConfig(max_bytes=99)}))
    assert source.data_dir == f"{store}/birds"
    assert source.full_name == "folder/birds"
    found = stored(source, "train") + stored(source, "eval")
    assert {r.source for r in found} == {f"{'ab'[n % 2]}/{n}.jpg" for n in range(8)}
    assert {(len(image_and_label(r.record)[0]), r.size_bytes, r.error) for r in found} == {
        (100, 100, "")
    }
    as_path(f"{store}/birds/{found[0].source}").write_bytes(bytes(200))
    as_path(f"{store}/birds/{found[1].source}").unlink()
    first, second, *_ = stored(source, "train")
    assert (len(image_and_label(first.record)[0]), first.size_bytes) == (100, 200)
    assert second.error
    assert open_source(config).fingerprint != source.fingerprint


def test_a_file_that_grows_while_it_is_read_is_read_whole():
    """The kernel's files say that they are empty."""
    path = Path("/proc/self/cmdline")
    assert path.stat().st_size == 0
    shard = FolderShard("train", 0, 1, "/proc/self", 0, 1, names=("cmdline",), limit_bytes=100_000)
    (stored,) = shard.images()
    assert stored.image == path.read_bytes() != b""
    (cut,) = replace(shard, limit_bytes=4).images()
    assert len(cut.image) == 5
