"""The whole pipeline with everything but its metadata in an object store."""

import json
import os
import subprocess
import sys

import pytest

from pipeline.inputs.code import ROOT
from tests.e2e.conftest import QUICK

pytestmark = pytest.mark.slow

RUN = """
import json, sys
import pytest
from tests import ram

ram.take_ram_for_a_store(pytest.MonkeyPatch())
ram.let_beam_write_to_ram()

from tfx.orchestration import metadata
from components.storage import as_path, copy_tree
from components.backbone.config import SHIPPED
from pipeline.config import load_config
from pipeline.inputs.resolve import resolve
from pipeline.run.layout import Layout
from pipeline.config.beam import IN_PROCESS
from pipeline.run.compile import compiled
from pipeline.run.dag_runner import LocalDagRunner
from components.lineage.outputs import read_outputs
from pipeline.run.outcome import read_outcome
from pipeline.pipeline import create_pipeline
from pipeline.run.report import publish, publish_runs
from pipeline.inputs.span import settle_span
from components.finite import write_json
from pipeline.run.summary import Summary

local, overrides, ended = sys.argv[1], json.loads(sys.argv[2]), {}
handle = f"{ram.URI}/bit-mini"
copy_tree(SHIPPED["bit-mini"], as_path(handle))


def run(name, output, handle):
    config = load_config(overrides=[*overrides, f"backbone.handle={handle}"])
    layout = Layout(output)
    inputs = resolve(config, layout)
    connection = metadata.sqlite_metadata_connection_config(f"{local}/{name}.sqlite")
    for run_id in ("1", "2"):
        pipeline = create_pipeline(
            config,
            inputs,
            settle_span(connection, config.pipeline_name, inputs.source.fingerprint),
            pipeline_root=str(layout.artifacts),
            serving=str(layout.serving),
            checkpoints=str(layout.checkpoints),
            run_id=run_id,
            metadata=connection,
            beam_pipeline_args=[f"--runner={IN_PROCESS}"],
        )
        LocalDagRunner().run_with_ir(compiled(pipeline, run_id))
        outputs = read_outputs(connection, run_id)
        outcome = read_outcome(outputs, inputs.source.class_names)
        ended[f"{name} {run_id}"] = outcome
        if name == "local":
            return
        page = (as_path(outputs["Report.report"].uri) / "index.html").read_text()
        publish(page, layout.report)
        summary = {**vars(Summary(run_id=run_id, exit_code=0)), **outcome, "steps": []}
        write_json(layout.logs(run_id) / layout.summary.name, {"finished": run_id, **summary})
        publish_runs(config.pipeline_name, layout)
    ended["runs"] = layout.runs.read_text()
    ended["page"] = layout.report.read_text()
    ended["sha256"] = inputs.backbone.sha256
    served = tf.saved_model.load(ended["store 1"]["pushed"])
    scan = tf.io.encode_png(tf.zeros((8, 8, 1), tf.uint8))[tf.newaxis]
    ended["answer"] = served.signatures["predict_image"](scan)["probabilities"].numpy().tolist()


import tensorflow as tf

run("local", f"{local}/disk", SHIPPED["bit-mini"])
run("store", f"{ram.URI}/digits", handle)
ended["files"] = sorted(ram.files())
print("ENDED" + json.dumps(ended))
"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory, tfds_dir):
    """What the runs came to, one on the local disk and two in the store, in one process."""
    folder = tmp_path_factory.mktemp("object_store")
    environment = {**os.environ, "TFDS_DATA_DIR": str(tfds_dir)}
    ran = subprocess.run(
        [sys.executable, "-c", RUN, str(folder), json.dumps(QUICK)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-6000:]
    assert not (ROOT / "ram:").exists()
    return json.loads(ran.stdout.rpartition("ENDED")[2])


def test_the_model_is_pushed_to_the_store_and_answers(ended):
    first = ended["store 1"]
    assert first["blessed"]
    assert first["pushed"].startswith("ram://bucket/digits/serving/1")
    version = first["pushed"].removeprefix("ram://bucket/")
    names = ("saved_model.pb", "variables/variables.index", "assets.extra/model_card.json")
    assert {f"{version}/{name}" for name in names} < set(ended["files"])
    assert sum(ended["answer"][0]) == pytest.approx(1, abs=1e-5)


def test_a_second_run_is_no_baseline_of_its_own_and_pushes_nothing(ended):
    """It is the model that serves; before it there was none."""
    second = ended["store 2"]
    assert second["metrics"] == ended["store 1"]["metrics"]
    assert second["baseline_metrics"] == {}
    assert second["pushed"] is None
    versions = {name.split("/")[2] for name in ended["files"] if name.startswith("digits/serving/")}
    assert len(versions) == 1


def test_its_metrics_are_those_of_the_same_run_on_disk(ended):
    stored, on_disk = ended["store 1"]["metrics"], ended["local 1"]["metrics"]
    assert stored.pop("per_class") == on_disk.pop("per_class")
    assert stored == pytest.approx(on_disk, abs=1e-6)


def test_the_report_of_the_run_and_of_all_runs_are_in_the_store(ended):
    assert {"digits/report/index.html", "digits/report/runs.html"} < set(ended["files"])
    assert "<section" in ended["page"]
    assert "bit-mini" in ended["page"]
    assert ended["runs"].count("<tr") == 3


def test_the_backbone_and_the_schema_are_read_in_the_store(ended):
    from components.backbone.config import SHIPPED

    note = (SHIPPED["bit-mini"].parent / "PROVENANCE.md").read_text()
    assert ended["sha256"] in note
    assert any(name.startswith("digits/metadata/schemas/") for name in ended["files"])


def test_nothing_that_was_being_written_is_left(ended):
    assert not [name for name in ended["files"] if "unfinished" in name or "beam-temp" in name]
