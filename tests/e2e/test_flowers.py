"""The seed's preset, offline: drawn photographs as tf_flowers, a stand-in at the hub URL."""

import hashlib
import os
import shutil

import pytest

from pipeline.config import load_config
from tests.drawn import FLOWERS, prepare_flowers


@pytest.fixture(scope="module")
def flowers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flowers")
    prepare_flowers(folder, count=200)
    return folder


@pytest.mark.slow
def test_the_preset_runs_as_written(run, tmp_path, flowers):
    from components.backbone.config import SHIPPED

    handle = load_config("flowers").backbone.handle
    cached = tmp_path / "hub" / hashlib.sha1(handle.encode()).hexdigest()
    shutil.copytree(SHIPPED["bit-mini"], cached)
    ended = run(
        tmp_path / "out",
        # Only what a stand-in cannot reach: its features are those of 32-pixel fashion.
        "evaluation.min_accuracy=0.2",
        arguments=("--preset", "flowers"),
        environment={"TFDS_DATA_DIR": str(flowers), "TFHUB_CACHE_DIR": str(tmp_path / "hub")},
    )
    assert ended.exit_code in (0, 3), ended.out + ended.err
    assert set(ended.states.values()) == {"complete"}
    summary = ended.summary
    splits = summary["counts"].pop("splits")
    assert {split: found["kept"] for split, found in splits.items()} == {"train": 170, "eval": 30}
    assert summary["counts"] == {"read": 200, "rejected": {}, "train": 170, "eval": 30}
    assert set(summary["metrics"]["per_class"]) <= set(FLOWERS)
    assert "tf_flowers/3.0.1" in ended.out
    assert os.path.exists(ended.output / "artifacts" / "Trainer")
    assert summary["blessed"] == (summary["metrics"]["accuracy"] >= 0.2)
