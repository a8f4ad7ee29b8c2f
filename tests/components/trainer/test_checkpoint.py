"""Checkpoints on the disk: one that training can go on from is always there."""

import tensorflow as tf

from components.trainer.checkpoint import Checkpoints, State
from tests.recorded import fails_at, recorded


def checkpoints(folder, value=0.0):
    variable = tf.Variable(value)
    optimizer = tf.keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build([variable])
    return Checkpoints(str(folder), 0, [variable], [], optimizer), variable


def restored(folder):
    again, variable = checkpoints(folder)
    return again.restore().step, float(variable.numpy())


def test_the_newest_is_on_the_disk_before_it_is_named_and_the_older_goes_last(tmp_path):
    saving, variable = checkpoints(tmp_path)
    saving.save(State(step=1))
    variable.assign(2.0)
    with recorded() as calls:
        saving.save(State(step=2))
    named = calls.index(("replace", tmp_path / "checkpoint"))
    before = {path.name for call, path in calls[:named] if call == "fsync"}
    assert {"ckpt-2.index", "ckpt-2.data-00000-of-00001"} <= before
    assert calls[named + 1] == ("fsync", tmp_path)
    removed = [path.name for call, path in calls if call == "unlink"]
    assert sorted(removed) == ["ckpt-1.data-00000-of-00001", "ckpt-1.index"]
    assert all(calls.index(("unlink", tmp_path / name)) > named + 1 for name in removed)
    assert restored(tmp_path) == (2, 2.0)


def test_whatever_step_fails_there_is_one_to_go_on_from(tmp_path):
    number, heard, said = 0, [], "?"
    while said:
        number += 1
        saving, _ = checkpoints(tmp_path, float(number))
        said = fails_at(number, lambda: saving.save(State(step=number)))  # noqa: B023
        heard.append("No space left" in said)
        if number > 1:
            step, value = restored(tmp_path)
            assert step == value
            assert step in (number - 1, number)
        saving.save(State(step=number))
    assert sum(heard) > 4


def test_what_a_killed_run_left_of_a_checkpoint_goes_with_the_next(tmp_path):
    (tmp_path / "ckpt-7_temp").mkdir()
    (tmp_path / "ckpt-7_temp" / "part-00000-of-00001.data-00000-of-00001").write_text("half")
    (tmp_path / "ckpt-9.data-00000-of-00001").write_text("no index")
    saving, _ = checkpoints(tmp_path, 3.0)
    saving.save(State(step=3))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint", "ckpt-3.data-00000-of-00001", "ckpt-3.index",
    ]  # fmt: skip
    assert restored(tmp_path) == (3, 3.0)


def test_one_that_the_older_release_wrote_is_taken_up(tmp_path):
    variable = tf.Variable(5.0)
    optimizer = tf.keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build([variable])
    saving = Checkpoints(str(tmp_path), 0, [variable], [], optimizer)
    saving._state.value = State(step=4)
    manager = tf.train.CheckpointManager(saving._checkpoint, str(tmp_path), max_to_keep=1)
    manager.save(checkpoint_number=4)
    assert restored(tmp_path) == (4, 5.0)


def test_in_a_store_the_newest_alone_stays(store):
    saving, variable = checkpoints(f"{store}/checkpoints/x", 1.0)
    saving.save(State(step=1))
    variable.assign(2.0)
    saving.save(State(step=2))
    assert restored(f"{store}/checkpoints/x") == (2, 2.0)
    assert not [n for n in tf.io.gfile.listdir(f"{store}/checkpoints/x") if "ckpt-1" in n]
