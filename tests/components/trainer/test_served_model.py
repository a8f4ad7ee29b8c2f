"""A served model answers what it can: an image that it cannot decode costs its own row."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.signatures import signatures
from components.trainer.train import train
from components.transform.config import Bounds
from tests.components.trainer.jobs import CLASSES, make_job, png

SIDE = 24
PIXELS, SIZE = 1_000_000, 1_500_000


@pytest.fixture(scope="module")
def served(digits_folder):
    job = make_job(digits_folder, "served", schedule={"steps": 3})
    bounds = Bounds(pixels=PIXELS, size=SIZE)
    settings = job.settings.model_copy(update={"bounds": bounds})
    train(job.model_copy(update={"settings": settings}))
    return f"{digits_folder}/served/model"


@pytest.fixture(scope="module")
def model(served):
    return tf.saved_model.load(served)


def encode(kind, size=(32, 24), mode="RGB", **options):
    stream = io.BytesIO()
    Image.effect_noise(size, 64).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def chunk(name, data):
    crc = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + crc


def with_chunks(image, *chunks):
    """A PNG with chunks behind its header."""
    return image[:33] + b"".join(chunks) + image[33:]


def with_scans(image, count):
    """A progressive JPEG whose last scan is repeated."""
    last = image.rindex(b"\xff\xda")
    return image[:-2] + image[last:-2] * count + image[-2:]


def flat(kind, size=(32, 24), mode="L", **options):
    """An image of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 100, 50)).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def bad_images():
    """By what is wrong: the image, and a part of the sentence in `error`."""
    jpeg = encode("JPEG")
    progressive = flat("JPEG", (900, 900), progressive=True)
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(100)))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    wide = bytearray(encode("BMP", (8, 8)))
    wide[18:26] = struct.pack("<ii", 2_000, -2_000)
    frame = bytearray(jpeg)
    at = frame.index(b"\xff\xc0")
    frame[at + 5 : at + 9] = struct.pack(">HH", 65_000, 65_000)
    return {
        "empty": (b"", "0 bytes"),
        "text": (b"not an image", "neither a JPEG nor a PNG, GIF or BMP"),
        "webp": (encode("WEBP"), "neither a JPEG nor a PNG, GIF or BMP"),
        "cut jpeg": (jpeg[: len(jpeg) // 2], "cannot be decoded"),
        "jpeg without a frame": (jpeg[:20], "cannot be decoded"),
        "cut png": (encode("PNG")[:60], "cannot be decoded"),
        "palette bmp": (flat("BMP", mode="P"), "cannot be decoded"),
        "too many bytes": (encode("PNG", (800, 800)), "bytes, more than 1500000"),
        "png bomb": (bomb, "60000 x 60000 pixels"),
        "jpeg bomb": (bytes(frame), "65000 x 65000 pixels"),
        "bmp bomb": (bytes(wide), "2000 x 2000 pixels"),
        "scans": (with_scans(flat("JPEG", progressive=True), 600), "scans or frames"),
        "scans of many pixels": (with_scans(progressive, 250), "scans or frames"),
        "frames": (with_frames(250), "scans or frames"),
        "pixel data": (
            with_chunks(flat("PNG"), chunk(b"IDAT", bytes(1_200_000))),
            "far more bytes than its pixels need",
        ),
        "comment of a GIF": (with_comment(b"\1a" * 600_000), "far more parts than an image needs"),
        "comment of unlike parts": (
            with_comment(b"\1a\2bc" * 200_400),
            "far more parts than an image needs",
        ),
        "empty comments": (
            flat("GIF")[:-1] + b"\x21\xfe\0" * 400_000 + b";",
            "far more parts than an image needs",
        ),
        "texts": (with_chunks(encode("PNG"), *[text] * 30), "compressed texts"),
    }


def with_comment(parts):
    """A GIF with a comment behind its pixels."""
    return flat("GIF")[:-1] + b"\x21\xfe" + parts + b"\0;"


def with_frames(count):
    """A GIF of many pixels with small later frames."""
    control = b"\x21\xf9\x04\0\0\0\0\0"
    dot = control + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\0"
    return flat("GIF", (900, 900))[:-1] + dot * count + b";"


def good_images():
    by_kind = encode("JPEG"), encode("GIF", mode="L"), encode("BMP"), encode("PNG", mode="RGBA")
    return [png(0), *by_kind, png(1)]


@pytest.mark.parametrize("name", bad_images())
def test_a_bad_image_costs_its_own_row(model, name):
    image, part = bad_images()[name]
    good = good_images()
    alone = model.signatures["predict_image"](tf.constant(good))
    mixed = model.signatures["predict_image"](tf.constant([*good[:3], image, *good[3:], image]))
    assert mixed["valid"].numpy().tolist() == [True] * 3 + [False] + [True] * 3 + [False]
    bad = [3, 7]
    rest = [0, 1, 2, 4, 5, 6]
    for row in bad:
        assert part in mixed["error"][row].numpy().decode()
        assert np.isnan(mixed["probabilities"][row]).all()
        assert mixed["class_name"][row].numpy() == b""
        assert mixed["class_index"][row].numpy() == -1
    np.testing.assert_allclose(
        mixed["probabilities"].numpy()[rest], alone["probabilities"], atol=1e-6
    )
    assert mixed["class_name"].numpy()[rest].tolist() == alone["class_name"].numpy().tolist()
    assert set(mixed["error"].numpy()[rest]) == {b""}


def test_pixels_that_look_like_frames_are_no_frames(model):
    """By chance, a GIF of noise has a hundred of a frame's first bytes among its pixels."""
    part = b"\xfe" + b"\0\x2c" * 127
    image = flat("GIF", (900, 900))[:-1] + b"\x21\xfe" + part * 2 + b"\0;"
    answers = model.signatures["predict_image"](tf.constant([image]))
    assert (answers["error"].numpy().tolist(), answers["valid"].numpy().tolist()) == ([b""], [True])


def test_only_bad_images_have_no_answers(model):
    images = [image for image, _ in bad_images().values()]
    answers = model.signatures["predict_image"](tf.constant(images))
    assert not answers["valid"].numpy().any()
    assert np.isnan(answers["probabilities"]).all()


def test_the_rows_of_examples_are_alone_too(model):
    def example(image):
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
        features = tf.train.Features(feature={"image": feature})
        return tf.train.Example(features=features).SerializeToString()

    rows = [example(png(0)), b"\xffnot an example", example(b"text"), example(png(1))]
    rows.append(tf.train.Example().SerializeToString())
    answers = model.signatures["serving_default"](tf.constant(rows))
    assert answers["valid"].numpy().tolist() == [True, False, False, True, False]
    assert b"neither" in answers["error"][2].numpy()
    of_images = model.signatures["predict_image"](tf.constant([png(0), png(1)]))
    np.testing.assert_allclose(
        answers["probabilities"].numpy()[[0, 3]], of_images["probabilities"], atol=1e-6
    )


def test_a_server_that_runs_the_graph_in_a_session_gives_the_same(served, model):
    """TensorFlow Serving does; there is no eager mode."""
    images = [png(0), b"text", encode("JPEG")[:200], png(1)]
    eager = model.signatures["predict_image"](tf.constant(images))
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], served)
        signature = meta.signature_def["predict_image"]
        outputs = {name: tensor.name for name, tensor in signature.outputs.items()}
        found = session.run(outputs, {signature.inputs["image_bytes"].name: images})
    for name, value in found.items():
        np.testing.assert_array_equal(value, eager[name].numpy(), err_msg=name)


def test_decoded_pixels_give_what_the_encoded_image_gives(model):
    def decoded(image):
        with Image.open(io.BytesIO(image)) as opened:
            return np.asarray(opened.convert("RGB"), np.float32)

    images = [png(0), png(1)]
    pixels = np.stack([tf.image.resize(decoded(image), (SIDE, SIDE)) / 255 for image in images])
    by_pixels = model.signatures["predict_pixels"](tf.constant(pixels))
    by_image = model.signatures["predict_image"](tf.constant(images))
    np.testing.assert_allclose(by_pixels["probabilities"], by_image["probabilities"], atol=1e-6)
    assert by_pixels["class_name"].numpy().tolist() == by_image["class_name"].numpy().tolist()


def test_the_names_of_the_columns_can_be_read(served, model):
    names = [name.decode() for name in model.signatures["labels"]()["labels"].numpy()]
    with open(f"{served}/assets.extra/labels.txt", encoding="utf-8") as file:
        assert file.read().splitlines() == names == list(CLASSES)


def test_the_signatures_are_the_contract(served):
    from tensorflow.core.protobuf import saved_model_pb2

    proto = saved_model_pb2.SavedModel()
    with open(f"{served}/saved_model.pb", "rb") as file:
        proto.ParseFromString(file.read())
    found = proto.meta_graphs[0].signature_def

    def described(tensors):
        return {
            name: (
                tf.as_dtype(tensor.dtype).name,
                tuple(None if side.size < 0 else side.size for side in tensor.tensor_shape.dim),
            )
            for name, tensor in tensors.items()
        }

    contract = signatures(len(CLASSES), SIDE)
    assert {each.name for each in contract} == found.keys() - {"__saved_model_init_op"}
    for each in contract:
        for ours, theirs in (
            (each.inputs, found[each.name].inputs),
            (each.outputs, found[each.name].outputs),
        ):
            assert described(theirs) == {name: (t.dtype, t.shape) for name, t in ours.items()}
