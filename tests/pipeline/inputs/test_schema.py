"""The curated schema: found, refused, or inferred and written."""

import json
import os
from types import SimpleNamespace

import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import UserError
from components.example_gen.component import ImageExampleGen
from components.example_gen.config import DataConfig
from components.progress import EVENT, LOGGER
from pipeline.config import load_config
from pipeline.inputs.schema import FILE, for_curation, settle_schema, write_inferred
from pipeline.run.layout import Layout
from pipeline.shipped import SCHEMAS

INFERRED = """
feature { name: "image" value_count { min: 1 max: 1 } type: BYTES presence { min_count: 1 } }
feature {
  name: "label" type: INT presence { min_fraction: 1.0 min_count: 1 } shape { dim { size: 1 } }
}
feature { name: "camera" type: BYTES domain: "camera" }
string_domain { name: "camera" value: "Größe" value: "x" }
string_domain { name: "label" value: "0" value: "1" }
"""


def data(**given):
    return DataConfig(name="digits", **given)


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "out")


@pytest.fixture
def notes():
    """What the user is told."""
    told = []
    handler = SimpleNamespace(level=0, handle=lambda record: told.append(record.__dict__[EVENT]))
    before = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel("INFO")
    yield told
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(before)


@pytest.fixture
def outputs(tmp_path):
    """Artifacts of a run that inferred its schema."""
    folder = tmp_path / "schema" / "3"
    folder.mkdir(parents=True)
    (folder / FILE).write_text(INFERRED)
    return {"SchemaGen.schema": SimpleNamespace(uri=str(folder))}


def parsed(path):
    return text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())


class TestSettle:
    def test_without_a_word_it_is_inferred(self, layout, notes):
        assert settle_schema(data(), layout) is None
        assert notes == []

    def test_a_shipped_one_is_kept_by_its_content(self, layout):
        kept = settle_schema(data(curated_schema="digits"), layout)
        assert kept.read_bytes() == (SCHEMAS / "digits.pbtxt").read_bytes()
        assert kept.is_relative_to(layout.schemas)

    def test_nothing_there_yet_is_inferred_and_its_folder_made(self, layout, tmp_path, notes):
        assert settle_schema(data(write_schema=f"{tmp_path}/a/b/s.pbtxt"), layout) is None
        assert os.listdir(tmp_path / "a") == ["b"]
        assert os.listdir(tmp_path / "a" / "b") == []
        assert notes == []

    def test_what_is_there_is_used_and_stays(self, layout, tmp_path, notes):
        path = tmp_path / "s.pbtxt"
        path.write_text(INFERRED)
        kept = settle_schema(data(write_schema=str(path)), layout)
        assert kept.read_text() == path.read_text() == INFERRED
        assert [note["event"] for note in notes] == ["note"]
        assert notes[0]["text"] == f"Schema: {path} exists, and is used unchanged"

    def test_an_edit_is_another_file(self, layout, tmp_path):
        path = tmp_path / "s.pbtxt"
        path.write_text(INFERRED)
        first = settle_schema(data(write_schema=str(path)), layout)
        path.write_text(INFERRED + "# seen")
        assert settle_schema(data(write_schema=str(path)), layout) != first

    @pytest.mark.parametrize("key", ["curated_schema", "write_schema"])
    @pytest.mark.parametrize("content", [b"feature { nam", b"\xff\xfe", b"[1, 2]"])
    def test_what_is_no_schema_is_told_by_its_key(self, layout, tmp_path, key, content):
        path = tmp_path / "s.pbtxt"
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"data.{key} {path} is not a TFMD schema"):
            settle_schema(data(**{key: str(path)}), layout)

    def test_a_folder_is_no_schema(self, layout, tmp_path):
        with pytest.raises(UserError, match=r"data.write_schema .* cannot be read"):
            settle_schema(data(write_schema=str(tmp_path)), layout)

    def test_a_place_that_cannot_be_written_is_told_before_the_run(self, layout, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(UserError, match=r"data.write_schema .* cannot be written"):
            settle_schema(data(write_schema=f"{tmp_path}/file/s.pbtxt"), layout)

    def test_in_a_store(self, layout, store):
        path = f"{store}/schemas/s.pbtxt"
        assert settle_schema(data(write_schema=path), layout) is None
        write_whole_text(path)
        assert settle_schema(data(write_schema=path), layout).read_text() == INFERRED


def write_whole_text(path):
    from components.storage import as_path, write_whole

    write_whole(as_path(path), INFERRED)


class TestWrite:
    def test_it_is_written_once_with_a_word_to_whoever_edits_it(self, tmp_path, outputs, notes):
        path = tmp_path / "new" / "s.pbtxt"
        write_inferred(data(write_schema=str(path)), outputs, 10)
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# Inferred from digits")
        assert f"data.curated_schema: {path}" in text
        assert [note["text"] for note in notes] == [
            f"Schema: written to {path}; later runs validate their data against it"
        ]
        path.write_text("mine")
        write_inferred(data(write_schema=str(path)), outputs, 10)
        assert path.read_text() == "mine"
        assert len(notes) == 1

    def test_image_and_label_are_as_they_must_be_and_the_rest_as_it_was_seen(self):
        text = for_curation(INFERRED, 4, data(), "s.pbtxt")
        schema = text_format.Parse(text, schema_pb2.Schema())
        image, label, camera = schema.feature
        assert image.image_domain.minimum_supported_image_fraction == 1.0
        domain = label.int_domain
        assert (domain.min, domain.max, domain.is_categorical) == (0, 3, True)
        for feature in (image, label):
            assert feature.presence.min_fraction == 1.0
            assert [dim.size for dim in feature.shape.dim] == [1]
            assert not feature.HasField("value_count")
        seen = text_format.Parse(INFERRED, schema_pb2.Schema())
        assert camera == seen.feature[2]
        assert list(schema.string_domain) == [seen.string_domain[0]]
        assert "Größe" in text

    def test_it_is_a_curated_schema(self, layout, tmp_path, outputs):
        path = tmp_path / "s.pbtxt"
        write_inferred(data(write_schema=str(path)), outputs, 10)
        kept = settle_schema(data(curated_schema=str(path)), layout)
        assert parsed(kept) == parsed(path)
        assert tfdv.load_schema_text(str(kept)) == parsed(path)

    def test_without_a_wish_or_a_schema_nothing_is_written(self, tmp_path, outputs, notes):
        write_inferred(data(), outputs, 10)
        write_inferred(data(write_schema=f"{tmp_path}/s.pbtxt"), {}, 10)
        assert notes == []
        assert not (tmp_path / "s.pbtxt").exists()

    def test_a_disk_that_refuses_costs_no_run(self, tmp_path, outputs, notes):
        (tmp_path / "file").write_text("")
        write_inferred(data(write_schema=f"{tmp_path}/file/s.pbtxt"), outputs, 10)
        assert "could not be written" in notes[0]["text"]

    def test_in_a_store(self, store, outputs, notes):
        from components.storage import as_path

        write_inferred(data(write_schema=f"{store}/schemas/s.pbtxt"), outputs, 10)
        text = as_path(f"{store}/schemas/s.pbtxt").read_text()
        assert "minimum_supported_image_fraction" in text


class TestConfig:
    def test_both_are_refused(self):
        with pytest.raises(UserError, match=r"data: curated_schema and write_schema exclude"):
            load_config("digits", overrides=["data.write_schema=s.pbtxt"])

    def test_a_path_on_the_command_line_counts_from_here(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        given = ["data.curated_schema=null", "data.write_schema=new/s.pbtxt"]
        config = load_config("digits", overrides=given)
        assert config.data.write_schema == str(tmp_path / "new" / "s.pbtxt")

    def test_the_data_are_the_same_whatever_they_are_held_against(self):
        made = [
            ImageExampleGen(data(**given), "f", 1, "c").exec_properties["data"]
            for given in ({}, {"curated_schema": "digits"}, {"write_schema": "/s.pbtxt"})
        ]
        assert len(set(made)) == 1
        assert DataConfig.model_validate_json(made[0]) == data()
        assert not {"curated_schema", "write_schema"} & set(json.loads(made[0]))
