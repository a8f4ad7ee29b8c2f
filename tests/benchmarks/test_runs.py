"""Benchmarks run to their end: figures are the machine's, but code that they call may change."""

import json

import pytest

from benchmarks import measure


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
