"""gs:// itself, by TensorFlow's own client, against a storage on this machine."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from components.backbone.config import SHIPPED
from components.digests import digest_of_folder
from pipeline.inputs.code import ROOT
from tests import gcs

ASK = """
import json, pathlib, sys
from components.digests import digest_of_folder
from components.errors import UserError
from components.pusher.versions import add_version, served, served_digest, versions
from components.storage import copy_tree, files_below, write_whole
from components.backbone.handle import find_backbone, load_backbone
from components.backbone.config import SHIPPED, BackboneConfig
from pipeline.run.layout import Layout

came, model, layout = {}, SHIPPED["bit-mini"], Layout("gs://bucket/run")
came["nothing"] = [versions(layout.serving), served_digest(layout.serving)]
for text in ("an older page", "ä"):
    write_whole(layout.report, text)
came["page"] = layout.report.read_text(encoding="utf-8")
for run_id in ("1", "2"):
    write_whole(layout.logs(run_id) / "run_summary.json", "{}")
came["runs"] = sorted(map(str, layout.logs("").glob("*/run_summary.json")))

came["pushed"] = [str(add_version(model, layout.serving, 5)) for _ in range(2)]
write_whole(layout.serving / "9" / "variables" / "data", "of a push that broke off")
came["served"] = [str(served(layout.serving)), served_digest(layout.serving)]
add_version(model, layout.serving, 100_000)
came["versions"] = versions(layout.serving)
came["left"] = sorted(path.name for path in layout.serving.iterdir())
came["files"] = files_below(layout.serving / "5")

found = find_backbone(BackboneConfig(handle="gs://bucket/run/serving/5"))
came["backbone"] = [found.path, found.sha256]
came["trainable"] = len(load_backbone(found.path, "full").trainable_variables)
for handle in ("gs://bucket/none", "s3://bucket/none"):
    try:
        find_backbone(BackboneConfig(handle=handle))
    except UserError as error:
        came[handle] = str(error)
back = pathlib.Path(sys.argv[1])
copy_tree(layout.serving / "5", back)
came["back"] = digest_of_folder(back)

import pyarrow as pa, pyarrow.parquet as pq
from components.example_gen.config import TableConfig
from components.example_gen.sources.slices import Run
from components.example_gen.sources.table import open_table
from components.storage import as_path
local = back.with_name("local.jpg")
local.write_bytes(b"here")
for name in ("owl/1.jpg", "wren/2.jpg"):
    write_whole(as_path("gs://bucket/photos/" + name), name)
rows = "image,label\\n" + "".join(f"{n},{n.split('/')[0]}\\n" for n in ("owl/1.jpg", "wren/2.jpg"))
write_whole(as_path("gs://bucket/photos/labels.csv"), rows)
write_whole(
    as_path("gs://bucket/other/mixed.csv"),
    f"image,label\\ngs://bucket/photos/owl/1.jpg,owl\\n{local},wren\\n",
)
write_whole(as_path("gs://bucket/photos/wrong.csv"), rows + "owl/3.jpg,owl\\n../x.jpg,owl\\n")
packed = pa.BufferOutputStream()
pq.write_table(pa.table({"image": [b"owl", b"wren"], "label": ["owl", "wren"]}), packed)
as_path("gs://bucket/packed/a.parquet").write_bytes(packed.getvalue().to_pybytes())
for path in ("photos/labels.csv", "other/mixed.csv", "packed/*.parquet", "photos/wrong.csv"):
    try:
        data = open_table(TableConfig(path=f"gs://bucket/{path}"), 1000)
    except UserError as error:
        came[path] = str(error)
        continue
    (shard,) = data.shards("train", [Run("train", 0, 2)])
    images = sorted([i.source, i.image.decode(), i.error] for i in shard.images())
    came[path] = [data.full_name, images, len(data.fingerprint([Run("train", 0, 2)]))]
print("CAME" + json.dumps(came))
"""


@pytest.fixture(scope="module")
def came(tmp_path_factory):
    """What a process of its own got from the storage."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl (apt-get install openssl)")
    folder = tmp_path_factory.mktemp("gcs")
    with gcs.running(folder) as environment:
        ran = subprocess.run(
            [sys.executable, "-c", ASK, str(folder / "back")],
            cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-4000:]
    return json.loads(ran.stdout.rpartition("CAME")[2])


@pytest.fixture(scope="module")
def sha256():
    return digest_of_folder(SHIPPED["bit-mini"])


def test_pages_and_summaries_are_written_anew_and_found(came):
    assert came["page"] == "ä"
    assert came["runs"] == [f"gs://bucket/run/logs/{n}/run_summary.json" for n in (1, 2)]


def test_versions_rise_and_half_a_push_is_none(came, sha256):
    assert came["nothing"] == [[], ""]
    assert came["pushed"] == ["gs://bucket/run/serving/5", "gs://bucket/run/serving/6"]
    assert came["served"] == ["gs://bucket/run/serving/6", sha256]


def test_a_push_a_day_later_clears_the_half_one(came):
    assert came["versions"] == [5, 6, 100_000]
    assert came["left"] == ["100000", "5", "6"]


def test_files_are_the_same_there_and_back(came, sha256):
    assert "variables/variables.index" in came["files"]
    assert came["back"] == sha256


def test_a_backbone_is_read_where_it_lies(came, sha256):
    assert came["backbone"] == ["gs://bucket/run/serving/5", sha256]
    assert came["trainable"] > 20


def test_a_backbone_that_is_not_there_is_a_sentence(came):
    assert "no SavedModel (saved_model.pb) in gs://bucket/none" in came["gs://bucket/none"]
    assert "s3://bucket/none could not be downloaded" in came["s3://bucket/none"]


def test_tables_and_their_images_are_read_where_they_lie(came):
    files = [["owl/1.jpg", "owl/1.jpg", ""], ["wren/2.jpg", "wren/2.jpg", ""]]
    assert came["photos/labels.csv"] == ["table/photos/labels.csv", files, 64]
    name, images, _ = came["other/mixed.csv"]
    assert name == "table/other/mixed.csv"
    assert [[place[-9:], *rest] for place, *rest in images] == [
        ["local.jpg", "here", ""],
        ["owl/1.jpg", "owl/1.jpg", ""],
    ]
    rows = [["a.parquet#0", "owl", ""], ["a.parquet#1", "wren", ""]]
    assert came["packed/*.parquet"] == ["table/packed/a.parquet", rows, 64]
    assert came["photos/wrong.csv"].splitlines()[1:] == [
        "  1 row names a path that leaves the table's folder (line 5: ../x.jpg): write it from the "
        "root, as /photos/a.jpg",
        "  1 row names a file that is not there (line 4: owl/3.jpg): copy it there, or remove the "
        "row",
    ]
