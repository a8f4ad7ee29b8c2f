"""How large training images are, told without decoding one."""

import io
import itertools
import pickle
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.errors import UserError
from components.example_gen.config import DataConfig, SplitsConfig
from components.example_gen.screen.header import header_size, median_size
from components.example_gen.sources.shard import first_records
from components.example_gen.sources.source import open_source
from components.example_gen.sources.tfds_shard import TfdsShard
from pipeline.inputs.code import ROOT
from tests.components.example_gen.conftest import prepare_digits
from tests.drawn import prepare_flowers

LOOK = """
import sys
from components.example_gen.config import DataConfig
from components.example_gen.sources.source import open_source
source = open_source(DataConfig(name="tf_flowers", data_dir=sys.argv[1]))
before = set(sys.modules)
source.image_size
assert not {"tensorflow", "apache_beam", "tfx"} & set(sys.modules)
print("CAME", source.image_size, sorted(name for name in set(sys.modules) - before))
"""


def encoded(width, height, kind="JPEG"):
    out = io.BytesIO()
    Image.new("RGB", (width, height), "#3a7d44").save(out, kind)
    return out.getvalue()


def example(image=None):
    record = tf.train.Example()
    if image is not None:
        record.features.feature["image"].bytes_list.value.append(image)
    return record.SerializeToString()


@pytest.fixture(scope="module")
def flowers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flowers")
    return prepare_flowers(folder, 200), DataConfig(name="tf_flowers", data_dir=str(folder))


def test_a_static_shape_is_the_size_and_nothing_is_read(tmp_path):
    prepare_digits(tmp_path)
    source = open_source(DataConfig(name="digits", data_dir=str(tmp_path)))
    Path(source.shards[0].path).unlink()
    assert source.image_size == (8, 8)


def test_otherwise_it_is_the_median_of_the_first_64(flowers):
    builder, config = flowers
    shapes = [image.shape[:2] for image, _ in builder.as_dataset("train[:85%]", as_supervised=True)]
    expected = tuple(round(side) for side in np.median(shapes[:64], axis=0))
    assert len(set(shapes)) > 60
    assert open_source(config).image_size == expected


def test_a_draw_does_not_change_it(flowers):
    _, config = flowers
    few = config.model_copy(update={"examples_per_class": 1})
    assert open_source(few).image_size == open_source(config).image_size


def test_it_is_the_slice_that_is_looked_at(flowers):
    builder, config = flowers
    shapes = [image.shape[:2] for image, _ in builder.as_dataset("train", as_supervised=True)]
    expected = tuple(sorted(sides)[1] for sides in zip(*shapes[150:153], strict=True))
    splits = SplitsConfig(train="train[150:153]")
    assert open_source(config.model_copy(update={"splits": splits})).image_size == expected


def test_a_source_is_pickled_before_and_after_the_look(flowers):
    source = open_source(flowers[1])
    before = pickle.loads(pickle.dumps(source))
    size = source.image_size
    after = pickle.loads(pickle.dumps(source))
    assert before.image_size == after.image_size == size
    assert before == source


def test_the_look_loads_no_framework(flowers):
    ran = subprocess.run(
        [sys.executable, "-c", LOOK, flowers[1].data_dir],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    loaded = ran.stdout.partition("CAME")[2]
    assert all(word not in loaded for word in ("keras", "pyarrow", "jax", "scipy"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_no_pixel_is_decoded(kind):
    whole = encoded(640, 480, kind)
    half = whole[: len(whole) // 2]
    with Image.open(io.BytesIO(half)) as image, pytest.raises(OSError, match=r"truncated"):
        image.load()
    assert header_size(half) == (480, 640)


def test_what_is_no_image_is_left_out():
    for junk in (b"", b"this is no image", b"\xff\xd8\xff", encoded(9, 9)[:20]):
        assert header_size(junk) is None
    records = [example(b"junk"), example(), b"\xff no example", example(encoded(30, 20))]
    assert median_size(records) == (20, 30)
    assert median_size(records[:-1]) is None
    assert median_size([]) is None


def test_height_and_width_have_a_median_each():
    records = [example(encoded(*size)) for size in ((10, 300), (20, 100), (90, 200))]
    assert median_size(records) == (200, 20)
    assert median_size(records[:2]) == (200, 15)


def test_a_picture_too_large_to_be_one_is_left_out():
    header = struct.pack(">IIBBBBB", 1 << 20, 1 << 20, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header
    chunk += struct.pack(">I", zlib.crc32(b"IHDR" + header))
    assert header_size(b"\x89PNG\r\n\x1a\n" + chunk) is None


def test_no_readable_image_is_told_with_the_key(tmp_path, flowers):
    path = tmp_path / "junk"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for _ in range(70):
            writer.write(example(b"junk"))
    shard = TfdsShard("train", 0, 1, str(path), 0, 70, file_format="tfrecord")
    source = replace(open_source(flowers[1]), shards=(shard,))
    with pytest.raises(UserError, match=r"data\.name tf_flowers/3\.0\.1: none of the first 64"):
        _ = source.image_size


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
@pytest.mark.parametrize(
    "slice_", ["train[:200]+train[210:]", "train[90%:]", "train[1700:]+train[:20]"]
)
def test_a_glance_sees_what_the_step_reads(tmp_path, file_format, slice_):
    prepare_digits(tmp_path, file_format, shards=3)
    splits = SplitsConfig(train=slice_, eval="train[200:210]")
    source = open_source(DataConfig(name="digits", data_dir=str(tmp_path), splits=splits))
    train = [shard for shard in source.shards if shard.split == "train"]
    everything = [
        stored.record
        for stored in itertools.chain.from_iterable(shard.records() for shard in train)
    ]
    assert list(first_records(train, 110)) == everything[:110]
    assert list(first_records(train, 10_000)) == everything


def test_a_glance_reaches_an_object_store(store):
    with tf.io.TFRecordWriter(f"{store}/file") as writer:
        for number in range(9):
            writer.write(b"%d" % number * 1000)
    shard = TfdsShard("train", 0, 1, f"{store}/file", 4, 3, file_format="tfrecord")
    assert [record[:1] for record in first_records([shard], 64)] == [b"4", b"5", b"6"]


@pytest.mark.parametrize(
    ("left_bytes", "whole"), [(0, 0), (5, 0), (12, 0), (100, 0), (200, 1), (232, 2), (348, 3)]
)
def test_a_glance_ends_where_a_file_is_cut_off(tmp_path, left_bytes, whole):
    path, record = tmp_path / "cut", b"x" * 100
    with tf.io.TFRecordWriter(str(path)) as writer:
        for _ in range(3):
            writer.write(record)
    path.write_bytes(path.read_bytes()[:left_bytes])
    shard = TfdsShard("train", 0, 1, str(path), 0, 3, file_format="tfrecord")
    assert list(first_records([shard], 64)) == [record] * whole


def test_a_glance_at_what_is_no_record_file_sees_nothing(tmp_path):
    path = tmp_path / "junk"
    path.write_bytes(b"\xff" * 500)
    shard = TfdsShard("train", 0, 1, str(path), 0, 3, file_format="tfrecord")
    assert list(first_records([shard], 64)) == []
