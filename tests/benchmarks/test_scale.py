"""The tables of `benchmarks.engines` from runs whose figures are known."""

import itertools
import json

import pytest

from benchmarks import engine_tables, scale
from benchmarks.bill import EVAL_PART
from benchmarks.scale import FLINK, IN_PROCESS, STEPS, Side
from tests.docs import scale as pages

IMAGE_S = {IN_PROCESS: 0.004, FLINK: 0.005}
FIXED_S = {IN_PROCESS: 3.0, FLINK: 40.0}


def run(engine, slots, images, step, repeat=0):
    """Straight lines: a second slot gains 0.8 of the first, memory of the step 2 kB an image."""
    read = images // 2 if step == "Evaluator" else images
    speed = 1 + (slots - 1) * 0.8
    roles = [f"{name}-{n}" for n in range(slots) for name in ("worker", "taskmanager", "pool")]
    roles += ["jobmanager", "jobserver"]
    processes = {
        role: {"peak_mb": 500.0, "cpu_s": 3.0 if role.endswith("1") else 1.0, "processes": 1}
        for role in (roles if engine == FLINK else [])
    }
    peak_mb = 800 + images * 0.002
    return {
        "engine": engine, "slots": slots, "images": images, "step": step, "repeat": repeat,
        "read": read, "seconds": FIXED_S[engine] + read * IMAGE_S[engine] / speed,
        "cpu_s": 2 * FIXED_S[engine] + read * IMAGE_S[engine] * 1.1,
        "upload_s": 8.0 if engine == FLINK else None,
        "processes": {**processes, "step": {"peak_mb": peak_mb, "cpu_s": 1.0, "processes": 1}},
        "conditions": "4 cores", "load": 0.1 * slots, "held_to_cores": True,
        "shards": images // 1_000 + 1, "bytes": {"photographs": images * 60_000, "examples": 7},
    }  # fmt: skip


@pytest.fixture(scope="module")
def runs():
    return [
        run(*each)
        for each in itertools.product((IN_PROCESS, FLINK), (1, 2), (400, 20_000, 100_000), STEPS)
    ]


def cells(table):
    """Rows as dictionaries by the header's names."""
    lines = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def test_a_line_gives_back_what_the_runs_were_made_of(runs):
    (found,) = scale.line(runs, Side(FLINK, 2), "Evaluator")
    assert found.fixed_s == pytest.approx(40)
    assert found.image_s == pytest.approx(0.005 / 1.8)
    assert found.image_cpu_s == pytest.approx(0.0055)


def test_one_number_of_images_makes_no_line(runs):
    few = [each for each in runs if each["images"] == 400]
    assert scale.line(few, Side(FLINK, 1), "Evaluator") == []
    assert scale.is_whole(runs)
    assert not scale.is_whole(few)
    assert not scale.is_whole([each for each in runs if each["engine"] == FLINK])


def test_the_rows_of_what_is_once_started(runs):
    found = {(row["step"], row["side"]): row for row in cells(engine_tables.started_table(runs))}
    assert len(found) == 12
    row = found["ImageExampleGen", "Flink, 2 slots"]
    assert row["images/s once started"] == "360"
    assert (row["ratio"], row["ratio by CPU time"], row["times 1"]) == ("0.800", "0.800", "1.800")
    assert (row["start, s"], row["of it upload, s"]) == ("40.0", "8.0")
    assert row["the busier worker's part"] == "0.75"
    assert found["Evaluator", "in-process, 1 core"]["images/s once started"] == "250"


def test_the_rows_of_every_run(runs):
    rows = cells(engine_tables.steps_table(runs))
    assert len(rows) == len(runs)
    row = rows[-1]
    assert (row["step"], row["images"], row["side"]) == ("Evaluator", "100,000", "Flink, 2 slots")
    seconds = 40 + 50_000 * 0.005 / 1.8
    assert row["seconds"] == f"{seconds:,.1f}"
    assert row["ratio"] == f"{(3 + 50_000 * 0.004 / 1.8) / seconds:.3f}"


def test_the_peaks_of_every_process(runs):
    found = {(row["step"], row["process"]): row for row in cells(engine_tables.memory_table(runs))}
    assert found["Evaluator", "in-process: the step's process"]["MB of 100,000"] == "1,000"
    assert found["Evaluator", "Flink: Python worker"]["MB of 400"] == "500"
    assert ("Evaluator", "in-process: Python worker") not in found


@pytest.mark.parametrize("most", [2, 4])
def test_what_a_further_slot_gains_is_from_the_most_that_were_measured(most):
    sides = itertools.product([FLINK], (1, most), (400, 20_000), STEPS)
    engine = scale.engine_of([run(*each) for each in sides], FLINK, 1)
    assert [step.gain for step in engine.steps.values()] == pytest.approx([0.8] * 3)


def test_the_bill_follows_from_the_runs(runs):
    engine = scale.engine_of(runs, FLINK, 1)
    assert engine.steps["Evaluator"].part == EVAL_PART
    assert engine.steps["StatisticsGen"].gain == pytest.approx(0.8)
    assert engine.memory.slot_mb == 1_500
    assert engine.memory.step_gb(10_000_000) == pytest.approx(20.8)
    rows = {row["side"]: row for row in cells(engine_tables.bill_tables(runs).partition("\n\n")[0])}
    alone = rows["in-process, 2 cores"]
    assert alone["ImageExampleGen, h"] == f"{10_000_000 * 0.004 / 1.8 / 3_600:,.1f}"
    assert alone["cluster, GB"] == ""
    # Three starts of 40 - 3 s over what an image, 2.1 times gone over, gains.
    gained = 2.1 * (0.004 / 1.8 - 0.005 / (1 + 7 * 0.8))
    assert rows["Flink, 8 slots"]["pays from, images"] == f"{111 / gained:,.0f}"
    assert rows["Flink, 2 slots"]["pays from, images"] == "never"
    assert rows["Flink, 8 slots"]["cluster, GB"] == "13"


def test_pairs_are_of_the_repeats_that_both_sides_have(runs):
    more = [*runs, run(IN_PROCESS, 1, 400, "Evaluator", 1)]
    more += [run(IN_PROCESS, 1, 100_000, "Evaluator", 1), run(FLINK, 1, 400, "Evaluator", 1)]
    assert len(scale.line(more, Side(IN_PROCESS, 1), "Evaluator")) == 2
    assert len(scale.line(more, Side(FLINK, 1), "Evaluator")) == 1
    assert engine_tables.started_table(more)


def test_every_table_is_under_the_conditions_of_the_runs(runs):
    said, *tables = engine_tables.every_table(runs).split("\n\n")
    assert said == "4 cores; before each 0.1 to 0.2; a slot has a core"
    assert [len(cells(table)) for table in tables] == [36, 12, 3 + 18]
    shared = [*runs, {**runs[0], "held_to_cores": False}]
    assert engine_tables.conditions_of(shared).endswith("slots share the cores")


@pytest.mark.parametrize("path", pages.PAGES, ids=lambda path: path.name)
def test_a_page_takes_the_tables_of_the_measurement(runs, path, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "MEASURED", tmp_path / "engines.json")
    monkeypatch.setattr(pages, "PAGES", {tmp_path / "page.md": pages.PAGES[path]})
    page = tmp_path / "page.md"
    page.write_text("Before\n\n<!-- scale -->\n\nold\n\n<!-- /scale -->\n\nAfter\n")
    once = pages.with_figures(page)
    assert "\n\nNot measured yet.\n\n<!-- /scale -->" in once
    (tmp_path / "engines.json").write_text(json.dumps({"runs": runs}))
    page.write_text(once)
    written = pages.with_figures(page)
    assert written.startswith("Before\n\n<!-- scale -->\n\n4 cores; before each 0.1 to 0.2")
    assert engine_tables.started_table(runs) in written
    page.write_text(written)
    assert pages.with_figures(page) == written
