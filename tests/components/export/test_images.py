"""Where the images come from that a conversion is judged and calibrated by."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from components.errors import UserError
from components.evaluator.prediction_table import example_key
from components.export.images import Labelled, of_folder, of_split, sample
from components.export.runtimes import Runtime
from components.export.served import ServedModel, ask
from tests.components.export.conftest import WHITE, labelled
from tests.components.trainer.jobs import CLASSES, _scans, png


class Same(Runtime):
    """A conversion that changes nothing."""

    name = version = "none"

    def __init__(self, served):
        self.answer = served.answer

    def answer(self, pixels):
        raise AssertionError


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def test_a_split_is_read_as_it_was_stored(digits_folder, tmp_path):
    (tmp_path / "Split-eval").mkdir()
    (tmp_path / "Split-eval" / "data-00000-of-00001.gz").symlink_to(digits_folder / "eval.gz")
    found = list(of_split(str(tmp_path), "eval"))
    assert [image.label for image in found] == _scans().target[100:133].tolist()
    assert [image.image for image in found] == [png(index) for index in range(100, 133)]
    records = tf.data.TFRecordDataset(f"{digits_folder}/eval.gz", "GZIP").as_numpy_iterator()
    assert [image.key for image in found] == [example_key(record) for record in records]


def test_a_sample_is_as_likely_to_hold_one_image_as_another():
    images = [Labelled(str(number), number, b"") for number in range(40)]
    drawn = Counter()
    for shift in range(400):
        chosen = sample(images[shift % 40 :] + images[: shift % 40], 10)
        assert len({image.key for image in chosen}) == 10
        drawn.update(image.key for image in chosen)
    # 400 draws of 10 of 40: 100 of each, exactly, as every image was at every place.
    assert set(drawn.values()) == {100}
    assert sample(images, 10) == sample(iter(images), 10) != images[:10]


def test_a_folder_may_lack_classes_and_not_bring_others(tmp_path):
    write(tmp_path, "3/a.png", "7/b.png", "7/c.png")
    found = list(of_folder(tmp_path, CLASSES))
    assert sorted((image.label, image.image) for image in found) == [
        (3, b"3/a.png"),
        (7, b"7/b.png"),
        (7, b"7/c.png"),
    ]
    write(tmp_path, "eleven/d.png")
    with pytest.raises(UserError, match="the folder 'eleven' is none of the model's classes"):
        list(of_folder(tmp_path, CLASSES))


def test_a_folder_without_images_is_refused_by_the_name_of_the_option(tmp_path):
    with pytest.raises(UserError, match=f"^--examples {tmp_path} holds no image"):
        list(of_folder(tmp_path, CLASSES))


def test_a_folder_of_splits_is_refused_with_what_to_type(tmp_path):
    write(tmp_path, "test/3/a.png", "train/3/b.png")
    with pytest.raises(UserError, match=f"--examples {tmp_path}/test"):
        list(of_folder(tmp_path, CLASSES))


def test_what_the_model_refuses_is_left_out_with_its_reason(served):
    good = labelled(range(200, 203))
    bad = Labelled("bad", 3, b"no image")
    answers = ask(served, Same(served), [good[0], bad, *good[1:]])
    assert list(answers.keys) == [image.key for image in good]
    assert answers.labels.tolist() == [image.label for image in good]
    assert answers.left_out.keys() == {"bad"}
    assert "neither a JPEG nor a PNG" in answers.left_out["bad"]
    with pytest.raises(UserError, match="none of the 2 images can be decoded"):
        ask(served, Same(served), [bad, bad._replace(key="worse")])


def test_a_model_that_decodes_otherwise_is_refused(pushed):
    """A black digit on nothing: on black there is none, where the model has it on white."""
    alpha = (_scans().images[0] * 15.9).astype(np.uint8)
    digit = tf.io.encode_png(np.dstack([np.zeros((8, 8, 3), np.uint8), alpha])).numpy()
    images = [Labelled("digit", 0, digit)]
    right = ServedModel(str(pushed), WHITE)
    assert ask(right, Same(right), images).left_out == {}
    wrong = ServedModel(str(pushed), (0, 0, 0))
    with pytest.raises(UserError, match="the model decodes images differently from this version"):
        ask(wrong, Same(wrong), images)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not load"):
        ServedModel(str(tmp_path), WHITE)


def test_a_model_of_an_earlier_version_is_refused(tmp_path):
    module = tf.Module()
    module.f = tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec([None])])
    tf.saved_model.save(module, str(tmp_path / "old"), signatures=module.f)
    with pytest.raises(UserError, match="has no signature predict_image"):
        ServedModel(str(tmp_path / "old"), WHITE)
