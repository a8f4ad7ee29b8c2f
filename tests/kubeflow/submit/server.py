"""A Kubeflow Pipelines API server, as far as kubeflow.submit asks it, with switches for failures.

Paths, query parameters, field names and status codes are those of KFP 2.17's v2beta1 REST API:
errors in grpc-gateway's form, but for the upload, whose handler has its own. What a run looks like
while it goes is in runs.py.
"""

from __future__ import annotations

import email
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

CREATED = "2026-11-25T03:00:00Z"
CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 500: 13, 503: 14}


@dataclass
class Request:
    """What was asked: `body` is parsed JSON, or the bytes of the uploaded file."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Kfp:
    """The server's content, its switches, and what it was asked.

    Attributes:
      answers: called with each request first; a status and a body, or None to answer as usual.
      polls: the run's states and tasks, one a poll; the last one stays.
    """

    tag: str | None = "2.17.3"
    multi_user: bool = False
    through_ui: bool = False
    token: str | None = None
    answers: Any = None
    polls: list[dict[str, Any]] = field(default_factory=list)
    pipelines: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)
    experiments: list[dict[str, Any]] = field(default_factory=list)
    recurring: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    guard: Any = None
    url: str = ""

    def calls(self, method: str, ending: str) -> list[Request]:
        """The requests with this method, to a path that ends so."""
        return [one for one in self.asked if one.method == method and one.path.endswith(ending)]

    def answer(self, request: Request) -> tuple[int, Any]:
        """Status and body."""
        chosen = self.answers(request) if self.answers else None
        if chosen is not None:
            return chosen
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return error(401, "Request header error: there is no user identity header.")
        for method, pattern, handler in _ROUTES:
            match = re.fullmatch(pattern, request.path.removeprefix("/apis/v2beta1"))
            if method == request.method and match:
                return handler(self, request, *match.groups())
        return error(404, "Not Found")


def error(status: int, message: str) -> tuple[int, Any]:
    """As grpc-gateway says it."""
    return status, {"error": message, "code": CODES[status], "message": message, "details": []}


def upload_error(status: int, message: str) -> tuple[int, Any]:
    """As the upload's handler says it."""
    return status, {"error_message": message, "error_details": message}


def _healthz(kfp, request):
    if kfp.through_ui:
        return 200, {
            "apiServerTagName": kfp.tag,
            "apiServerMultiUser": kfp.multi_user,
            "multi_user": kfp.multi_user,
            "apiServerReady": True,
            "buildDate": "",
            "frontendTagName": kfp.tag,
        }
    tag = {} if kfp.tag is None else {"commit_sha": "unknown", "tag_name": kfp.tag}
    return 200, {**tag, "multi_user": kfp.multi_user, "pipeline_store": "database"}


def _listed(kfp, request, key, items, **fixed):
    namespace = request.query.get("namespace", "")
    if kfp.multi_user and not namespace and key != "pipeline_versions":
        return error(400, "Invalid input error: A namespace cannot be empty in multi-user mode.")
    if namespace and not kfp.multi_user:
        return error(400, "Invalid input error: In single-user mode, cannot filter by namespace.")
    (predicate,) = json.loads(request.query["filter"])["predicates"]
    # An enum's value goes by its name or its number; the SDK's client sends numbers.
    assert predicate["operation"] in ("EQUALS", 1)
    assert predicate["key"] == "display_name"
    wanted = {"display_name": predicate["stringValue"], **fixed}
    if kfp.multi_user and key != "pipeline_versions":
        wanted["namespace"] = namespace
    found = [one for one in items if wanted.items() <= one.items()]
    return 200, {key: found, "total_size": len(found)} if found else {}


def _create_pipeline(kfp, request):
    name = request.body["display_name"]
    if any(one["display_name"] == name for one in kfp.pipelines):
        return error(409, f"Already exist error: the name {name} already exists.")
    kfp.pipelines.append({"pipeline_id": "p1", "created_at": CREATED, **request.body})
    return 200, kfp.pipelines[-1]


def _upload_version(kfp, request):
    name, pipeline = request.query["name"], request.query["pipelineid"]
    if any(one["display_name"] == name for one in kfp.versions):
        return upload_error(409, "Failed to create a pipeline version")
    kfp.versions.append(
        {
            "pipeline_id": pipeline,
            "pipeline_version_id": f"v{len(kfp.versions) + 1}",
            "display_name": name,
            "name": name,
            "description": request.query["description"],
            "created_at": CREATED,
        }
    )
    return 200, kfp.versions[-1]


def _create_experiment(kfp, request):
    made = {"experiment_id": "e1", "storage_state": "AVAILABLE", "created_at": CREATED}
    kfp.experiments.append({**made, **request.body})
    return 200, kfp.experiments[-1]


def _create_run(kfp, request):
    kfp.runs.append({"run_id": "r1", "created_at": CREATED, "state": "PENDING", **request.body})
    return 200, kfp.runs[-1]


def _get_run(kfp, request, run_id):
    if not kfp.runs or run_id != "r1":
        return error(404, f"ResourceNotFoundError: Run {run_id} not found.")
    now = kfp.polls.pop(0) if len(kfp.polls) > 1 else kfp.polls[0]
    return 200, {**kfp.runs[0], **now}


def _terminate(kfp, request, run_id):
    return 200, {}


def _create_recurring(kfp, request):
    made = {"recurring_run_id": f"rr{len(kfp.recurring) + 1}", "status": "ENABLED"}
    if kfp.multi_user:
        made["namespace"] = "team"
    kfp.recurring.append({**made, **request.body})
    return 200, kfp.recurring[-1]


def _disable_recurring(kfp, request, known):
    next(one for one in kfp.recurring if one["recurring_run_id"] == known)["status"] = "DISABLED"
    return 200, {}


def _delete_recurring(kfp, request, known):
    kfp.recurring = [one for one in kfp.recurring if one["recurring_run_id"] != known]
    return 200, {}


_ROUTES = (
    ("GET", "/healthz", _healthz),
    ("GET", "/pipelines", lambda k, r: _listed(k, r, "pipelines", k.pipelines)),
    ("POST", "/pipelines", _create_pipeline),
    (
        "GET",
        "/pipelines/([^/]+)/versions",
        lambda k, r, known: _listed(k, r, "pipeline_versions", k.versions, pipeline_id=known),
    ),
    ("POST", "/pipelines/upload_version", _upload_version),
    ("GET", "/experiments", lambda k, r: _listed(k, r, "experiments", k.experiments)),
    ("POST", "/experiments", _create_experiment),
    ("POST", "/runs", _create_run),
    ("GET", "/runs/([^/:]+)", _get_run),
    ("POST", "/runs/([^/:]+):terminate", _terminate),
    ("GET", "/recurringruns", lambda k, r: _listed(k, r, "recurringRuns", k.recurring)),
    ("POST", "/recurringruns", _create_recurring),
    ("POST", "/recurringruns/([^/:]+):disable", _disable_recurring),
    ("DELETE", "/recurringruns/([^/:]+)", _delete_recurring),
)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self):
        kfp = self.server.kfp
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        headers = {key.lower(): value for key, value in self.headers.items()}
        raw = self.rfile.read(int(headers.get("content-length", 0)))
        body = _parsed(headers.get("content-type", ""), raw)
        request = Request(self.command, parts.path, query, headers, body)
        kfp.asked.append(request)
        guarded = kfp.guard(request) if kfp.guard else None
        if guarded:
            return self._write(*guarded)
        status, answer = kfp.answer(request)
        if status is None:
            # A server that dies: the connection ends without an answer.
            self.close_connection = True
            return None
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        kind = "text/html" if content.startswith(b"<") else "application/json"
        return self._write(status, {"Content-Type": kind}, content)

    def _write(self, status, headers, content):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _handle  # noqa: N815

    def log_message(self, *args):
        """Nothing on the test's terminal."""


def _parsed(kind, raw):
    if kind.startswith("multipart/form-data"):
        message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + raw)
        (part,) = message.get_payload()
        assert part.get_param("name", header="content-disposition") == "uploadfile"
        return part.get_payload(decode=True)
    if kind.startswith("application/x-www-form-urlencoded"):
        return {key: values[0] for key, values in parse_qs(raw.decode()).items()}
    return json.loads(raw) if raw else None


@contextmanager
def serving(kfp: Kfp, tls: Any = None):
    """Serves on a free port of this machine until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.kfp = kfp
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    kfp.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield kfp
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
