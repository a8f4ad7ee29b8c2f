"""Of all tries of one piece of work, the one that was counted is in the artifact, alone."""

import itertools
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.drafts import LateError, opened, remove_left
from components.example_gen.config import DataConfig, ScreenConfig
from components.example_gen.executor import Copied, combined, copy_shard, leave_copied
from components.example_gen.shard_writer import EXAMPLES, INDEX, QUARANTINE, name_files
from components.example_gen.sources.source import open_source
from components.example_gen.sources.tfds_shard import TfdsShard
from components.process import ROOT
from components.storage import as_path, files_below, io_errors

COUNT = 20
WRITTEN = {
    EXAMPLES: ["Split-eval/data_tfrecord-00000-of-00001.gz"],
    INDEX: ["Split-eval/part-00000-of-00001.parquet"],
}
BEGIN, END, LEAVE, STEP = "begin", "end", "leave", "step"


@dataclass(frozen=True)
class PausedShard(TfdsShard):
    """Stops after half of its records until it is told to go on."""

    reached: threading.Event = None
    go_on: threading.Event = None

    def records(self):
        for number, record in enumerate(super().records()):
            if number == COUNT // 2:
                self.reached.set()
                assert self.go_on.wait(60)
            yield record


class Try:
    """A worker's try of the shard, in three parts."""

    def __init__(self, shard, drafts, pool):
        known = {field.name: getattr(shard, field.name) for field in fields(shard)}
        events = {"reached": threading.Event(), "go_on": threading.Event()}
        self._shard = PausedShard(**{**known, "take": COUNT}, **events)
        self._drafts, self._pool = drafts, pool
        self.failed = None

    def do(self, part):
        if self.failed:
            return
        try:
            getattr(self, part)()
        except (LateError, *io_errors()) as error:
            self.failed = error

    def begin(self):
        work = (copy_shard, self._shard, ScreenConfig(), 10, self._drafts)
        self._copying = self._pool.submit(*work)
        while not self._shard.reached.wait(0.01):
            if self._copying.done():
                self._copying.result()

    def end(self):
        self._shard.go_on.set()
        self._copied = self._copying.result()

    def leave(self):
        split, copied = self._copied
        leave_copied([(split, combined([copied]))], self._drafts)


def orders():
    """All orders of the parts of two tries and of the step, which waits for a list."""
    parts = [(who, part) for who in "ab" for part in (BEGIN, END, LEAVE)]
    for places in itertools.combinations(range(6), 3):
        a, b = iter(parts[:3]), iter(parts[3:])
        both = [next(a) if place in places else next(b) for place in range(6)]
        first = next(place for place, (_, part) in enumerate(both) if part == LEAVE)
        for step in range(first + 1, 7):
            yield [*both[:step], ("", STEP), *both[step:]]


@pytest.fixture(scope="module")
def shard(tfds_dir):
    source = open_source(DataConfig(name="digits", data_dir=str(tfds_dir)))
    return next(shard for shard in source.shards if shard.split == "eval")


@pytest.fixture(scope="module")
def stored(shard):
    """The records of the shard, as tfds has them."""
    records = tf.data.TFRecordDataset(shard.path).skip(shard.skip).take(COUNT)
    return list(records.as_numpy_iterator())


def test_two_tries_in_every_order_leave_one_whole_shard(shard, stored, tmp_path):
    tried = list(orders())
    assert len(tried) == 50
    late = 0
    with ThreadPoolExecutor(2) as pool:
        for number, order in enumerate(tried):
            uris = {n: str(tmp_path / str(number) / n) for n in (EXAMPLES, INDEX, QUARANTINE)}
            with opened(uris[EXAMPLES]) as drafts:
                tries = {who: Try(shard, drafts, pool) for who in "ab"}
                parts = iter(order)
                for who, part in itertools.takewhile(lambda each: each[1] != STEP, parts):
                    tries[who].do(part)
                ((split, told),) = drafts.result()
                copied = Copied.from_json(told)
                name_files(copied.files, split, uris, drafts)
            assert [each.failed for each in tries.values()] == [None, None]
            for who, part in parts:
                tries[who].do(part)
            late += any(each.failed for each in tries.values())

            found = {n: files_below(as_path(uri)) for n, uri in uris.items() if Path(uri).exists()}
            assert found == WRITTEN, order
            assert [path.name for path in Path(uris[EXAMPLES]).iterdir()] == ["Split-eval"], order
            records = tf.data.TFRecordDataset(f"{uris[EXAMPLES]}/{WRITTEN[EXAMPLES][0]}", "GZIP")
            assert list(records.as_numpy_iterator()) == stored, order
            assert pq.read_table(f"{uris[INDEX]}/{WRITTEN[INDEX][0]}").num_rows == COUNT, order
            assert copied.counts.kept == COUNT
    # In all but those where both had left theirs before the step looked.
    assert late == sum(order[-1] != ("", STEP) for order in tried) > 0


def test_a_late_worker_in_a_store_leaves_nothing(store):
    uri = f"{store}/examples"
    with opened(uri) as drafts:
        with drafts.file("part") as draft:
            as_path(draft).write_text("counted")
        drafts.leave([draft])
        (told,) = drafts.result()
        drafts.name(told, as_path(uri) / "Split-train" / "part")
    with pytest.raises(LateError, match="is over"), drafts.file("part") as draft:
        as_path(draft).write_text("late")
    with pytest.raises(LateError, match="is over"):
        drafts.leave([])
    assert files_below(as_path(uri)) == ["Split-train/part"]
    assert (as_path(uri) / "Split-train" / "part").read_text() == "counted"


def test_what_a_killed_step_has_left_is_removed_and_nothing_else(tmp_path):
    step = "import os, sys; from components.drafts import opened\n"
    step += "with opened(sys.argv[1]): os._exit(9)"
    command = [sys.executable, "-c", step, str(tmp_path)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 9
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "run_summary.json").touch()
    assert len(list(tmp_path.iterdir())) == 3
    remove_left(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["artifacts", "run_summary.json"]


def test_a_step_that_fails_leaves_no_drafts(tmp_path):
    def step():
        with opened(str(tmp_path)) as drafts:
            with drafts.file("part") as draft:
                Path(draft).write_text("whole")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        step()
    assert list(tmp_path.iterdir()) == []
