"""What TFDV says of images: as images, and briefly."""

import os
import subprocess
import sys

import pytest
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2

from components.example_gen.config import DataConfig
from pipeline.inputs.code import ROOT
from pipeline.inputs.schema import for_curation
from pipeline.shipped import SCHEMAS


@pytest.fixture(scope="module")
def validated(tmp_path_factory):
    """Runs the three steps on 1,000 scans and 50; by kind, their folder and what they said."""

    def run(*kinds, schema=None):
        folder = tmp_path_factory.mktemp("validated")
        given = [str(folder), ",".join(kinds), *([str(schema)] if schema else [])]
        ran = subprocess.run(
            [sys.executable, "-m", "tests.pipeline.validate", *given],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=dict(os.environ),
            check=False,
        )
        said = ran.stdout.decode(errors="replace")
        assert ran.returncode == 0, said[-3000:]
        _, *parts = said.split("=== ")
        return {kind: (folder / kind, part) for kind, part in zip(kinds, parts, strict=True)}

    return run


@pytest.fixture(scope="module")
def inferred(validated):
    return validated("mixed")["mixed"]


@pytest.fixture(scope="module")
def curated(inferred, tmp_path_factory):
    """The schema that write_schema makes of the inferred one."""
    text = (inferred[0] / "schema" / "schema.pbtxt").read_text()
    path = tmp_path_factory.mktemp("curated") / "s.pbtxt"
    path.write_text(for_curation(text, 10, DataConfig(name="digits"), str(path)))
    return path


@pytest.fixture(scope="module")
def held(validated, curated):
    """Data that are held against the curated schema."""
    return validated("mixed", "poison", schema=curated)


def feature(statistics, name):
    (dataset,) = statistics.datasets
    return next(found for found in dataset.features if (found.path.step or [found.name])[0] == name)


def statistics_of(folder, split="train"):
    return tfdv.load_stats_binary(str(folder / "statistics" / f"Split-{split}" / "FeatureStats.pb"))


def anomalies_of(folder, split):
    found = anomalies_pb2.Anomalies()
    found.ParseFromString((folder / "anomalies" / f"Split-{split}" / "SchemaDiff.pb").read_bytes())
    return {name: info.short_description for name, info in found.anomaly_info.items()}


def formats_of(folder, split="train"):
    image = feature(statistics_of(folder, split), "image")
    (histogram,) = (one for one in image.custom_stats if one.name == "image_format_histogram")
    return {bucket.label: bucket.sample_count for bucket in histogram.rank_histogram.buckets}


def schema_of(folder):
    schema = tfdv.load_schema_text(str(folder / "schema" / "schema.pbtxt"))
    return {found.name: found for found in schema.feature}


def test_images_are_counted_by_format(inferred):
    assert formats_of(inferred[0]) == {"png": 800, "jpeg": 200}


def test_labels_are_counted_by_class(inferred):
    label = feature(statistics_of(inferred[0]), "label")
    assert label.num_stats.num_zeros > 50 or label.string_stats.unique == 10


@pytest.mark.parametrize("line", ["decode", "UTF-8", "utf-8"])
def test_the_log_says_nothing_of_single_images(inferred, line):
    assert line not in inferred[1]


def test_the_log_is_short(inferred):
    step = inferred[1].partition("--- StatisticsGen")[2].partition("--- SchemaGen")[0]
    assert len(step.splitlines()) < 60
    assert len(step) < 20_000


def test_the_inferred_schema_knows_an_image(inferred):
    image = schema_of(inferred[0])["image"]
    assert image.HasField("image_domain")
    assert image.presence.min_fraction == 1.0
    assert anomalies_of(inferred[0], "train") == anomalies_of(inferred[0], "eval") == {}


def test_the_written_schema_holds_on_the_data_that_it_comes_of(held):
    folder, _ = held["mixed"]
    assert schema_of(folder)["image"].image_domain.minimum_supported_image_fraction == 1.0
    assert anomalies_of(folder, "train") == anomalies_of(folder, "eval") == {}


def test_a_format_that_is_none_is_an_anomaly(held):
    folder, said = held["poison"]
    assert formats_of(folder) == {"png": 900, "UNKNOWN": 100}
    assert anomalies_of(folder, "train") == {"image": "Low supported image fraction"}
    assert "UTF-8" not in said
    # Of fewer than a hundred TFDV says nothing; the screen has looked at each.
    assert anomalies_of(folder, "eval") == {}


def test_the_shipped_schemas_ask_for_what_a_written_one_does(curated):
    for name in ("digits", "flowers"):
        shipped = {f.name: f for f in tfdv.load_schema_text(str(SCHEMAS / f"{name}.pbtxt")).feature}
        written = {f.name: f for f in tfdv.load_schema_text(str(curated)).feature}
        assert shipped["image"] == written["image"]
        if name == "digits":
            assert shipped == written
