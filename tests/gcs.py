"""A Google Cloud Storage that is in memory: for TensorFlow's own client, which asks it for gs://.

`python -m tests.gcs FOLDER` prints its port, and leaves its certificate in FOLDER. It is an https
proxy that answers itself whatever host is asked for. It knows what TensorFlow's client asks: the
JSON API's objects (metadata, list, delete, rewrite), resumable uploads, and downloads by range.
"""

import http.server
import json
import re
import ssl
import subprocess
import sys
import urllib.parse
from contextlib import contextmanager, suppress
from pathlib import Path

_OBJECTS: dict[str, bytes] = {}
_UPLOADS: list[str] = []


def _metadata(name):
    generation = str(abs(hash(_OBJECTS[name])))
    updated = "2026-11-25T03:00:00.000Z"
    size = str(len(_OBJECTS[name]))
    return {"name": name, "size": size, "generation": generation, "updated": updated}


def _list(query):
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
    items, prefixes = [], set()
    for name in sorted(_OBJECTS):
        if name.startswith(prefix):
            head, found, _ = name[len(prefix) :].partition(delimiter or "\0")
            if found:
                prefixes.add(prefix + head + delimiter)
            else:
                items.append(_metadata(name))
    return 200, {"items": items, "prefixes": sorted(prefixes)}


def _upload(query):
    _UPLOADS.append(query["name"])
    return 200, {}, f"https://www.googleapis.com/upload/session/{len(_UPLOADS) - 1}"


def _finish(session, data):
    _OBJECTS[_UPLOADS[int(session)]] = data
    return 200, {}


def _object(method, name):
    if name not in _OBJECTS:
        return 404, {}
    if method == "DELETE":
        del _OBJECTS[name]
        return 204, b""
    return 200, _metadata(name)


def _rewrite(source, target):
    _OBJECTS[target] = _OBJECTS[source]
    return 200, {"done": True, "resource": _metadata(target)}


def _download(name, asked):
    if name not in _OBJECTS:
        return 404, {}
    first, last = (int(number) for number in asked.removeprefix("bytes=").split("-"))
    part = _OBJECTS[name][first : last + 1]
    return (206, part) if part else (416, b"")


def _answer(method, host, path, headers, data):
    """Status, body and, of an upload that begins, where it goes on."""
    url = urllib.parse.urlsplit(path)
    query = dict(urllib.parse.parse_qsl(url.query))
    if host.startswith("storage."):
        name = urllib.parse.unquote(url.path.split("/", 2)[2])
        return _download(name, headers["Range"])
    routes = (
        (r"/upload/storage/v1/b/[^/]+/o", lambda: _upload(query)),
        (r"/upload/session/(\d+)", lambda session: _finish(session, data)),
        (r"/storage/v1/b/[^/]+", lambda: (200, {"name": "bucket"})),
        (r"/storage/v1/b/[^/]+/o/?", lambda: _list(query)),
        (r"/storage/v1/b/[^/]+/o/([^/]+)", lambda name: _object(method, name)),
        (r"/storage/v1/b/[^/]+/o/([^/]+)/rewriteTo/b/[^/]+/o/([^/]+)", _rewrite),
    )
    for pattern, answer in routes:
        if match := re.fullmatch(pattern, url.path):
            return answer(*map(urllib.parse.unquote, match.groups()))
    return 501, {}


class _Proxy(http.server.BaseHTTPRequestHandler):
    """Takes the client's tunnel and speaks TLS at its end, as the host that was asked for."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def do_CONNECT(self):
        self.send_response(200)
        self.end_headers()
        secured = self.context.wrap_socket(self.connection, server_side=True)
        with suppress(OSError):
            _Storage(secured, self.client_address, self.server)
        self.close_connection = True

    def log_message(self, format, *args):
        pass


class _Storage(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self):
        data = self._body()
        host = self.headers["Host"]
        status, body, *more = _answer(self.command, host, self.path, self.headers, data)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for location in more:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

    def log_message(self, format, *args):
        pass


@contextmanager
def running(folder: Path):
    """The environment in which TensorFlow finds it, while it runs: in a process of its own.

    TensorFlow's client holds the interpreter's lock while it waits for some of the answers.
    """
    command = [sys.executable, "-m", "tests.gcs", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield {
                "https_proxy": f"http://127.0.0.1:{int(server.stdout.readline())}",
                "CURL_CA_BUNDLE": str(folder / "certificate.pem"),
                "GOOGLE_AUTH_TOKEN_FOR_TESTING": "token",
            }
        finally:
            server.terminate()


def _serve(folder):
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    hosts = "subjectAltName=DNS:www.googleapis.com,DNS:storage.googleapis.com"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=storage", "-addext", hosts, "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    _Proxy.context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
