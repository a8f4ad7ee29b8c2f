"""Asks a server for the classes of images, with Python's standard library alone.

    from serving.client import Client

    client = Client("http://localhost:8080")
    for answer in client.predict([Path("tulip.jpg"), Path("rose.jpg").read_bytes()]):
        print(answer.class_name, answer.probability, answer.error)

It tries again where the server is busy, or has closed the connection.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.signatures import CLASS_INDEX, CLASS_NAME, ERROR, PROBABILITIES, VALID


class ServerError(Exception):
    """The server's own words on why there is no answer; `status` is HTTP's."""

    def __init__(self, status: int, sentence: str):
        super().__init__(f"{sentence} (HTTP {status})")
        self.status = status


@dataclass(frozen=True)
class Prediction:
    """The answer for one image.

    Attributes:
      class_name: of the most probable class; "" for a bad image.
      class_index: its column; -1 for a bad image.
      probability: of it; None for a bad image.
      probabilities: of every class; None for a bad image.
      valid: whether there is an answer.
      error: why there is none; "" where there is one.
      version: of the model that answered.
    """

    class_name: str
    class_index: int
    probability: float | None
    probabilities: tuple[float, ...] | None
    valid: bool
    error: str
    version: int


class Client:
    """A connection that is kept open, for one thread.

    Args:
      url: of the server.
      name: of the model; None for the one that is there.
      timeout_s: for one answer.
      retries: how often a busy server, or a connection that it closed, is tried again.
    """

    def __init__(
        self, url: str, name: str | None = None, timeout_s: float = 60.0, retries: int = 5
    ):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no http:// or https:// URL")
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        self._connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=timeout_s)
        self._base = parts.path.rstrip("/")
        self._name = name
        self._retries = retries

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    @property
    def name(self) -> str:
        """The model's name in URLs."""
        if self._name is None:
            self._name = str(self._ask("GET", "/v1/models")["models"][0])
        return self._name

    def predict(self, images: Sequence[bytes | Path]) -> list[Prediction]:
        """The classes of images, in one request.

        Args:
          images: encoded as JPEG, PNG, GIF or BMP; the bytes, or the file.

        Raises:
          ServerError: the request as a whole has no answer.
          OSError: a file cannot be read, or the server cannot be reached.
        """
        encoded = [each if isinstance(each, bytes) else each.read_bytes() for each in images]
        body = {"instances": [{"b64": base64.b64encode(each).decode()} for each in encoded]}
        path = f"/v1/models/{urllib.parse.quote(self.name, safe='')}:predict"
        answer = self._ask("POST", path, json.dumps(body))
        return [_prediction(row, int(answer["model_version"])) for row in answer["predictions"]]

    def _ask(self, method: str, path: str, body: str | None = None) -> Any:
        for left in range(self._retries, -1, -1):
            try:
                response, content = self._send(method, path, body)
            except (http.client.RemoteDisconnected, ConnectionError):
                # A prediction changes nothing: it may be asked for twice.
                self._connection.close()
                if not left:
                    raise
                time.sleep(0.1)
                continue
            if response.status == 503 and left:
                time.sleep(float(response.getheader("retry-after") or 1))
                continue
            break
        try:
            answer = json.loads(content)
        except ValueError:
            answer = {"error": content.decode("utf-8", "replace")}
        if response.status != 200:
            raise ServerError(response.status, str(answer.get("error", answer)))
        return answer

    def _send(
        self, method: str, path: str, body: str | None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        headers = {"Content-Type": "application/json"} if body else {}
        self._connection.request(method, self._base + path, body, headers)
        response = self._connection.getresponse()
        return response, response.read()


def _prediction(row: dict[str, Any], version: int) -> Prediction:
    valid = row[VALID]
    return Prediction(
        row[CLASS_NAME],
        row[CLASS_INDEX],
        row[PROBABILITIES][row[CLASS_INDEX]] if valid else None,
        tuple(row[PROBABILITIES]) if valid else None,
        valid,
        row[ERROR],
        version,
    )
