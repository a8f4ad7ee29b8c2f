"""From a table, and from a file of one line, to a pushed model."""

import csv
from collections import Counter

import numpy as np
import pytest

from components.evaluator.prediction_table import read_predictions
from components.evaluator.results import read_gates
from components.example_gen.index import read_index
from tests import folders
from tests.e2e.test_data import artifact

SLICED = """\
data: {table: labels.csv}
evaluation:
  min_accuracy: 0.4
  slices: [{feature: camera, min_accuracy: 0.1}]
"""
CAMERAS = ("left", "right")


@pytest.mark.slow
@pytest.mark.long
def test_a_table_and_its_folder_train_the_same_model_and_a_column_is_a_slice(run, tmp_path):
    folders.write_photos(tmp_path / "photos", 240)
    files = sorted((tmp_path / "photos").rglob("*.*"))
    camera = {
        f"photos/{path.parent.name}/{path.name}": CAMERAS[i % 3 > 0] for i, path in enumerate(files)
    }
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        rows = [(name, name.split("/")[1], where) for name, where in camera.items()]
        csv.writer(file).writerows([("file_name", "label", "camera"), *rows])
    (tmp_path / "folder.yaml").write_text("data: {folder: photos}\n")
    (tmp_path / "table.yaml").write_text(SLICED)
    few = "training.schedule={steps: 24, boundaries: [20]}"
    ended = {
        name: run(tmp_path / name, few, arguments=("--config", str(tmp_path / f"{name}.yaml")))
        for name in ("folder", "table")
    }
    for each in ended.values():
        assert each.exit_code == 0, each.out + each.err
        assert "so chosen: pipeline_name=" in each.out
    folder, table = (each.summary for each in ended.values())
    assert table["counts"] == folder["counts"]
    assert table["metrics"] == folder["metrics"]
    assert table["config"]["data"]["table"]["columns"] == ["camera"]
    assert table["config"]["data"]["splits"] == folder["config"]["data"]["splits"]
    table_of = read_predictions(artifact(ended["table"], "Evaluator/evaluation"))
    cut = {"left": [], "right": []}
    for row in table_of.to_pylist():
        (slice_,) = row["slices"]
        assert slice_["feature"] == "camera"
        cut[slice_["value"]].append(row["label"] == row["predicted"])
    read = read_index(artifact(ended["table"], "ImageExampleGen/index"), "eval")
    counts = Counter(camera[source] for source in read["source"].to_pylist())
    assert {value: len(right) for value, right in cut.items()} == counts
    gates = read_gates(artifact(ended["table"], "Evaluator/evaluation"))
    found = {g.subject: g.value for g in gates if g.key.startswith("evaluation.slices")}
    assert found == {
        f"accuracy where camera is {value}": pytest.approx(np.mean(right), abs=1e-6)
        for value, right in cut.items()
    }
