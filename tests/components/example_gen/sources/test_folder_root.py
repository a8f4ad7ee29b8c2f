"""What is given as a folder and is something around it, or beside it."""

import shlex
import shutil
import subprocess

import pytest

from components.errors import UserError
from components.example_gen.config import DataConfig, SplitsConfig
from components.example_gen.sources.folder import open_folder
from components.example_gen.sources.folder_root import find_root
from components.example_gen.sources.source import open_source
from tests.components.example_gen.trees import write_classes, write_tree

COUNTS = {"owl": 20, "wren": 20}


def refusal(folder):
    with pytest.raises(UserError) as error:
        find_root(str(folder))
    return str(error.value)


@pytest.mark.parametrize("around", ["dataset", "a/b", "photos_v1/images"])
def test_a_folder_around_the_classes_is_seen_through_and_said(tmp_path, around):
    root = tmp_path / "photos"
    write_classes(root / around, COUNTS)
    write_tree(root, "readme.txt", ".DS_Store")
    inner = open_source(DataConfig(folder=str(root / around)))
    outer = open_source(DataConfig(folder=str(root)))
    assert outer.fingerprint == inner.fingerprint
    assert outer.data_dir == inner.data_dir == str(root / around)
    assert "alone: its folders are the classes or splits." in outer.notes[0]
    # As the executor opens it, with the slices that are settled.
    splits = SplitsConfig(**outer.slices)
    assert open_source(DataConfig(folder=str(root), splits=splits)).fingerprint == outer.fingerprint


def test_a_folder_around_splits_is_seen_through(tmp_path):
    for split in ("train", "val"):
        write_classes(tmp_path / "photos" / "data" / split, COUNTS)
    source = open_source(DataConfig(folder=str(tmp_path / "photos")))
    assert source.slices == {"train": "train", "eval": "val"}


def test_a_folder_that_is_a_split_stays_one(tmp_path):
    write_classes(tmp_path / "photos" / "train", COUNTS)
    assert open_folder(str(tmp_path / "photos"), 1000).data_dir == str(tmp_path / "photos")
    write_classes(tmp_path / "birds" / "mine", COUNTS)
    splits = SplitsConfig(train="mine[:80%]", eval="mine[80%:]")
    source = open_source(DataConfig(folder=str(tmp_path / "birds"), splits=splits))
    assert source.data_dir == str(tmp_path / "birds")


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar"])
def test_the_command_that_unpacks_an_archive_works_as_typed(tmp_path, kind):
    write_classes(tmp_path / "my photos", COUNTS)
    archive = shutil.make_archive(str(tmp_path / "packed up"), kind, tmp_path, "my photos")
    text = refusal(archive)
    command = text.partition("Unpack it: ")[2].partition("; then give")[0]
    subprocess.run(command, shell=True, check=True)
    folder = shlex.split(command)[-1]
    assert text.endswith(f"then give the folder {folder}.")
    assert open_folder(folder, 1000).splits["train"].num_examples == 40


@pytest.mark.parametrize(
    ("names", "offered"),
    [
        (("a.jpg", "labels.csv"), "labels.csv"),
        (("images/a.jpg", "images/b.jpg", "train.csv"), "train.csv"),
        (("train/a.jpg", "test/b.jpg", "all.jsonl"), "all.jsonl"),
        (
            ("train/a.jpg", "train/metadata.csv", "test/b.jpg", "test/metadata.csv"),
            "*/metadata.csv",
        ),
        (("train/a.jpg", "train/metadata.jsonl"), "train/metadata.jsonl"),
    ],
)
def test_labels_in_a_table_beside_flat_images_are_offered(tmp_path, names, offered):
    write_tree(tmp_path, *names)
    text = refusal(tmp_path)
    assert "data.table" in text
    assert shlex.split(text)[-3:] == ["run", "--table", f"{tmp_path}/{offered}"]


def test_a_table_beside_the_folder_of_flat_images_is_offered(tmp_path):
    write_tree(tmp_path, "images/a.jpg", "labels.csv")
    assert shlex.split(refusal(tmp_path / "images"))[-1] == f"{tmp_path}/labels.csv"


def test_a_table_in_place_of_a_folder_is_told(tmp_path):
    write_tree(tmp_path, "labels.csv")
    assert "Give it as data.table" in refusal(tmp_path / "labels.csv")


def test_a_table_above_class_folders_is_a_note(tmp_path):
    write_classes(tmp_path, COUNTS)
    write_tree(tmp_path, "labels.csv")
    data = open_folder(str(tmp_path), 1000)
    assert data.class_names == ("owl", "wren")
    assert "beside the class folders (labels.csv)" in data.notes[0]


def test_a_table_beside_the_class_folders_of_a_split_is_a_note(tmp_path):
    for split in ("train", "test"):
        write_classes(tmp_path / split, COUNTS)
        write_tree(tmp_path / split, "metadata.csv", ".DS_Store")
    source = open_source(DataConfig(folder=str(tmp_path)))
    assert source.slices == {"train": "train", "eval": "test"}
    assert "train/metadata.csv" in source.notes[0]
