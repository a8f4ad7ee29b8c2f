"""tfds data sets whose image or label is none that can be trained on, written by tfds itself."""

import io

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from components.errors import UserError
from components.example_gen.config import DataConfig
from components.example_gen.sources.source import open_source
from components.example_gen.sources.stored import parsed
from components.example_gen.sources.tfds_features import class_names

NAMES = tfds.features.ClassLabel(names=["owl", "wren"])
RGB = tfds.features.Image(shape=(4, 4, 3))
GREY = np.full((4, 4, 1), 7, np.uint8)


def dataset(tmp_path, image, label, value, of_label=1, count=20):
    """A data set of two features, written to disk by tfds."""

    class Written(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict({"image": image, "label": label})
            return self.dataset_info_from_configs(features=features)

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for number in range(count):
                yield number, {"image": value, "label": of_label}

    Written(data_dir=str(tmp_path)).download_and_prepare()
    return DataConfig(name="written", data_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("image", "value", "words"),
    [
        (tfds.features.Image(shape=(4, 4, 1), dtype=np.float32), GREY / np.float32(255), "float32"),
        (tfds.features.Image(shape=(4, 4, 1), dtype=np.uint16), GREY.astype(np.uint16), "uint16"),
        (tfds.features.Image(shape=(4, 4, 1), use_colormap=True), GREY, "use_colormap"),
        (tfds.features.LabeledImage(labels=9, shape=(4, 4, 1)), GREY, r"image \(LabeledImage\)"),
        (tfds.features.Tensor(shape=(4, 4, 1), dtype=np.uint8), GREY, r"image \(Tensor\)"),
        (tfds.features.Sequence(RGB), np.zeros((1, 4, 4, 3), np.uint8), r"\(Sequence of Image\)"),
        (tfds.features.Video(shape=(None, 4, 4, 3)), np.zeros((2, 4, 4, 3), np.uint8), "Video"),
        (tfds.features.Text(), "a.jpg", r"image \(Text\)"),
    ],
)  # fmt: skip
def test_an_image_that_is_no_picture_of_eight_bits_is_refused(tmp_path, image, value, words):
    config = dataset(tmp_path, image, NAMES, value)
    with pytest.raises(UserError, match=words) as error:
        open_source(config)
    assert str(error.value).startswith("data.name written/1.0.0: ")


@pytest.mark.parametrize(
    ("label", "value", "words"),
    [
        (tfds.features.Scalar(np.int64), 1, r"label \(Scalar\)"),
        (tfds.features.Text(), "owl", r"label \(Text\)"),
        (tfds.features.Tensor(shape=(), dtype=np.int64), 1, r"label \(Tensor\)"),
        (tfds.features.Sequence(NAMES), [1], r"label \(Sequence of ClassLabel\)"),
    ],
)
def test_a_label_that_is_no_class_is_refused(tmp_path, label, value, words):
    config = dataset(tmp_path, RGB, label, np.zeros((4, 4, 3), np.uint8), value)
    with pytest.raises(UserError, match=words):
        open_source(config)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (tfds.features.BBoxFeature(), r"label \(BBoxFeature\)"),
        (tfds.features.ClassLabel(), "neither the names nor the number"),
    ],
)
def test_other_labels_are_refused_by_their_type(label, words):
    features = tfds.features.FeaturesDict({"image": RGB, "label": label})
    with pytest.raises(UserError, match=words):
        class_names(features, "mine/1.0.0")


def test_a_connector_of_ones_own_is_refused():
    class Inverted(tfds.features.Image):
        def decode_example(self, example):
            return 255 - super().decode_example(example)

    features = tfds.features.FeaturesDict({"image": Inverted(), "label": NAMES})
    with pytest.raises(UserError, match=r"of type Image; it has image \(Inverted\), label"):
        class_names(features, "mine/1.0.0")


def test_what_is_no_dictionary_or_an_animation_is_refused():
    with pytest.raises(UserError, match="it has Image"):
        class_names(RGB, "mine/1.0.0")
    frames = tfds.features.Image(shape=(None, 4, 4, 3))
    features = tfds.features.FeaturesDict({"image": frames, "label": NAMES})
    with pytest.raises(UserError, match=r"of shape \(None, 4, 4, 3\)"):
        class_names(features, "mine/1.0.0")


def test_a_label_of_numbers_alone_is_named_by_them():
    features = {"image": RGB, "label": tfds.features.ClassLabel(num_classes=3)}
    assert class_names(tfds.features.FeaturesDict(features), "mine") == ("0", "1", "2")


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("form", ["png", None])
def test_grey_colour_and_alpha_in_eight_bits_are_read_as_they_are(tmp_path, channels, form):
    pixels = np.random.default_rng(1).integers(0, 256, (4, 4, channels)).astype(np.uint8)
    image = tfds.features.Image(shape=(4, 4, channels), encoding_format=form)
    source = open_source(dataset(tmp_path, image, NAMES, pixels))
    assert source.class_names == ("owl", "wren")
    record = next(source.shards[0].records()).record
    (encoded,) = parsed(record).features.feature["image"].bytes_list.value
    decoded = np.asarray(Image.open(io.BytesIO(encoded))).reshape(4, 4, channels)
    np.testing.assert_array_equal(decoded, pixels)
