"""What a run reads, settled before it starts: the splits of its data above all."""

import logging

import pytest

from components.errors import UserError
from pipeline.config import dump_config, override_config
from pipeline.inputs.resolve import resolve
from pipeline.run.layout import Layout
from pipeline.run.record import Record
from pipeline.run.report import report_settings
from pipeline.run.summary import Summary
from tests.components.example_gen.trees import write_classes


def config_of(root, *overrides):
    values = {
        "pipeline_name": "photos",
        "data": {"folder": str(root)},
        "preprocessing": {"resize": 32, "crop": None},
        "backbone": {"handle": "bit-mini"},
        "evaluation": {"min_accuracy": 0.5},
    }
    return override_config(values, overrides)


@pytest.fixture
def photos(tmp_path):
    """120 images in train/, 45 in val/ and 30 in test/."""
    for split, count in (("train", 40), ("val", 15), ("test", 10)):
        counts = dict.fromkeys(("a", "b", "c"), count)
        write_classes(tmp_path / "photos" / split, counts)
    return tmp_path / "photos"


def test_the_splits_of_the_data_are_in_the_resolved_configuration(tmp_path, photos, caplog):
    caplog.set_level(logging.INFO)
    inputs = resolve(config_of(photos), Layout(tmp_path / "out"))
    splits = {"train": "train", "eval": "val", "test": "test"}
    assert inputs.config.data.splits.model_dump() == inputs.source.slices == splits
    counts = {split: inputs.source.num_examples(split) for split in splits}
    assert counts == {"train": 120, "eval": 45, "test": 30}
    note = "train reads train (120 images), eval reads val (45 images), test reads test (30 images)"
    assert note in caplog.text
    rows = report_settings(inputs.config, inputs, "1").sources
    assert [text for kind, text, _, _ in rows if kind == "Note"] == list(inputs.source.notes)
    # As it is given, so that a second run of the same is the same.
    given = "data.splits={train: train, eval: val, test: test}"
    again = resolve(config_of(photos, given), Layout(tmp_path / "out"))
    assert (again.key, again.source.fingerprint) == (inputs.key, inputs.source.fingerprint)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("training.class_weights={a: 2.0, B: 1.0}", "folder/photos has no class 'B'; there are: a"),
        ("search.crop=[24, 40]", r"search\.crop\.1 40 is larger .*, 32; give a smaller one"),
    ],
)
def test_what_does_not_go_with_the_data_is_told_by_its_key(tmp_path, photos, override, told):
    with pytest.raises(UserError, match=told):
        resolve(config_of(photos, override), Layout(tmp_path / "out"))


def test_the_test_split_of_a_folder_can_judge(tmp_path, photos):
    inputs = resolve(config_of(photos, "evaluation.split=test"), Layout(tmp_path / "out"))
    assert inputs.config.evaluation.split in inputs.source.split_fingerprints
    for split in ("val", "test"):
        (photos / split).rename(tmp_path / split)
    with pytest.raises(UserError, match=r"evaluation\.split is test, but folder/photos has no"):
        resolve(config_of(photos, "evaluation.split=test"), Layout(tmp_path / "out"))


def test_the_summary_has_the_resolved_configuration(tmp_path, photos):
    config = config_of(photos)
    assert config.data.splits is None
    summary = Summary(config=dump_config(config))
    resolved = resolve(config, Layout(tmp_path / "out")).config
    event = {"event": "inputs", "config": dump_config(resolved)}
    Record(summary).take(event)
    assert summary.config["data"]["splits"] == {"train": "train", "eval": "val", "test": "test"}
    assert summary.config["evaluation"] == dump_config(config)["evaluation"]


def test_columns_that_the_evaluation_slices_by_come_with_the_table(tmp_path, photos):
    files = [path.relative_to(photos) for path in sorted(photos.rglob("*.jpg"))]
    rows = [f"{path},{path.parts[1]},{path.parts[0]},{path.name[3]}" for path in files]
    table = photos / "labels.csv"
    table.write_text("\n".join(["path,label,split,camera", *rows]) + "\n")

    def resolved(feature, *more):
        slices = [f"{{feature: {each}, min_accuracy: 0.1}}" for each in (feature, "image_side")]
        given = [f"data={{table: {table}}}", f"evaluation.slices=[{', '.join(slices)}]", *more]
        return resolve(config_of(photos, *given), Layout(tmp_path / "out"))

    inputs = resolved("camera")
    assert inputs.config.data.table.columns == ("camera",)
    assert inputs.source.features == ("label", "camera")
    counts = {split: inputs.source.num_examples(split) for split in inputs.source.slices}
    assert counts == {"train": 120, "eval": 45, "test": 30}
    again = resolved("camera", "data.table.columns=[camera]")
    assert (again.key, again.source.fingerprint) == (inputs.key, inputs.source.fingerprint)
    assert resolved("image_side").source.fingerprint != inputs.source.fingerprint
    with pytest.raises(UserError, match=r"data\.table\.columns: .*'camra'; did you mean 'camera'"):
        resolved("camra")
    with pytest.raises(UserError, match=r"slices\.0\.feature: there is no feature 'camera'"):
        resolved("camera", "data.table.columns=[]")
