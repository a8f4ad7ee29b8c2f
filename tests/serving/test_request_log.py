"""The request log: what is in it, when its files end, and what a disk that fails costs."""

import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from serving.answers import Answers
from serving.request_log import SCHEMA, RequestLog, cannot_write
from serving.settings import LogSettings

ANSWERS = Answers.of(
    {
        "probabilities": [[0.25, 0.75], [np.nan, np.nan]],
        "class_index": [1, -1],
        "class_name": ["Röschen".encode(), b""],
        "valid": [True, False],
        "error": [b"", b"0 bytes"],
    },
    version=7,
)
IMAGES = [b"GIF89a", b""]


def rows_in(folder):
    files = sorted(folder.glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def test_a_row_an_image_without_the_image(tmp_path):
    log = RequestLog(LogSettings(tmp_path / "new" / "folder"))
    log.add(ANSWERS, IMAGES, latency_s=0.25)
    log.close()
    good, bad = rows_in(tmp_path / "new" / "folder")
    assert list(good) == SCHEMA.names
    assert good["request"] == bad["request"]
    assert abs(good.pop("time").timestamp() - time.time()) < 60
    del good["request"]
    assert good == {
        "row": 0, "version": 7, "valid": True, "class_index": 1, "class_name": "Röschen",
        "probability": 0.75, "latency_ms": 250.0, "error": None, "image_bytes": 6, "image": None,
    }  # fmt: skip
    assert (bad["row"], bad["valid"], bad["error"], bad["image_bytes"]) == (1, False, "0 bytes", 0)
    assert bad["class_index"] is bad["class_name"] is bad["probability"] is None


def test_images_are_logged_where_they_are_asked_for(tmp_path):
    log = RequestLog(LogSettings(tmp_path, images=True))
    log.add(ANSWERS, IMAGES, 0.1)
    log.close()
    assert [row["image"] for row in rows_in(tmp_path)] == IMAGES


def test_the_sample_is_of_requests(tmp_path):
    drawn = iter([0.05, 0.1, 0.5, 0.09])
    log = RequestLog(LogSettings(tmp_path, sample=0.1), random_number=lambda: next(drawn))
    for _ in range(4):
        log.add(ANSWERS, IMAGES, 0.1)
    log.close()
    assert len(rows_in(tmp_path)) == 2 * len(IMAGES)


def test_a_file_ends_with_its_rows_or_its_age(tmp_path):
    log = RequestLog(LogSettings(tmp_path, max_rows=4, max_age_s=0.2))
    for _ in range(3):
        log.add(ANSWERS, IMAGES, 0.1)
    deadline = time.monotonic() + 10
    while len(rows_in(tmp_path)) < 6 and time.monotonic() < deadline:
        time.sleep(0.05)
    sizes = [pq.read_table(file).num_rows for file in sorted(tmp_path.glob("*.parquet"))]
    assert sizes == [4, 2]
    log.close()
    assert len(rows_in(tmp_path)) == 6
    assert [path.suffix for path in tmp_path.iterdir()] == [".parquet"] * 2


def test_a_disk_that_fails_costs_rows_and_no_answer(tmp_path, caplog):
    folder = tmp_path / "log"
    log = RequestLog(LogSettings(folder, max_rows=1))
    folder.rmdir()
    folder.write_text("a file where the folder was")
    log.add(ANSWERS, IMAGES, 0.1)
    deadline = time.monotonic() + 10
    while not log.lost and time.monotonic() < deadline:
        time.sleep(0.01)
    folder.unlink()
    log.add(ANSWERS, IMAGES, 0.1)
    log.close()
    assert log.lost == 1
    assert len(rows_in(folder)) == len(IMAGES)
    assert "cannot be written" in caplog.text


def test_a_folder_that_cannot_be_written_is_found_at_the_start(tmp_path):
    (tmp_path / "file").touch()
    assert cannot_write(LogSettings(tmp_path / "file" / "log"))
    assert cannot_write(LogSettings(tmp_path / "file"))
    assert cannot_write(LogSettings(tmp_path / "not" / "yet")) == ""
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_none_and_all(tmp_path, share):
    log = RequestLog(LogSettings(tmp_path, sample=share))
    for _ in range(20):
        log.add(ANSWERS, IMAGES, 0.1)
    log.close()
    assert len(rows_in(tmp_path)) == share * 20 * len(IMAGES)
