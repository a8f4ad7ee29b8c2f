"""What the report takes of artifacts of the data, each of them there or not."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from tfx.types import standard_artifacts

from components.artifacts import DataPictures, ImageIndex
from components.data_gate.checks import Check, write_checks
from components.example_gen import index
from components.example_gen.counts import SplitCounts, set_counts
from components.report.collect_data import data_parts

COUNTS = {"train": SplitCounts(4, 3, {"truncated": 1}), "eval": SplitCounts(1, 1, {})}


def artifact_of(kind, folder, splits=()):
    folder.mkdir(parents=True, exist_ok=True)
    artifact = kind()
    artifact.uri = str(folder)
    if splits:
        artifact.split_names = json.dumps(splits)
    return artifact


def examples(folder):
    found = artifact_of(standard_artifacts.Examples, folder / "examples", ["eval", "train"])
    set_counts(found, COUNTS)
    return found


def write_index(folder, split, labels):
    rows = [
        index.IndexRow(f"x#{n}", label, "png", 8, 6 + n, 90, b"\0" * 32, 1)
        for n, label in enumerate(labels)
    ]
    columns = dict(zip(index.IndexRow._fields, zip(*rows, strict=True), strict=True))
    (folder / f"Split-{split}").mkdir(parents=True)
    table = pa.table({name: list(of) for name, of in columns.items()}, schema=index.schema())
    pq.write_table(table, folder / f"Split-{split}" / "part-00000-of-00001.parquet")


def test_without_artifacts_there_is_nothing():
    assert data_parts({}, 3) == {}


def test_counts_are_of_the_examples_whether_they_have_an_index_or_not(tmp_path):
    parts = data_parts({"ImageExampleGen.examples": examples(tmp_path)}, 3)
    assert parts == {"counts": COUNTS}


def test_examples_that_were_never_counted_have_no_counts(tmp_path):
    made = artifact_of(standard_artifacts.Examples, tmp_path, ["train"])
    assert data_parts({"ImageExampleGen.examples": made}, 3) == {"counts": {}}


def test_the_index_is_read_split_by_split_and_train_comes_first(tmp_path):
    write_index(tmp_path / "index", "train", [0, 2, 2])
    write_index(tmp_path / "index", "eval", [1])
    found = artifact_of(ImageIndex, tmp_path / "index")
    artifacts = {"ImageExampleGen.examples": examples(tmp_path), "ImageExampleGen.index": found}
    images = data_parts(artifacts, 3)["images"]
    assert [(each.split, each.labels) for each in images.splits] == [
        ("train", (1, 0, 2)),
        ("eval", (0, 1, 0)),
    ]


def test_checks_are_taken_as_the_gate_wrote_them(tmp_path):
    row = Check("data_gate.duplicates", "eval split", False, False, 3.0, None, "3 images are")
    made = artifact_of(standard_artifacts.ExampleAnomalies, tmp_path)
    write_checks([row], {}, str(tmp_path))
    assert data_parts({"DataGate.checks": made}, 3) == {"checks": (row,)}


def test_pictures_are_taken_in_the_smaller_format(tmp_path):
    made = artifact_of(DataPictures, tmp_path)
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "before.png")
    Image.new("RGB", (200, 200)).save(tmp_path / "after.png")
    parts = data_parts({"Pictures.pictures": made}, 3)
    formats = [
        Image.open(io.BytesIO(parts[name])).format for name in ("stored_images", "trained_images")
    ]
    assert formats == ["JPEG", "PNG"]
