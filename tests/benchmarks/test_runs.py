"""Benchmarks run to their end: figures are the machine's, but code that they call may change."""

import json

import pytest

from benchmarks import measure
from benchmarks.scale import FLINK, IN_PROCESS, STEPS
from tests.engines import packages


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("frozen", "--repeats 1 --epochs 2"),
        ("trainer", "--repeats 1 --seeds 1 --modes head_only --epochs 2"),
        (
            "input",
            "--repeats 1 --images 40 --seconds 0.1 --sizes 224 --networks bit-mini"
            " --trained-sizes 224 --steps-per-epoch 2 --epochs 2",
        ),
        ("data", "--fashion --jpegs 50 --poisoned 100"),
        ("imbalance", "--repeats 1 --modes head_only --steps 8"),
    ],
)
@pytest.mark.long
def test_a_benchmark_runs_to_its_end(name, arguments):
    found = measure.run(f"benchmarks.{name}", arguments.split())
    json.dumps(found)
    assert found["runs"]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("engine", [IN_PROCESS, FLINK])
def test_the_engines_go_on_where_they_were_interrupted(tmp_path, engine):
    if engine == FLINK and (lacking := packages.FLINK.missing()):
        pytest.skip(lacking)
    given = ["--work", str(tmp_path), "--slots", "1", "--engines", engine, "--images", "40"]
    first = measure.run("benchmarks.engines", given)
    assert [run["step"] for run in first["runs"]] == list(STEPS)
    for run in first["runs"]:
        assert run["processes"]["step"]["peak_mb"] > 100
        assert ("worker-0" in run["processes"]) == (engine == FLINK)
    with (tmp_path / "runs.jsonl").open("a") as lines:
        lines.write('{"engine": "')
    both = measure.run("benchmarks.engines", [*given, "400"])
    assert both["runs"][:3] == first["runs"]
    # 4 of 400 files are bad; of 40 none, as one of 100 is.
    kept = {(run["images"], run["step"]): run["kept"] for run in both["runs"]}
    assert {key: sum(of.values()) for key, of in kept.items()} == {
        (40, "ImageExampleGen"): 40, (40, "StatisticsGen"): 40, (40, "Evaluator"): 20,
        (400, "ImageExampleGen"): 396, (400, "StatisticsGen"): 396,
        (400, "Evaluator"): kept[400, "ImageExampleGen"]["eval"],
    }  # fmt: skip
    assert measure.run("benchmarks.engines", [*given, "--report"])["runs"] == both["runs"]
