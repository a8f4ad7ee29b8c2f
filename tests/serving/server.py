"""A real server in a process of its own, started as a user starts it."""

import contextlib
import http.client
import json
import os
import queue
import socket
import subprocess
import threading
from pathlib import Path

from components.process import ROOT
from tests.command import BIT_TFX

START_S = 180
"""On a busy machine TensorFlow alone takes half a minute."""


def free_ports(count=2):
    """Ports that nobody listens at now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("", 0))
        return [each.getsockname()[1] for each in sockets]


class Server:
    """`bit-tfx serve FOLDER` on free ports, ready when this returns.

    With `context`, of ssl, it is asked by TLS.
    """

    def __init__(self, folder, *arguments, ports=None, context=None):
        self.port, self.grpc_port = ports or free_ports()
        self._context = context
        ports = ["--port", str(self.port), "--grpc-port", str(self.grpc_port)]
        self.process = subprocess.Popen(
            [*BIT_TFX, "serve", str(folder), *ports, "--poll-seconds", "0.2", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines, self._new = [], queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.wait_for("serving ")

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            self._new.put(line)
        self._new.put(None)

    def wait_for(self, text):
        """Returns the next line that holds `text`."""
        while True:
            line = self._new.get(timeout=START_S)
            assert line is not None, "".join(self.lines)
            if text in line:
                return line

    @property
    def url(self):
        return f"http://localhost:{self.port}"

    def send(self, method, path, body=None, headers=None):
        """One request over a connection of its own: status, headers, body."""
        if self._context is None:
            connection = http.client.HTTPConnection("localhost", self.port, timeout=60)
        else:
            connection = http.client.HTTPSConnection(
                "localhost", self.port, timeout=60, context=self._context
            )
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def ask(self, path, body=None):
        """The strict JSON of an answer that must be there."""
        text = None if body is None else json.dumps(body)
        status, _, answer = self.send("POST" if text else "GET", path, text, JSON)
        assert status == 200, answer
        return strict(answer)

    def memory_mb(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def end(self):
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(60)

    def kill(self):
        self.process.kill()
        self.process.wait(60)


JSON = {"Content-Type": "application/json"}


def strict(text):
    """JSON without NaN and Infinity, which Python reads and others do not."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)
