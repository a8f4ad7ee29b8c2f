"""The files of a real run against the JSON schemas of the documents."""

import json

import pyarrow.parquet as pq
import pytest

from tests.docs.formats import PAGE, columns, validator
from tests.e2e.conftest import QUICK

FILES = {
    "run_summary": "run_summary.json",
    "history": "artifacts/Trainer/model_run/*/history.json",
    "checks": "artifacts/DataGate/checks/*/checks.json",
    "metrics": "artifacts/Evaluator/evaluation/*/metrics.json",
    "gates": "artifacts/Evaluator/evaluation/*/gates.json",
    "model_card": "serving/*/assets.extra/model_card.json",
}
TABLES = {
    "index": "artifacts/ImageExampleGen/index/*/Split-train/*.parquet",
    "predictions": "artifacts/Evaluator/evaluation/*/predictions/*.parquet",
}


@pytest.mark.slow
def test_every_file_is_as_the_documents_say(tmp_path, run):
    ended = run(tmp_path / "out", *QUICK)
    assert ended.exit_code == 0, ended.err
    page = PAGE.read_text(encoding="utf-8")
    for name, pattern in FILES.items():
        (path, *_) = ended.output.glob(pattern)
        checker = validator(name)
        value = json.loads(path.read_text(encoding="utf-8"))
        checker.validate(value)
        if name == "history":
            assert value[0].keys() == checker.schema["$defs"]["Epoch"]["properties"].keys()
        place = pattern.removeprefix("artifacts/")
        assert (
            f"`{place.replace('*', '<id>')}`" in page
            or f"`{place.replace('*', '<version>')}`" in page
        )
    for name, pattern in TABLES.items():
        (path, *_) = ended.output.glob(pattern)
        assert f"<!-- {name} -->\n\n{columns(pq.read_schema(path))}\n" in page
