"""Pushes that break off: killed, on a full disk, beside each other, under a reader's eyes."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import tensorflow as tf

from components.durable import STALE_S, remove_dead_files, unfinished_folder
from components.pusher.versions import add_version, model_digest, served, versions
from components.storage import as_path, write_whole
from pipeline.inputs.code import ROOT
from tests.recorded import fails_at, recorded

PUSH = """
import os, signal, sys, time
from pathlib import Path
from components.pusher.versions import add_version
def chosen(version):
    if sys.argv[3] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    print("chosen", flush=True)
    sys.stdin.read()
add_version(Path(sys.argv[1]), Path(sys.argv[2]), 8, chosen)
"""


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text("graph")
    (folder / "variables" / "data").write_text("weights")
    return folder


def push_elsewhere(model, serving, how, **options):
    command = [sys.executable, "-c", PUSH, str(model), str(serving), how]
    return subprocess.Popen(command, cwd=ROOT, text=True, **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_killed_push_is_removed_by_the_next_at_once(tmp_path, model):
    serving = tmp_path / "serving"
    for _ in range(3):
        assert push_elsewhere(model, serving, "die").wait(timeout=60) == -signal.SIGKILL
        assert len(names(serving)) == 1
        assert versions(serving) == []
    add_version(model, serving, 9)
    assert names(serving) == ["9"]


def test_a_push_that_goes_on_is_left_alone(tmp_path, model):
    serving = tmp_path / "serving"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    other = push_elsewhere(model, serving, "wait", **pipes)
    assert other.stdout.readline() == "chosen\n"
    add_version(model, serving, 20)
    assert len(names(serving)) == 2
    other.communicate(timeout=60)
    assert other.returncode == 0
    assert names(serving) == ["20", "8"] or names(serving) == ["20", "21"]
    assert {model_digest(serving / name) for name in names(serving)} == {model_digest(model)}


@pytest.mark.parametrize(
    ("mark", "age_s", "stays"),
    [
        ("00000000-00000000-00000000", 60, True),
        ("00000000-00000000-00000000", STALE_S + 60, False),
        ("of an older release", 60, True),
        ("of an older release", STALE_S + 60, False),
    ],
)
def test_of_another_machine_only_the_age_counts(tmp_path, model, mark, age_s, stays):
    left = tmp_path / "serving" / f".unfinished-{mark}"
    left.mkdir(parents=True)
    then = time.time() - age_s
    os.utime(left, (then, then))
    add_version(model, tmp_path / "serving", 8)
    assert left.exists() == stays


def test_what_was_left_before_a_reboot_is_dead(tmp_path, model):
    serving = tmp_path / "serving"
    with unfinished_folder(serving, ".unfinished-") as folder:
        machine, boot, number = folder.name.removeprefix(".unfinished-").split("-")
        assert boot != "0" * 8
    (serving / f".unfinished-{machine}-{'0' * 8}-{number}").mkdir()
    add_version(model, serving, 8)
    assert names(serving) == ["8"]


def test_whatever_step_fails_the_old_version_is_served_and_the_next_push_is_whole(tmp_path, model):
    old = tmp_path / "old"
    shutil.copytree(model, old)
    (old / "saved_model.pb").write_text("the old graph")
    serving, number, heard, said = tmp_path / "serving", 0, [], "?"
    while said:
        number += 1
        shutil.rmtree(serving, ignore_errors=True)
        first = add_version(old, serving, 1)
        said = fails_at(number, lambda: add_version(model, serving, 2))
        heard.append("No space left" in said)
        assert model_digest(first) == model_digest(old)
        # Seen or not; whole where it is seen.
        for later in versions(serving)[1:]:
            assert model_digest(serving / str(later)) == model_digest(model)
        add_version(model, serving, 3)
        assert [name for name in names(serving) if not name.isdecimal()] == []
    assert sum(heard) > 10


def test_all_of_a_version_is_on_the_disk_before_its_number(tmp_path, model):
    serving = tmp_path / "serving"
    with recorded() as calls:
        target = add_version(model, serving, 8, extras=lambda _: {"assets.extra/card.md": b"card"})
    at = calls.index(("replace", target))
    unfinished = calls[at - 1][1]
    synced = {path.relative_to(unfinished) for _, path in calls[:at] if unfinished in path.parents}
    files = {path.relative_to(target) for path in target.rglob("*")}
    assert synced == files
    assert calls[at - 1] == ("fsync", unfinished)
    assert calls[at + 1] == ("fsync", serving)
    assert ("fsync", tmp_path) in calls[:at]


def test_a_reader_never_sees_half_of_a_version(tmp_path, model):
    (model / "variables" / "large").write_bytes(os.urandom(2 << 20))
    serving, wanted, wrong, seen = tmp_path / "serving", model_digest(model), [], set()
    done = threading.Event()

    def read():
        while not done.is_set():
            for number in versions(serving):
                if number not in seen and model_digest(serving / str(number)) != wanted:
                    wrong.append(number)
                seen.add(number)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 60):
        fails_at(number, lambda: add_version(model, serving, number))  # noqa: B023
    done.set()
    reader.join()
    assert wrong == []
    assert versions(serving)


def test_in_a_store_a_file_that_arrives_damaged_is_found_before_the_version_is_seen(
    store, model, monkeypatch
):
    serving = as_path(store) / "serving"
    add_version(model, serving, 7)
    copy = tf.io.gfile.copy
    for damaged in ("data", "saved_model.pb"):

        def damage(source, target, damaged=damaged, **more):
            copy(source, target, **more)
            if target.endswith(damaged):
                tf.io.gfile.remove(target)
                with tf.io.gfile.GFile(target, "w") as stream:
                    stream.write("weight")

        with monkeypatch.context() as broken:
            broken.setattr(tf.io.gfile, "copy", damage)
            with pytest.raises(RuntimeError, match="not a whole copy"):
                add_version(model, serving, 8)
        assert versions(serving) == [7]
        assert str(served(serving)) == f"{store}/serving/7"
    assert versions(serving) == [7]
    add_version(model, serving, 9)
    assert versions(serving)[0] == 7
    assert len(versions(serving)) == 2


KILLED = """
import os, signal, sys
from pathlib import Path
from components import storage
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
storage.rename = die
storage.write_whole(Path(sys.argv[1]), "half")
"""


def test_files_that_a_killed_writer_left_are_removed_by_the_next(tmp_path):
    page = tmp_path / "a[b]*?" / "page.html"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", KILLED, str(page)], cwd=ROOT, check=False)
        assert len(names(page.parent)) == 1
    write_whole(page, "whole")
    assert names(page.parent) == ["page.html"]
    subprocess.run([sys.executable, "-c", KILLED, str(page)], cwd=ROOT, check=False)
    (page.parent / ".hidden").write_text("the user's own")
    remove_dead_files(page.parent)
    assert names(page.parent) == [".hidden", "page.html"]
    assert page.read_text() == "whole"


def test_two_that_write_one_file_at_once_both_end(tmp_path):
    page = tmp_path / "page.html"

    def write(text):
        for _ in range(50):
            write_whole(page, text)

    writers = [threading.Thread(target=write, args=(text,)) for text in ("one", "two")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert page.read_text() in ("one", "two")
    assert names(tmp_path) == ["page.html"]
    assert Path(page).stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
