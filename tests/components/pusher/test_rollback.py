"""Versions rolled back, put back, pinned and removed, also by processes that are killed."""

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from components.digests import digest_of_folder
from components.errors import UserError
from components.pusher.rollback import (
    Change,
    keep_last,
    pin,
    pin_of,
    roll_back,
    serving_state,
    unpin,
    why_not,
    withdrawn,
)
from components.pusher.versions import add_version, model_digest, remove_dead_pushes, versions
from components.storage import as_path
from pipeline.inputs.code import ROOT


def write_model(folder, content):
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(f"graph of {content}")
    (folder / "variables" / "data").write_text(f"weights of {content}" * 1_000)
    return folder


@pytest.fixture
def serving(tmp_path):
    """Three versions, 1 to 3, of three models."""
    for number in (1, 2, 3):
        add_version(write_model(tmp_path / f"model{number}", number), tmp_path / "serving", number)
    return tmp_path / "serving"


def texts(serving):
    return {v: (serving / str(v) / "saved_model.pb").read_text() for v in versions(serving)}


def test_it_goes_back_by_one_and_forth_again(serving):
    before = texts(serving)
    assert roll_back(serving) == Change(3, 2)
    assert (versions(serving), withdrawn(serving)) == ([1, 2], [3])
    assert roll_back(serving) == Change(2, 1)
    assert (versions(serving), withdrawn(serving)) == ([1], [2, 3])
    assert roll_back(serving, 3) == Change(1, 3)
    assert (versions(serving), withdrawn(serving)) == ([1, 3], [2])
    assert roll_back(serving, 2) == Change(3, 2)
    assert roll_back(serving, 3) == Change(2, 3)
    assert texts(serving) == before


def test_to_the_version_that_serves_changes_nothing(serving):
    assert roll_back(serving, 3) == Change(3, 3)
    assert versions(serving) == [1, 2, 3]


@pytest.mark.parametrize(
    ("there", "version", "words"),
    [
        ([], None, "holds no version"),
        ([5], None, "version 5 alone: there is none to go back to"),
        ([5, 7], 6, "holds no version 6; there are 5, 7"),
    ],
)
def test_what_cannot_be_is_refused_with_what_there_is(tmp_path, there, version, words):
    for number in there:
        write_model(tmp_path / "serving" / str(number), number)
    with pytest.raises(UserError, match=words):
        roll_back(tmp_path / "serving", version)
    assert versions(tmp_path / "serving") == there


def test_a_new_version_is_above_those_that_were_rolled_back(serving, tmp_path):
    roll_back(serving, 1)
    assert add_version(write_model(tmp_path / "new", "new"), serving, now=1).name == "4"
    assert versions(serving) == [1, 4]


def test_a_model_that_was_rolled_back_is_not_pushed_again_until_it_is_put_back(serving, tmp_path):
    digest = model_digest(tmp_path / "model3")
    assert why_not(serving, digest) == ""
    roll_back(serving)
    assert "this model was rolled back as version 3" in why_not(serving, digest)
    assert f"bit-tfx rollback 3 --serving {serving}`" in why_not(serving, digest)
    assert why_not(serving, model_digest(tmp_path / "model1")) == ""
    roll_back(serving, 3)
    assert why_not(serving, digest) == ""


def test_the_state_changes_with_what_decides_about_a_push(serving, tmp_path):
    states = [serving_state(serving)]
    pin(serving, 3, "ada", "2026-11-30T10:00:00+00:00")
    states.append(serving_state(serving))
    unpin(serving)
    assert serving_state(serving) == states[0]
    roll_back(serving)
    states.append(serving_state(serving))
    assert len(set(states)) == 3
    assert serving_state(tmp_path / "nowhere") == ""


def test_a_pinned_version_serves_until_it_is_let_go(serving, tmp_path):
    assert pin(serving, 2, "ada", "2026-11-30T10:00:00+00:00") == Change(3, 2)
    assert versions(serving) == [1, 2]
    reason = why_not(serving, model_digest(tmp_path / "model1"))
    assert reason.startswith(f"{serving} is pinned to version 2 (by ada, 2026-11-30T10:00:00")
    assert f"bit-tfx pin --off --serving {serving}`" in reason
    assert unpin(serving).version == 2
    assert pin_of(serving) is None
    assert unpin(serving) is None
    assert why_not(serving, model_digest(tmp_path / "model1")) == ""


@pytest.mark.parametrize(
    ("keep", "gone", "left"),
    [(1, [1, 2], [3]), (2, [1], [2, 3]), (3, [], [1, 2, 3]), (9, [], [1, 2, 3])],
)
def test_the_oldest_versions_are_removed(serving, keep, gone, left):
    assert keep_last(serving, keep) == gone
    assert versions(serving) == left
    assert sorted(path.name for path in serving.iterdir()) == [str(each) for each in left]


def test_what_serves_is_never_removed(serving):
    roll_back(serving, 1)
    assert keep_last(serving, 1) == [2]
    assert (versions(serving), withdrawn(serving)) == ([1], [3])


def test_in_a_store_a_version_is_whole_or_no_version(store, tmp_path):
    serving = as_path(f"{store}/rolled")
    for number in (1, 2, 3):
        add_version(write_model(tmp_path / f"model{number}", number), serving, number)
    assert roll_back(serving) == Change(3, 2)
    assert (versions(serving), withdrawn(serving)) == ([1, 2], [3])
    assert roll_back(serving, 3) == Change(2, 3)
    assert model_digest(serving / "3") == model_digest(tmp_path / "model3")
    assert keep_last(serving, 1) == [1, 2]
    assert versions(serving) == [3]


CHANGES = """
import random, sys, time
from pathlib import Path
from components.errors import UserError
from components.pusher.rollback import changing, keep_last, roll_back, why_not, withdrawn
from components.pusher.versions import add_version, model_digest, versions
models, serving = sorted(Path(sys.argv[1]).iterdir()), Path(sys.argv[2])
draw = random.Random(sys.argv[3])
print("begins", flush=True)
while True:
    model = draw.choice(models)
    with changing(serving):
        there = versions(serving)
        known = there and model_digest(serving / str(there[-1])) == model_digest(model)
        if not known and not why_not(serving, model_digest(model)):
            add_version(model, serving, 1)
    try:
        roll_back(serving, draw.choice([None, *versions(serving), *withdrawn(serving)]))
    except UserError:
        pass
    keep_last(serving, 4)
"""


@pytest.mark.slow
def test_two_hundred_kills_leave_whole_versions_under_the_eyes_of_four_readers(tmp_path):
    """Push, rollback and removal, killed at any moment: whoever reads sees whole versions."""
    for number in range(5):
        write_model(tmp_path / "models" / str(number), number)
    wanted = {digest_of_folder(folder) for folder in (tmp_path / "models").iterdir()}
    serving = tmp_path / "serving"
    add_version(tmp_path / "models" / "0", serving, 1)
    half, reads, done = [], [0] * 4, threading.Event()

    def read(reader):
        while not done.is_set():
            for number in versions(serving):
                folder = serving / str(number)
                try:
                    opened = os.open(folder, os.O_RDONLY)
                except OSError:  # It is gone, as a whole.
                    continue
                # The same folder, wherever it is moved while it is read.
                with contextlib.suppress(OSError):
                    digest = model_digest(Path(f"/proc/self/fd/{opened}"))
                    is_there = folder.stat().st_ino == os.fstat(opened).st_ino
                    if digest not in wanted and is_there:
                        half.append(number)
                os.close(opened)
                reads[reader] += 1

    readers = [threading.Thread(target=read, args=[reader]) for reader in range(4)]
    for reader in readers:
        reader.start()
    draw, empty = random.Random(0), 0
    try:
        for kill in range(200):
            command = [sys.executable, "-c", CHANGES, str(tmp_path / "models"), str(serving)]
            changer = subprocess.Popen(
                [*command, str(kill)], cwd=ROOT, text=True, stdout=subprocess.PIPE
            )
            assert changer.stdout.readline() == "begins\n"
            time.sleep(draw.uniform(0, 0.15))
            changer.send_signal(signal.SIGKILL)
            assert changer.wait() == -signal.SIGKILL
            changer.stdout.close()
            empty += not versions(serving)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert half == []
    assert empty == 0
    assert min(reads) > 100
    # No model is there twice: not even after a kill between a push and what follows it.
    served = [model_digest(serving / str(number)) for number in versions(serving)]
    assert all(one != other for one, other in itertools.pairwise(served))
    remove_dead_pushes(serving)
    keep_last(serving, 4)
    left = {path.name for path in serving.iterdir()} - {str(n) for n in versions(serving)}
    assert left <= {".rolled-back"}
