"""What a person sees is what is learned and served: classes that differ in nothing else."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.data_gate.checks import read_checks
from components.example_gen.index import read_index
from tests import corpus
from tests.e2e.test_data import artifact

CONFIG = """\
pipeline_name: stripes
data: {folder: stripes}
preprocessing: {resize: 32, crop: null, flip: false}
backbone: {handle: bit-mini, mode: full}
training: {batch_size: 32, base_learning_rate: 0.1, schedule: {steps: 60, boundaries: [40]}}
evaluation: {min_accuracy: 0.95}
"""
SIX = corpus.segment(corpus.APP1, b"Exif\0\0" + corpus.exif(6, ">"))


def stripes(random, down):
    """Whether a pixel is on a stripe, bool [40, 40]; stripes go across or down."""
    lines = (np.arange(40) + random.integers(8)) // random.integers(3, 6) % 2 == 0
    return np.broadcast_to(lines, (40, 40)) if down else np.broadcast_to(lines[:, None], (40, 40))


def photograph(random, down):
    """A JPEG whose stored stripes go across, whatever they do when it is upright."""
    colours = random.integers(0, 256, (2, 3), np.uint8)
    pixels = np.where(stripes(random, False)[..., None], *colours)
    noisy = np.clip(pixels + random.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)
    jpeg = corpus.saved(Image.fromarray(noisy), "JPEG", quality=95, subsampling=0)
    return corpus.with_segments(jpeg, SIX) if down else jpeg


def cut_out(random, down):
    """A PNG of one hidden colour, of which only the transparency differs."""
    colour = random.integers(0, 160, 3)
    pixels = np.broadcast_to(colour, (40, 40, 3))
    alpha = np.where(stripes(random, down), 255, 0)[..., None]
    return corpus.saved(
        Image.fromarray(np.concatenate([pixels, alpha], -1).astype(np.uint8)), "PNG"
    )


@pytest.mark.slow
def test_classes_that_differ_to_a_person_alone_are_learned_and_served(run, tmp_path):
    random = np.random.default_rng(5)
    for name in ("across", "down"):
        (tmp_path / "stripes" / name).mkdir(parents=True)
        for number in range(120):
            make = photograph if number % 2 else cut_out
            path = tmp_path / "stripes" / name / f"{number}.img"
            path.write_bytes(make(random, name == "down"))
    (tmp_path / "stripes.yaml").write_text(CONFIG)
    arguments = ("--config", str(tmp_path / "stripes.yaml"))
    ended = run(tmp_path / "out", arguments=arguments)
    assert ended.exit_code == 0, ended.out + ended.err
    assert ended.summary["counts"]["rejected"] == {}

    rows = read_index(artifact(ended, "ImageExampleGen/index"), "train").to_pydict()
    turned, transparent = np.array(rows["orientation"]) == 6, np.array(rows["transparent"]) > 0
    is_down = np.array(rows["label"]) == 1
    assert 30 < turned[is_down].sum() < 70
    assert not turned[~is_down].any()
    checks = read_checks(artifact(ended, "DataGate/checks"))
    says = [check.sentence for check in checks if check.key == "data_gate.looks"]
    assert (
        f"of the {len(is_down)} images of the train split {transparent.sum()} are transparent in "
        f"part and {turned.sum()} have an orientation that is followed"
    ) in says
    assert any("differs in orientation" in sentence for sentence in says)
    assert "looks (train split, orientation)" in ended.out

    model = tf.saved_model.load(str(ended.output / "serving" / ended.served[0]))
    images = [make(random, down) for make in (photograph, cut_out) for down in (False, True)]
    upright = [corpus.saved(Image.fromarray(corpus.as_seen(image)), "PNG") for image in images]
    assert all(Image.open(io.BytesIO(image)).mode == "RGB" for image in upright)
    answers, expected = (
        model.signatures["predict_image"](image_bytes=tf.constant(of)) for of in (images, upright)
    )
    np.testing.assert_allclose(answers["probabilities"], expected["probabilities"], atol=1e-6)
    assert answers["class_name"].numpy().tolist() == [b"across", b"down"] * 2
