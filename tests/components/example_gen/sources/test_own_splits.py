"""Which splits a source has by itself, and what is said of images that no split takes."""

import pytest

from components.errors import UserError
from components.example_gen.config import DataConfig, SplitsConfig
from components.example_gen.sources.own_splits import own_slices, role_of
from components.example_gen.sources.slices import runs_of
from components.example_gen.sources.source import open_source
from components.example_gen.sources.unused import unused
from tests.components.example_gen.sources.test_slices import splits
from tests.components.example_gen.trees import write_classes, write_tree


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("train", ["train", "Train", "TRAINING", "train_set", "trainset", "01 Train Images"]),
        ("eval", ["val", "Val", "valid", "validation", "eval", "dev", "val-images", "ValSet"]),
        ("test", ["test", "Testing", "test_data", "TestSet"]),
        (None, ["extra", "training day", "contest", "unlabeled", "retrain", "trains", "set", "10"]),
    ],
)
def test_a_split_is_found_by_its_name_in_any_usual_spelling(role, names):
    assert {name: role_of(name) for name in names} == dict.fromkeys(names, role)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"train": 9, "val": 3}, {"train": "train", "eval": "val"}),
        ({"train": 9, "test": 3}, {"train": "train", "eval": "test"}),
        ({"a": 1, "Train": 9, "test": 3}, {"train": "Train", "eval": "test"}),
        (
            {"train": 9, "validation": 3, "test": 2},
            {"train": "train", "eval": "validation", "test": "test"},
        ),
        ({"train": 9}, {"train": "train[:85%]", "eval": "train[85%:]"}),
        ({"train": 9, "val": 0}, {"train": "train[:85%]", "eval": "train[85%:]"}),
        ({"train": 9, "extra": 3}, {"train": "train[:85%]", "eval": "train[85%:]"}),
    ],
)
def test_a_sources_own_splits(counts, expected):
    found = own_slices(counts, lambda split: True, "folder/birds")
    assert found.slices == expected
    assert bool(found.note) == (expected["train"] in counts)


def test_a_split_without_labels_judges_nothing():
    counts = {"train": 9, "validation": 3, "test": 2}
    found = own_slices(counts, lambda split: split != "test", "imagenet")
    assert found.slices == {"train": "train", "eval": "validation"}
    found = own_slices({"train": 9, "test": 2}, lambda split: False, "imagenet")
    assert found.slices == {"train": "train[:85%]", "eval": "train[85%:]"}


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"val": 2, "test": 3}, "has no split called train; it has: test, val"),
        ({"train": 2, "val": 2, "valid": 3}, "several splits that may be eval: val, valid"),
        ({"train": 2, "training": 2}, "several splits that may be train: train, training"),
    ],
)
def test_what_is_not_clear_is_refused_with_what_to_type(counts, words):
    with pytest.raises(UserError, match=words) as error:
        own_slices(counts, lambda split: True, "folder/birds")
    assert "--set 'data.splits={train: ..., eval: ...}'" in str(error.value)


def photos(tmp_path, **counts):
    for split, count in counts.items():
        write_classes(tmp_path / "photos" / split, {"owl": count, "wren": count})
    return tmp_path / "photos"


def reads(root, slices=None, **more):
    given = SplitsConfig(**slices) if slices else None
    source = open_source(DataConfig(folder=str(root), splits=given, **more))
    return source, {split: source.num_examples(split) for split in source.slices}


@pytest.mark.parametrize("name", ["val", "valid", "Validation", "eval", "DEV", "test"])
def test_a_folders_own_splits_are_used(tmp_path, name):
    source, counts = reads(photos(tmp_path, train=6, **{name: 4}))
    assert counts == {"train": 12, "eval": 8}
    assert source.slices == {"train": "train", "eval": name}
    (note,) = source.notes
    assert f"train reads train (12 images), eval reads {name} (8 images)" in note


def test_val_judges_and_test_is_read_beside_it(tmp_path):
    source, counts = reads(photos(tmp_path, train=6, val=4, test=3, extra=5))
    assert counts == {"train": 12, "eval": 8, "test": 6}
    assert any("set evaluation.split=test to use test" in note for note in source.notes)
    assert "extra of folder/photos is read by no split (10 images)." in source.notes


def test_given_slices_are_taken_as_they_are_and_the_rest_is_said(tmp_path):
    root = photos(tmp_path, train=6, val=4)
    source, counts = reads(root, {"train": "train[:50%]", "eval": "train[50%:]"})
    assert counts == {"train": 6, "eval": 6}
    assert source.notes == ("val of folder/photos is read by no split (8 images).",)


def test_classes_that_are_called_like_splits_are_classes(tmp_path):
    root = write_classes(tmp_path / "vehicles", {"train": 20, "car": 20, "test": 20, "val": 20})
    source, counts = reads(root)
    assert source.class_names == ("car", "test", "train", "val")
    assert source.slices == {"train": "train[:85%]", "eval": "train[85%:]"}
    assert sum(counts.values()) == 80
    assert source.notes == ()


def test_images_that_lie_in_split_folders_without_classes_are_pointed_out(tmp_path):
    root = write_classes(tmp_path / "photos", {"train": 20, "val": 10})
    source, _ = reads(root)
    assert source.class_names == ("train", "val")
    (note,) = source.notes
    assert "The classes of" in note
    assert "/<split>/<class>/*" in note


def test_a_split_of_a_name_outside_of_the_syntax_can_be_cut(tmp_path):
    root = photos(tmp_path, **{"train set": 10})
    write_tree(root, "train set/README.md")
    source, counts = reads(root)
    assert source.slices == {"train": "train set[:85%]", "eval": "train set[85%:]"}
    assert counts == {"train": 17, "eval": 3}


def test_what_of_a_folder_is_not_read_is_said(tmp_path):
    root = photos(tmp_path, train=3, val=2)
    write_tree(root, "README.md", "train/labels.csv", "train/owl/.DS_Store", ".git/x", "empty/")
    source, _ = reads(root)
    assert f"Not read in {root}: 2 beside the class folders (README.md, train/labels.csv)." in (
        source.notes
    )
    assert f"Not read in {root}: 2 hidden or system files (.git, train/owl/.DS_Store)." in (
        source.notes
    )
    assert "empty of folder/photos holds no image." in source.notes


def test_a_clean_folder_of_one_level_says_nothing(tmp_path):
    source, _ = reads(write_classes(tmp_path / "birds", {"owl": 20, "wren": 20}))
    assert source.notes == ()


def said(counts, **slices):
    infos = splits(**counts)
    runs = {split: runs_of(slice_, infos) for split, slice_ in slices.items()}
    return list(unused(slices, runs, counts, "digits"))


def test_a_forgotten_percent_sign_is_said_with_both_numbers():
    (text,) = said({"train": 1797}, train="train[:85]", eval="train[85%:]")
    assert "train of digits has 1,797 images: data.splits.train 'train[:85]' takes 85 and" in text
    assert "1,442 are in no split" in text
    assert "write train[:85%] for percent" in text


@pytest.mark.parametrize(
    ("slices", "hint"),
    [
        ({"train": "train[:85]", "eval": "train[85:]"}, "train[:85%]"),
        ({"train": "train[:85%]", "eval": "train[-15:]"}, "train[-15%:]"),
        ({"train": "train[:50]+train[60:85]", "eval": "train[85%:]"}, "train[:50%]+train[60%:85%]"),
        ({"train": "train[:20%]", "eval": "train[90%:]"}, None),
        ({"train": "train[:1000]", "eval": "train[1000:1100]"}, None),
    ],
)
def test_only_numbers_that_may_be_percents_are_taken_for_such(slices, hint):
    (text,) = said({"train": 1797}, **slices)
    assert ("% counts images" in text) == (hint is not None)
    assert hint is None or f"write {hint} for percent" in text


@pytest.mark.parametrize(
    "slices",
    [
        {"train": "train[:85%]", "eval": "train[85%:]"},
        {"train": "train[:1500]", "eval": "train[1500:]"},
        {"train": "train[:1000]", "eval": "train[1000:1400]", "test": "train[1400:]"},
        {"train": "train[10:]", "eval": "train[:10]"},
        {"train": "all"},
    ],
)
def test_nothing_is_said_where_every_image_is_taken(slices):
    assert said({"train": 1797}, **slices) == []


def test_few_images_are_counted_without_a_hint():
    (text,) = said({"train": 60}, train="train[:20]", eval="train[-10:]")
    assert "30 are in no split" in text
    assert "percent" not in text


def test_a_draw_is_no_slice(tmp_path):
    root = write_classes(tmp_path / "birds", {"owl": 300, "wren": 300})
    source, _ = reads(root, examples_per_class=2)
    assert source.notes == ()
