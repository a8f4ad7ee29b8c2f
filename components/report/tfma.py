"""TFMA's own dashboards, served on this machine.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as output:
...     folder = Path(output, "artifacts", "Evaluator", "evaluation", "12")
...     folder.mkdir(parents=True)
...     for name in ("metrics-00000-of-00001.tfrecord", "eval_config.json"):
...         (folder / name).touch()
...     find_evaluation(Path(output)) == folder
True
"""

from __future__ import annotations

import contextlib
import json
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.finite import to_json
from components.storage import AnyPath, io_errors, is_local
from components.terminal import hushed

HOST = "127.0.0.1"
_PAGE = Path(__file__).with_name("tfma.html")
_LABEL = "label"
_HTML, _SCRIPT, _JSON = "text/html", "text/javascript", "application/json"


@dataclass(frozen=True)
class Answer:
    """What the server gives at one address."""

    kind: str
    read: Callable[[], bytes]


def find_evaluation(output: AnyPath, number: int | None = None) -> AnyPath:
    """The folder of an evaluation below a run's `--output`.

    Args:
      output: what the run was given as `--output`.
      number: the evaluation's number; None for the newest.

    Raises:
      UserError: there is none, or not that one.
    """
    folder = output / "artifacts" / "Evaluator" / "evaluation"
    # An Evaluator that failed, or still runs, has left less.
    whole = {path.parent for path in folder.glob("*/metrics*")}
    whole &= {path.parent for path in folder.glob("*/eval_config.json")}
    found = {int(path.name): path for path in whole if path.name.isdecimal()}
    if not found:
        raise UserError(
            f"no evaluation in {folder}: give the --output folder of a run that reached its "
            "Evaluator."
        )
    if number is None:
        return found[max(found)]
    if number not in found:
        numbers = ", ".join(map(str, sorted(found)))
        raise UserError(f"no evaluation {number} in {folder}; there are: {numbers}.")
    return found[number]


def _model_names(evaluation: AnyPath) -> list[str | None]:
    """What TFMA calls the compared models, the candidate first; [None] for one alone."""
    path = evaluation / "eval_config.json"
    try:
        specs = json.loads(path.read_text(encoding="utf-8"))["evalConfig"]["modelSpecs"]
        if len(specs) < 2:
            return [None]
        specs = sorted(specs, key=lambda spec: bool(spec.get("isBaseline")))
        return [spec["name"] for spec in specs]
    except io_errors(ValueError, LookupError, TypeError) as error:
        raise UserError(f"{path} is no configuration of an evaluation: {error!r}.") from error


def read_answers(output: AnyPath, evaluation: AnyPath) -> dict[str, Answer]:
    """Everything that the server can answer, by its path; nothing else is ever read.

    Args:
      output: what the run was given as `--output`.
      evaluation: folder of the evaluation.

    Raises:
      UserError: the evaluation cannot be read.
    """
    names = _model_names(evaluation)
    # Imported here: it takes ten seconds, which a mistake should not cost.
    import tensorflow_model_analysis as tfma

    results = [_load(evaluation, name) for name in names]
    classes = _class_names(output, results[0].slicing_metrics)
    script = Path(tfma.__file__).with_name("static") / "vulcanized_tfma.js"
    report = output / "report" / "index.html"
    about: dict[str, Any] = {
        "output": str(output),
        "evaluation": evaluation.name,
        "models": [],
        "classes": {str(key): name for key, name in classes.items()},
        "report": str(report.resolve() if is_local(report) else report),
    }
    answers = {
        "/": Answer(_HTML, _PAGE.read_bytes),
        "/report": Answer(_HTML, report.read_bytes),
        "/tfma.js": Answer(_SCRIPT, script.read_bytes),
    }
    for number, (name, result) in enumerate(zip(names, results, strict=True)):
        views = {"metrics": _metrics(result, classes), "plots": _plots(result, classes)}
        addresses: dict[str, Any] = {"name": name or "model"}
        for kind, shown in views.items():
            addresses[kind] = []
            for place, (title, view) in enumerate(shown):
                address = f"/{kind}/{number}/{place}"
                answers[address] = Answer(_JSON, partial(_json, view))
                addresses[kind].append({"title": title, "address": address})
        about["models"].append(addresses)
    # The report may come or go while the server runs.
    answers["/about"] = Answer(_JSON, lambda: _json({**about, "reported": report.is_file()}))
    return answers


def _load(evaluation: AnyPath, name: str | None) -> Any:
    from google.protobuf import json_format
    from tensorflow_model_analysis.api.model_eval_lib import load_eval_result

    try:
        return load_eval_result(str(evaluation), model_name=name)
    except io_errors(json_format.Error, ValueError, LookupError) as error:
        raise UserError(f"{evaluation} cannot be read by TFMA: {error}") from error


def _json(value: Any) -> bytes:
    return to_json(value).encode()


def _metrics(result: Any, classes: dict[Any, str]) -> list[tuple[str, Any]]:
    """A view of tfma-nb-slicing-metrics for each column by which was sliced."""
    from tensorflow_model_analysis.view import util

    keys = [key for key, _ in result.slicing_metrics]
    columns = dict.fromkeys(key[0][0] for key in keys if len(key) == 1)
    titles = {_stringify(key): _title(key, classes) for key in keys}
    config = util.get_slicing_config(result.config)
    views = []
    for column in [*([None] if () in keys else []), *columns]:
        data = util.get_slicing_metrics(result.slicing_metrics, column)
        data = [{**each, "slice": titles[each["slice"]]} for each in data]
        views.append((column or "Overall", {"config": config, "data": data}))
    return views


def _plots(result: Any, classes: dict[Any, str]) -> list[tuple[str, Any]]:
    """A view of tfma-nb-plot for each slice that has plots."""
    from tensorflow_model_analysis.slicer import slicer_lib
    from tensorflow_model_analysis.view import util

    views = []
    for key, plots in sorted(result.plots, key=lambda each: (len(each[0]), each[0])):
        spec = slicer_lib.SingleSliceSpec(columns=[column for column, _ in key])
        try:
            data, config = util.get_plot_data_and_config([(key, plots)], spec)
        except ValueError:
            # No plot that the component can draw.
            continue
        config["sliceName"] = _title(key, classes)
        views.append((config["sliceName"], {"config": config, "data": data}))
    return views


def _title(key: Any, classes: dict[Any, str]) -> str:
    """TFMA's own name of a slice, with the class's name for its id."""
    if len(key) == 1 and key[0][0] == _LABEL:
        key = ((_LABEL, classes.get(key[0][1], key[0][1])),)
    # TFMA's table renders a name as HTML.
    return _stringify(key).translate(str.maketrans("<>", "[]"))


def _stringify(key: Any) -> str:
    from tensorflow_model_analysis.slicer import slicer_lib

    return str(slicer_lib.stringify_slice_key(key))


def _class_names(output: AnyPath, slicing_metrics: Any) -> dict[Any, str]:
    """Class name by id, if the last run's summary is about these images; else {}.

    An evaluation does not hold the names. The number of images in each class shows a match.
    """
    counts = {
        key[0][1]: metrics.get("", {}).get("", {}).get("example_count", {}).get("doubleValue")
        for key, metrics in slicing_metrics
        if len(key) == 1 and key[0][0] == _LABEL
    }
    try:
        summary = json.loads((output / "run_summary.json").read_text(encoding="utf-8"))
        per_class = summary["metrics"]["per_class"]
        same = [each.get("example_count") for each in per_class.values()]
    except io_errors(ValueError, LookupError, TypeError, AttributeError):
        return {}
    ids = sorted(counts)
    return dict(zip(ids, per_class, strict=True)) if same == [counts[key] for key in ids] else {}


class DashboardServer(ThreadingHTTPServer):
    """Listens from the start, and answers once `answers` is there and it serves."""

    daemon_threads = True

    def __init__(self, port: int = 0):
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise UserError(f"port {port} of {HOST} cannot be had ({error}).") from error
        self.answers: dict[str, Answer] = {}

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: DashboardServer

    def do_GET(self) -> None:
        answer = self.server.answers.get(self.path.partition("?")[0])
        body = None
        with contextlib.suppress(*io_errors()):
            body = answer.read() if answer else None
        if answer is None or body is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"{answer.kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        # The user left the page before all of it was sent.
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: the terminal shows the address."""


def serve(output: AnyPath, number: int | None, port: int, opened: bool) -> None:
    """Serves the dashboards of an evaluation until Ctrl-C, and prints where.

    Args:
      output: what the run was given as `--output`.
      number: the evaluation's; None for the newest.
      port: to listen on; 0 for any that is free.
      opened: whether to open the page in a browser.

    Raises:
      UserError: there is no such evaluation, it cannot be read, or the port is not free.
    """
    evaluation = find_evaluation(output, number)
    try:
        with DashboardServer(port) as server:
            print(f"Reading evaluation {evaluation.name} of {output} with TFMA …", flush=True)
            with hushed():
                server.answers = read_answers(output, evaluation)
            print(f"TFMA's dashboards: {server.address} (Ctrl-C ends it)", flush=True)
            if opened:
                webbrowser.open(server.address)
            server.serve_forever()
    except KeyboardInterrupt:
        print()
