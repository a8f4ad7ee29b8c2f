"""What counts as an image in a folder, of which class and split, in which order."""

import os
import random
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import UserError
from components.example_gen.sources import image_files
from components.example_gen.sources.image_files import list_images
from components.storage import as_path
from tests import ram
from tests.components.example_gen.trees import write_classes, write_tree


def names(listed, split="train"):
    return {file.name for file in listed.splits[split]}


def labelled(listed, split="train"):
    return {file.name: listed.class_names[file.label] for file in listed.splits[split]}


def test_folders_of_classes_are_one_split_called_train(tmp_path):
    listed = list_images(write_tree(tmp_path, "b/1.jpg", "a/1.jpg", "a/2.jpg"))
    assert listed.class_names == ("a", "b")
    assert listed.splits.keys() == {"train"}
    assert labelled(listed) == {"a/1.jpg": "a", "a/2.jpg": "a", "b/1.jpg": "b"}


def test_folders_of_splits_hold_folders_of_classes(tmp_path):
    root = write_tree(tmp_path, "train/b/1", "train/a/1", "test/b/1", "test/c/1", "extra/")
    listed = list_images(root)
    assert listed.class_names == ("a", "b", "c")
    assert labelled(listed, "test") == {"test/b/1": "b", "test/c/1": "c"}
    assert labelled(listed, "train") == {"train/a/1": "a", "train/b/1": "b"}
    assert listed.splits["extra"] == ()


def test_an_empty_folder_is_a_class_without_examples(tmp_path):
    flat = list_images(write_tree(tmp_path / "flat", "a/1", "b/"))
    assert (flat.class_names, labelled(flat)) == (("a", "b"), {"a/1": "a"})
    split = list_images(write_tree(tmp_path / "split", "train/b/1", "train/a/", "test/c/"))
    assert split.class_names == ("a", "b", "c")
    assert split.splits["test"] == ()


def test_what_systems_leave_is_no_image_and_all_else_is(tmp_path):
    litter = [
        *(".DS_Store", "Thumbs.db", "desktop.ini", "a/._1.jpg", "a/Desktop.INI", "a/ehthumbs.db"),
        *("__MACOSX/a/1.jpg", "a/@eaDir/1.jpg", ".git/objects/x", "a/Icon\r", ".hidden/1.jpg"),
    ]
    images = ["a/1", "a/2.txt", "a/3.webp", "b/README.md", "b/4.jpg.bak"]
    listed = list_images(write_tree(tmp_path, *litter, *images))
    assert listed.class_names == ("a", "b")
    assert names(listed) == set(images)


def test_notes_above_the_classes_are_no_images(tmp_path):
    flat = write_tree(tmp_path / "flat", "LICENSE", "LICENSE.txt", "labels.csv", "a/1.jpg")
    assert names(list_images(flat)) == {"a/1.jpg"}
    split = write_tree(tmp_path / "split", "README.md", "train/meta.json", "train/a/1.jpg")
    assert names(list_images(split)) == {"train/a/1.jpg"}


@pytest.mark.parametrize("name", ["rosés", "two words", "日本", "a+b[c]", "#1", "caf\udce9"])
def test_any_name_of_a_file_system_will_do(tmp_path, name):
    file = f"{name}/{name} 1.jpg"
    listed = list_images(write_tree(tmp_path, file, "other/1.jpg"))
    assert names(listed) == {file, "other/1.jpg"}
    shown = name.replace("\udce9", "\\xe9")
    assert set(listed.class_names) == {shown, "other"}
    assert labelled(listed)[file] == shown


def test_a_class_whose_accents_were_packed_otherwise_is_the_same_class(tmp_path):
    composed, apart = (unicodedata.normalize(form, "rosés") for form in ("NFC", "NFD"))
    assert composed != apart
    listed = list_images(write_tree(tmp_path, f"train/{composed}/1", f"test/{apart}/1"))
    assert listed.class_names == (composed,)
    assert [file.label for split in listed.splits.values() for file in split] == [0, 0]


def test_links_are_followed(tmp_path):
    elsewhere = write_tree(tmp_path / "elsewhere", "1.jpg", content=b"seven b")
    root = write_tree(tmp_path / "root", "a/1.jpg")
    (root / "a" / "2.jpg").symlink_to(elsewhere / "1.jpg")
    (root / "b").symlink_to(elsewhere)
    (root / "a" / "lost.jpg").symlink_to(tmp_path / "nowhere")
    (root / "a" / "round.jpg").symlink_to("round.jpg")
    sizes = {file.name: file.size_bytes for file in list_images(root).splits["train"]}
    assert sizes == {"a/1.jpg": 5, "a/2.jpg": 7, "a/lost.jpg": 0, "a/round.jpg": 0, "b/1.jpg": 7}


@pytest.mark.parametrize(
    ("tree", "where"),
    [
        (["1.jpg", "a/1.jpg"], "root/1.jpg is in no class folder"),
        (["scan", "a/1.jpg"], "root/scan is in no class folder"),
        (["a/1.jpg", "b/c/1.jpg"], "root/a/1.jpg is directly in .*b/c are one folder deeper"),
        (["train/stray", "train/a/1.jpg"], "root/train/stray is directly in a folder of"),
        (["train/a/1.jpg", "train/a/more/2.jpg"], "root/train/a/more is too deep"),
        (["data/train/a/b/1.jpg"], "root/data/train/a is too deep"),
        (["a/1.jpg", "b/c/d/1.jpg"], "root/b/c/d is too deep"),
        (["a/", "b/"], "root holds no image"),
        (["README.md"], "root holds no image"),
        (["a/.DS_Store"], "root holds no image"),
    ],
)
def test_other_layouts_are_refused_by_name(tmp_path, tree, where):
    root = write_tree(tmp_path / "root", *tree)
    with pytest.raises(UserError, match=where) as error:
        list_images(root)
    text = str(error.value)
    assert text.startswith("data.folder")
    assert f"{root}/<class>/* or {root}/<split>/<class>/*" in text


def test_a_folder_that_links_to_itself_ends(tmp_path):
    root = write_tree(tmp_path / "root", "a/1.jpg")
    (root / "a" / "loop").symlink_to(root)
    with pytest.raises(UserError, match="too deep"):
        list_images(root)


def test_what_is_no_folder_is_told(tmp_path):
    with pytest.raises(UserError, match=r"data\.folder .*absent cannot be listed: No such file"):
        list_images(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file cannot be listed: Not a directory"):
        list_images(tmp_path / "file")


@given(st.randoms())
def test_the_order_is_that_of_the_names_alone(tmp_path_factory, chance):
    root = tmp_path_factory.getbasetemp() / "ordered"
    if not root.exists():
        write_classes(root, {"a": 20, "b": 20})
    entries = image_files.list_folder

    def shuffled(folder):
        found = entries(folder)
        chance.shuffle(found)
        return found

    expected = list_images(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_files, "list_folder", shuffled)
        assert list_images(root) == expected


def test_a_slice_has_its_share_of_every_class(tmp_path):
    files = list_images(write_classes(tmp_path, {"a": 600, "b": 600, "c": 300})).splits["train"]
    assert [file.name for file in files] != sorted(file.name for file in files)
    first = [file.label for file in files[:750]]
    # Half of each, within four standard deviations.
    assert all(abs(first.count(label) - half) < 50 for label, half in enumerate((300, 300, 150)))


def test_a_file_that_comes_moves_the_others_by_a_place_at_most(tmp_path):
    before = [
        f.name for f in list_images(write_classes(tmp_path, {"a": 90, "b": 90})).splits["train"]
    ]
    write_tree(tmp_path, "a/new.jpg")
    after = [file.name for file in list_images(tmp_path).splits["train"]]
    after.remove("a/new.jpg")
    assert after == before


def test_a_hundred_thousand_files_take_a_second_or_two(tmp_path):
    source = write_tree(tmp_path / "one", "1.jpg") / "1.jpg"
    for label in range(10):
        folder = tmp_path / "many" / f"class {label}"
        folder.mkdir(parents=True)
        for number in range(random.Random(label).randint(950, 1050)):
            os.link(source, folder / f"{number}.jpg")
    started = time.process_time()
    count = len(list_images(tmp_path / "many").splits["train"])
    # A tenth of them here; ten times the two seconds that they may take.
    assert (time.process_time() - started) * 1e5 / count < 20


def test_a_folder_in_an_object_store_is_listed_too(store):
    for name in ("train/a/1.jpg", "train/b/2.jpg", "test/a/3.jpg", "train/b/.hidden", "README.md"):
        path = as_path(f"{store}/birds/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")
    listed = list_images(as_path(f"{store}/birds"))
    assert listed.class_names == ("a", "b")
    assert names(listed) == {"train/a/1.jpg", "train/b/2.jpg"}
    assert {file.size_bytes for file in listed.splits["test"]} == {5}
    assert "birds/README.md" in ram.files()
    with pytest.raises(UserError, match="fish cannot be listed: No such folder"):
        list_images(as_path(f"{store}/fish"))
