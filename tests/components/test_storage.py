"""Paths of both kinds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from components.digests import digest_of_folder
from components.errors import UserError
from components.report.tfma import find_evaluation
from components.storage import (
    as_path,
    copy_tree,
    files_below,
    is_local,
    remove_tree,
    write_whole,
)
from pipeline.inputs.code import ROOT
from pipeline.run.layout import Layout


@pytest.fixture(params=["disk", "store"])
def folder(request, tmp_path, store):
    """A folder of either kind with two files."""
    folder = as_path(tmp_path if request.param == "disk" else store) / "folder"
    (folder / "deep" / "er").mkdir(parents=True, exist_ok=True)
    (folder / "a.txt").write_text("ä")
    (folder / "deep" / "er" / "b.bin").write_bytes(b"\x00\xff")
    return folder


@pytest.mark.parametrize("uri", ["gs://bucket", "gs://bucket/deep/er"])
def test_a_uri_stays_itself(uri):
    path = as_path(uri)
    assert not is_local(path)
    assert (str(path), os.fspath(path)) == (uri, uri)
    assert str(path / "x" / "y.txt") == f"{uri}/x/y.txt"
    assert str((path / "x").parent) == uri
    assert as_path(path / "x") == as_path(f"{uri}/x")


def test_a_local_path_is_pathlibs():
    for given in ("/a/b", Path("/a/b")):
        assert as_path(given) == Path("/a/b")
        assert is_local(as_path(given))


@pytest.mark.parametrize("uri", ["s3://bucket/x", "ftp://host/x", "gs2://b"])
def test_another_scheme_is_refused_and_is_no_local_folder(uri):
    with pytest.raises(UserError, match=r"give a local path or a gs:// URI"):
        as_path(uri)


@pytest.mark.parametrize("output", ["gs://bucket/x", "/tmp/x", Path("/tmp/x")])
def test_a_layout_is_below_either(output):
    layout = Layout(output)
    assert os.fspath(layout.serving) == f"{output}/serving"
    assert str(layout.report) == f"{output}/report/index.html"
    assert str(layout.logs("7") / "run.log") == f"{output}/logs/7/run.log"
    assert layout == Layout(output)


def test_a_uri_is_named_without_tensorflow():
    code = (
        "import sys; from pipeline.run.layout import Layout; print(Layout('gs://b/x').serving);"
        "assert 'tensorflow' not in sys.modules"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert printed == "gs://b/x/serving\n"


def test_files_are_named_from_their_folder(folder):
    assert files_below(folder) == ["a.txt", "deep/er/b.bin"]


def test_a_digest_is_what_coreutils_prints_in_either(folder):
    assert digest_of_folder(folder) == (
        "a80a4d9d1104174d93480cffcee7bd0cd96d09164e31a5be8e2e074ca7adcdf0"
    )


def test_a_copy_is_whole_wherever_it_goes(folder, tmp_path, store):
    for target in (tmp_path / "copy", as_path(store) / "copy"):
        for _ in range(2):
            copy_tree(folder, target)
        assert digest_of_folder(target) == digest_of_folder(folder)


def test_in_a_store_saved_model_pb_comes_last(tmp_path, store, monkeypatch):
    model = tmp_path / "model"
    (model / "variables").mkdir(parents=True)
    for name in ("assets.txt", "saved_model.pb", "variables/data", "zz"):
        (model / name).write_text(name)
    copied, copy = [], tf.io.gfile.copy
    monkeypatch.setattr(
        tf.io.gfile, "copy", lambda a, b, **more: (copied.append(Path(b).name), copy(a, b, **more))
    )
    copy_tree(model, as_path(store) / "model")
    assert copied == ["assets.txt", "data", "zz", "saved_model.pb"]


def test_a_folder_is_removed_with_all_below(folder):
    remove_tree(folder)
    assert not folder.exists()
    assert not (folder / "deep" / "er" / "b.bin").exists()


def test_a_file_is_written_anew_in_place(folder):
    for text in ("first, which is longer", "ä"):
        write_whole(folder / "new" / "page.html", text)
        assert (folder / "new" / "page.html").read_text(encoding="utf-8") == text
    assert [path.name for path in (folder / "new").iterdir()] == ["page.html"]


def test_an_evaluation_in_a_store_is_found_and_told_of_when_there_is_none(store):
    folder = as_path(store) / "output" / "artifacts" / "Evaluator" / "evaluation"
    with pytest.raises(UserError, match=rf"no evaluation in {folder}"):
        find_evaluation(as_path(store) / "output")
    for number in ("9", "10"):
        write_whole(folder / number / "eval_config.json", "{}")
        write_whole(folder / number / "metrics-00000-of-00001.tfrecord", "")
    assert str(find_evaluation(as_path(store) / "output")) == f"{folder}/10"
