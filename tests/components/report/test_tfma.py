"""TFMA's dashboards over HTTP, from an evaluation that TFMA itself wrote."""

import ast
import http.client
import json
import shutil
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from components.errors import UserError
from components.report.tfma import DashboardServer, find_evaluation, read_answers
from pipeline.cli.command_line import perform
from pipeline.cli.tfma import command as tfma
from pipeline.inputs.code import ROOT
from tests.command import BIT_TFX

CLASSES = ("daisy", "Gänseblümchen", "<b>tulip</b>")
SLICES = ("label:daisy", "label:Gänseblümchen", "label:[b]tulip[/b]")
LABELS = (0, 0, 0, 1, 1, 2)


def write_evaluation(output, number=1, baseline=False):
    """A real EvalResult of six predictions; the candidate takes one 0 for a 1, the baseline two."""
    import pandas as pd
    from tensorflow_model_analysis.api.model_eval_lib import analyze_raw_data
    from tensorflow_model_analysis.proto import config_pb2

    predicted = {"candidate": (0, 0, 1, 1, 1, 2), "baseline": (0, 1, 1, 1, 1, 2)}
    names = ("candidate", "baseline") if baseline else ("candidate",)
    metrics = {
        "ExampleCount": "example_count",
        "SparseCategoricalAccuracy": "accuracy",
        "MultiClassConfusionMatrixPlot": "confusion_matrix",
    }
    config = config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                name=name if baseline else "",
                is_baseline=name == "baseline",
                prediction_key=name,
                label_key="label",
            )
            for name in names
        ],
        slicing_specs=[config_pb2.SlicingSpec(), config_pb2.SlicingSpec(feature_keys=["label"])],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    config_pb2.MetricConfig(class_name=kind, config=json.dumps({"name": name}))
                    for kind, name in metrics.items()
                ],
                model_names=[name if baseline else "" for name in names],
            )
        ],
    )
    rows = {
        name: [[0.8 if each == index else 0.1 for index in range(3)] for each in predicted[name]]
        for name in names
    }
    evaluation = Path(output, "artifacts", "Evaluator", "evaluation", str(number))
    evaluation.mkdir(parents=True)
    analyze_raw_data(pd.DataFrame({"label": LABELS, **rows}), config, str(evaluation))
    per_class = {
        name: {"example_count": float(LABELS.count(index))} for index, name in enumerate(CLASSES)
    }
    summary = {"metrics": {"per_class": per_class}}
    Path(output, "run_summary.json").write_text(json.dumps(summary), encoding="utf-8")
    return evaluation


@contextmanager
def served(output, number=None):
    """The address of a server that answers for `output`."""
    with DashboardServer() as server:
        server.answers = read_answers(output, find_evaluation(output, number))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.address
        server.shutdown()
        thread.join()


def get(address, path):
    with urllib.request.urlopen(address + path) as answer:
        return answer.read()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An output folder with one evaluation, of a candidate and a baseline."""
    output = tmp_path_factory.mktemp("run")
    write_evaluation(output, baseline=True)
    return output


@pytest.fixture
def copied(run, tmp_path):
    """The same, for a test to spoil."""
    return Path(shutil.copytree(run, tmp_path / "run"))


@pytest.fixture(scope="module")
def address(run):
    with served(run) as address:
        yield address


def views(address, kind, model=0):
    shown = json.loads(get(address, "about"))["models"][model][kind]
    return {view["title"]: json.loads(get(address, view["address"][1:])) for view in shown}


def test_every_model_has_its_own_metrics_by_slicing_column(address):
    names = [model["name"] for model in json.loads(get(address, "about"))["models"]]
    assert names == ["candidate", "baseline"]
    for model, right in enumerate((5, 4)):
        metrics = views(address, "metrics", model)
        assert list(metrics) == ["Overall", "label"]
        [overall] = metrics["Overall"]["data"]
        accuracy = overall["metrics"][""][""]["accuracy"]["doubleValue"]
        assert accuracy == pytest.approx(right / 6)
        assert metrics["label"]["config"] == {"weightedExamplesColumn": "example_count"}


def test_slices_have_the_names_of_their_classes(address):
    sliced = {each["slice"] for each in views(address, "metrics")["label"]["data"]}
    assert sliced == set(SLICES)


def test_every_slice_has_its_plot(address):
    plots = views(address, "plots")
    assert list(plots) == ["Overall", *SLICES]
    for title, plot in plots.items():
        assert plot["config"]["sliceName"] == title
        [matrix] = plot["data"]["multiClassConfusionMatrixAtThresholds"]["matrices"]
        images = sum(entry["numWeightedExamples"] for entry in matrix["entries"])
        assert images == (6 if title == "Overall" else LABELS.count(SLICES.index(title)))


@pytest.mark.parametrize(
    "summary",
    [
        "",
        "[]",
        '{"metrics": {}}',
        '{"metrics": {"per_class": {"rose": {}, "fern": {}, "moss": {}}}}',
        '{"metrics": {"per_class": {"rose": {"example_count": 6}}}}',
    ],
)
def test_a_summary_of_other_images_names_no_classes(copied, summary):
    (copied / "run_summary.json").write_text(summary)
    answers = read_answers(copied, find_evaluation(copied))
    assert json.loads(answers["/about"].read())["classes"] == {}
    assert "label:2" in {
        each["slice"] for each in json.loads(answers["/metrics/0/1"].read())["data"]
    }


def test_one_model_alone(tmp_path):
    write_evaluation(tmp_path)
    with served(tmp_path) as address:
        [model] = json.loads(get(address, "about"))["models"]
        assert len(model["metrics"]) == 2
        assert len(model["plots"]) == 4


def test_the_report_is_served_once_it_is_there(copied):
    report = copied / "report" / "index.html"
    with served(copied) as address:
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(address, "report")
        assert json.loads(get(address, "about"))["reported"] is False
        report.parent.mkdir()
        report.write_text("<p>the report")
        assert get(address, "report") == b"<p>the report"
        assert json.loads(get(address, "about"))["reported"] is True


@pytest.mark.parametrize(
    "path",
    [
        "/run_summary.json",
        "/../run_summary.json",
        "/report/../../run_summary.json",
        "/%2e%2e/run_summary.json",
        "//etc/passwd",
        "/artifacts/",
        "/metrics/0/99",
        "http://example.com/tfma.html",
    ],
)
def test_nothing_else_is_served(address, path):
    host = address.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(host)
    connection.request("GET", path)
    assert connection.getresponse().status == 404
    connection.close()


def test_only_this_machine_is_listened_to(address):
    assert address.startswith("http://127.0.0.1:")


def test_the_newest_evaluation_is_the_one_with_the_highest_number(copied):
    folder = copied / "artifacts" / "Evaluator" / "evaluation"
    for number in ("9", "10"):
        shutil.copytree(folder / "1", folder / number)
    (folder / "11").mkdir()
    assert find_evaluation(copied).name == "10"
    assert find_evaluation(copied, 9).name == "9"
    with pytest.raises(UserError, match=r"no evaluation 11 .* there are: 1, 9, 10\."):
        find_evaluation(copied, 11)


@pytest.mark.parametrize("name", ["eval_config.json", "metrics-00000-of-00001.tfrecord"])
def test_an_evaluation_that_cannot_be_read_is_said_in_a_sentence(copied, name, capsys):
    spoilt = find_evaluation(copied) / name
    spoilt.write_text("x" * 100)
    assert perform(tfma, ["--output", str(copied)]) == 2
    assert str(spoilt.parent) in capsys.readouterr().err


def command(*arguments):
    return subprocess.Popen(
        [*BIT_TFX, "tfma", *map(str, arguments)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize(
    "arguments",
    [["--output", "nowhere"], ["--output", ".", "--evaluation", "7"], ["--port", "99999"]],
)
def test_a_mistake_is_told_in_one_sentence_before_tfma_loads(run, arguments):
    target = [] if "--port" not in arguments else ["--output", run]
    process = command(*target, *arguments)
    out, err = process.communicate(timeout=5)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_a_port_that_is_taken(run, capsys):
    with DashboardServer() as other:
        assert perform(tfma, ["--output", str(run), "--port", str(other.server_port)]) == 2
    assert f"port {other.server_port}" in capsys.readouterr().err


def test_the_command_says_where_it_serves_and_ends_with_ctrl_c(run):
    process = command("--output", run)
    try:
        lines = [process.stdout.readline(), process.stdout.readline()]
        address = lines[1].split("dashboards: ")[1].split()[0]
        assert b"tfma-nb-plot" in get(address, "")
        assert b"tfma-nb-slicing-metrics" in get(address, "tfma.js")
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")


def test_the_notebook_runs_and_shows_tfmas_widgets(run, monkeypatch):
    monkeypatch.setenv("BIT_OUTPUT", str(run))
    notebook = json.loads((ROOT / "docs" / "how-to" / "tfma.ipynb").read_text(encoding="utf-8"))
    # TFX 1.16 brings nbformat, TFX 1.21 does not; the file is the same.
    if find_spec("nbformat"):
        import_module("nbformat").validate(notebook)
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    names, shown = {}, {}
    for cell in cells:
        *statements, last = ast.parse("".join(cell["source"])).body
        exec(compile(ast.Module(statements, []), cell["id"], "exec"), names)
        shown[cell["id"]] = eval(compile(ast.Expression(last.value), cell["id"], "eval"), names)
    assert shown["load"]["accuracy"]["doubleValue"] == pytest.approx(5 / 6)
    assert [each["slice"] for each in shown["all-metrics"].data] == ["Overall"]
    assert {each["slice"] for each in shown["class-metrics"].data} == {
        "label:0",
        "label:1",
        "label:2",
    }
    assert shown["matrix-plot"].config["sliceName"] == "Overall"
