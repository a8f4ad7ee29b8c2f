"""The step through its executor, on real scans: what is shown is what is trained on."""

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from PIL import Image
from tfx.types import standard_artifacts

from components.artifacts import DataPictures
from components.pictures.executor import Executor
from components.pictures.samples import stored, trained_on
from components.pictures.settings import PicturesSettings
from components.trainer.input_pipeline import stored_split
from components.trainer.network_inputs import NetworkInputs
from components.trainer.train import Fit, make_model
from components.transform.config import ImageSizes
from tests.components.trainer import jobs

SCANS = {jobs.png(index): index for index in range(133)}


def settings(**changed):
    values = {
        "class_names": jobs.CLASSES,
        "sizes": ImageSizes(resize=24, crop=20, evaluate=24, flip=True),
        "batch_size": 32,
        "shuffle_buffer": 50,
        "seed": 7,
        "mixup": 0.0,
    }
    return PicturesSettings.model_validate({**values, **changed})


@pytest.fixture(scope="module")
def split(digits_folder):
    graph = tft.TFTransformOutput(f"{digits_folder}/graph")
    return stored_split([f"{digits_folder}/train.gz"], graph, 100, training=True)


def pixels_of(tile):
    return tile.image.tobytes()


def names_of(tile):
    return [line.text for line in tile.caption]


def artifact_of(kind, folder):
    artifact = kind()
    artifact.uri = str(folder)
    return artifact


def run(folder, digits_folder, out=None, told=None, train="train.gz", count=100):
    """Runs the executor; the eval split holds nothing that could be read."""
    for name in ("train", "eval"):
        Path(folder, f"Split-{name}").mkdir(parents=True)
    shutil.copy(f"{digits_folder}/{train}", f"{folder}/Split-train/train.gz")
    Path(folder, "Split-eval", "eval.gz").write_bytes(b"no records")
    examples = artifact_of(standard_artifacts.Examples, folder)
    examples.split_names = json.dumps(["train", "eval"])
    examples.set_int_custom_property("num_examples_train", count)
    graph = artifact_of(standard_artifacts.TransformGraph, f"{digits_folder}/graph")
    pictures = artifact_of(DataPictures, out or f"{folder}/pictures")
    Executor().Do(
        {"examples": [examples], "transform_graph": [graph]},
        {"pictures": [pictures]},
        {"settings": (told or settings()).model_dump_json(), "code": ""},
    )
    return pictures.uri


def size_of(path):
    image = Image.open(io.BytesIO(Path(path).read_bytes()))
    assert image.format == "PNG"
    return image.size


def grid_size(columns, rows, side, lines):
    return columns * (side + 12) + 12, rows * (side + 12 + 18 * lines) + 12


def test_it_leaves_two_pictures_and_the_same_bytes_again(digits_folder, tmp_path):
    first = run(tmp_path / "a", digits_folder)
    assert sorted(path.name for path in Path(first).iterdir()) == ["after.png", "before.png"]
    assert size_of(f"{first}/before.png") == grid_size(3, 3, 200, 2)
    assert size_of(f"{first}/after.png") == grid_size(5, 5, 160, 1)
    again = run(tmp_path / "b", digits_folder)
    other = run(tmp_path / "c", digits_folder, told=settings(seed=8))
    for name in ("before.png", "after.png"):
        drawn = Path(first, name).read_bytes()
        assert Path(again, name).read_bytes() == drawn
        assert Path(other, name).read_bytes() != drawn


def test_it_writes_to_a_store(digits_folder, tmp_path, store):
    uri = run(tmp_path / "a", digits_folder, out=f"{store}/pictures")
    local = run(tmp_path / "b", digits_folder)
    with tf.io.gfile.GFile(f"{uri}/after.png", "rb") as stream:
        assert stream.read() == Path(local, "after.png").read_bytes()


def test_fewer_images_than_cells_are_shown_once(digits_folder, tmp_path):
    jobs.write_examples(tmp_path, train=range(4))
    shutil.copytree(f"{digits_folder}/graph", tmp_path / "graph")
    uri = run(tmp_path / "a", tmp_path, count=4)
    assert size_of(f"{uri}/before.png") == grid_size(3, 2, 200, 2)
    assert size_of(f"{uri}/after.png") == grid_size(4, 1, 160, 1)


def test_stored_images_are_whole_and_have_their_own_class_and_size(split):
    tiles = stored(split, settings(), 9)
    found = []
    for tile in tiles:
        stream = io.BytesIO()
        Image.fromarray(tile.image[..., 0]).save(stream, "PNG")
        index = SCANS[stream.getvalue()]
        assert index < 100
        assert names_of(tile) == [
            str(jobs._scans().target[index]),
            "8 \N{MULTIPLICATION SIGN} 8 px",
        ]
        found.append(index)
    assert len(set(found)) == 9
    assert found != sorted(found)


def test_the_same_images_come_first_in_both(split):
    plain = settings(sizes=ImageSizes(resize=24, crop=None, evaluate=24, flip=False))
    before, after = stored(split, plain, 9), trained_on(split, plain, 25)
    assert len(after) == 25
    for old, new in zip(before, after, strict=False):
        assert names_of(old)[0] == names_of(new)[0]
        resized = tf.image.resize(old.image, (24, 24)).numpy()
        np.testing.assert_allclose(new.image, resized, atol=0.5)


def test_what_is_shown_is_the_first_batch_of_the_trainer(split):
    """The batch that the Trainer's own `Fit` would draw, its order, crops and flips among it."""
    job = jobs.make_job("/nowhere", "x", crop=20, flip=True, seed=7, shuffle_buffer=50)
    model = make_model(job.settings)
    feed = NetworkInputs(split, model, job.settings.sizes)
    images, labels = next(iter(Fit(job.settings, 0.0, model, (feed, feed))._make_batches(0)))
    tiles = trained_on(split, settings(), 25)
    assert [names_of(tile) for tile in tiles] == [[str(label)] for label in labels.numpy()[:25]]
    assert tiles[0].image.shape == (20, 20, 3)
    shown = np.stack([tile.image for tile in tiles])
    np.testing.assert_array_equal(shown, np.rint(images.numpy()[:25] * 255).astype(np.uint8))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mixup_names_both_classes_with_their_shares(split, seed):
    plain = settings(seed=seed, sizes=ImageSizes(resize=24, crop=None, evaluate=24, flip=False))
    mixed = plain.model_copy(update={"mixup": 5.0})
    whole = trained_on(split, plain, 32)
    tiles = trained_on(split, mixed, 32)
    for place, tile in enumerate(tiles):
        own, other = names_of(whole[place])[0], names_of(whole[-1 - place])[0]
        if own == other:
            assert [(line.text, line.number) for line in tile.caption] == [(own, "100 %")]
            continue
        shares = [int(re.fullmatch(r"(\d+) %", line.number)[1]) for line in tile.caption]
        assert {line.text for line in tile.caption} == {own, other}
        assert sum(shares) in (99, 100, 101)
        assert shares == sorted(shares, reverse=True)
        share = dict(zip(names_of(tile), shares, strict=True))[own] / 100
        blended = share * whole[place].image + (1 - share) * whole[-1 - place].image
        np.testing.assert_allclose(tile.image, blended, atol=3)
