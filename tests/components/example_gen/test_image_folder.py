"""The folder as a tfds builder: what tfds's own ImageFolder cannot do."""

import io
import pickle
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from components.errors import UserError
from components.example_gen.image_files import list_images
from components.example_gen.image_folder import ImageFolder


def png(shade):
    out = io.BytesIO()
    Image.fromarray(np.full((3, 5, 3), shade, np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """24 images of one shade each, in `train` and `val`, and what must not be looked at."""
    root = tmp_path_factory.mktemp("folder") / "shades"
    for split, shades in (("train", range(20)), ("val", range(20, 24))):
        for shade in shades:
            path = root / split / ("dark", "rosé")[shade % 2] / f"{shade:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(shade))
    (root / "dataset_info.json").write_text('{"name": "other", "version": "1.0.0"}')
    return root


@pytest.fixture(scope="module")
def builder(root):
    return ImageFolder(str(root))


def shades(dataset):
    return [int(example["image"][0, 0, 0]) for example in tfds.as_numpy(dataset)]


def in_order(root, split):
    return [int(file.name[-6:-4]) for file in list_images(root).splits[split]]


def test_its_info_is_the_folders(builder, root):
    info = builder.info
    assert {name: split.num_examples for name, split in info.splits.items()} == {
        "train": 20,
        "val": 4,
    }
    assert info.features["label"].names == ["dark", "rosé"]
    assert info.features.keys() == {"image", "label", "filename"}
    assert info.supervised_keys == ("image", "label")
    assert info.dataset_size == sum(path.stat().st_size for path in root.rglob("*.png"))
    assert builder.is_prepared()
    assert "folder" not in tfds.list_builders()


@pytest.mark.parametrize(
    ("split", "source", "positions"),
    [
        ("train", "train", slice(None)),
        ("train[:85%]", "train", slice(17)),
        ("train[85%:]", "train", slice(17, None)),
        ("train[-3:]", "train", slice(-3, None)),
        ("val[1:3]", "val", slice(1, 3)),
    ],
)
def test_a_slice_of_it_is_a_data_set(builder, root, split, source, positions):
    expected = in_order(root, source)[positions]
    assert shades(builder.as_dataset(split=split)) == expected
    assert builder.info.splits[split].num_examples == len(expected)


def test_sums_and_everything(builder, root):
    train, val = in_order(root, "train"), in_order(root, "val")
    assert shades(builder.as_dataset(split="val+train[2:4]")) == val + train[2:4]
    assert shades(builder.as_dataset(split="all")) == train + val
    both = builder.as_dataset()
    assert {split: len(dataset) for split, dataset in both.items()} == {"train": 20, "val": 4}
    shuffled = shades(builder.as_dataset(split="train", shuffle_files=True))
    assert sorted(shuffled) == sorted(train)


def test_an_example_is_its_file(builder, root):
    for example in tfds.as_numpy(builder.as_dataset(split="train")):
        name = example["filename"].decode()
        shade = int(name[-6:-4])
        assert np.array_equal(example["image"], np.full((3, 5, 3), shade))
        assert example["label"] == shade % 2
        assert (root / name).read_bytes() == png(shade)
    images = builder.as_dataset(split="val", as_supervised=True, batch_size=4)
    ((image, label),) = tfds.as_numpy(images)
    assert (image.shape, label.shape) == ((4, 3, 5, 3), (4,))


def test_its_file_instructions_name_its_files(builder, root):
    instructions = builder.info.splits["train[5:8]"].file_instructions
    assert [(i.skip, i.take) for i in instructions] == [(0, 1)] * 3
    assert [int(i.filename[-6:-4]) for i in instructions] == in_order(root, "train")[5:8]
    assert all(tf.io.gfile.exists(i.filename) for i in instructions)


def test_a_slice_of_no_split_is_refused(builder):
    with pytest.raises(ValueError, match="Unknown split 'test'"):
        builder.as_dataset(split="test")


def test_the_digest_is_that_of_the_slice(root, tmp_path):
    copied = shutil.copytree(root, tmp_path / "copied")
    builder = ImageFolder(str(copied))
    assert builder.digest() == ImageFolder(str(root)).digest()
    digests = {builder.digest(split) for split in ("all", "train", "val", "train[:5]", "train[5:]")}
    assert len(digests) == 5
    (copied / "train" / "dark" / "00.png").write_bytes(png(99))
    again = ImageFolder(str(copied))
    assert again.digest("train") != builder.digest("train")
    assert again.digest("val") == builder.digest("val")


def test_it_is_made_again_from_a_pickle(builder):
    again = pickle.loads(pickle.dumps(builder))
    assert again.digest() == builder.digest()
    assert again.info.splits["train"].num_examples == 20


def test_a_split_of_any_name_is_there(tmp_path):
    for split in ("two words", "caf\udce9", "train"):
        path = tmp_path / split / "a" / "1.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(png(7))
    builder = ImageFolder(str(tmp_path))
    assert set(builder.info.splits) == {"two words", "caf\\xe9", "train"}
    assert [shades(dataset) for dataset in builder.as_dataset().values()] == [[7], [7], [7]]
    assert len({builder.digest("all"), builder.digest("two words")}) == 2


def test_names_that_are_no_utf8_are_read(tmp_path):
    path = tmp_path / "b\udce9" / "\udce9.png"
    path.parent.mkdir()
    path.write_bytes(png(9))
    builder = ImageFolder(str(tmp_path))
    assert builder.class_names == ("b\\xe9",)
    (example,) = tfds.as_numpy(builder.as_dataset(split="train"))
    assert example["filename"] == b"b\xe9/\xe9.png"


def test_what_is_no_folder_of_images_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no image"):
        ImageFolder(str(tmp_path))


def test_nothing_is_asked_of_the_network(monkeypatch, root):
    from tensorflow_datasets.core.utils import gcs_utils

    def ask(name):
        raise AssertionError(name)

    monkeypatch.setattr(gcs_utils, "gcs_dataset_info_files", ask)
    assert ImageFolder(str(root)).info.full_name == "folder/1.0.0"
