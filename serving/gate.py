"""What stands before KServe's routes: bounds, and an error for every mistake that is the caller's.

    from fastapi import FastAPI
    from serving.gate import Gate, settle_errors

    app = FastAPI()
    app.add_middleware(Gate, max_body_bytes=32_000_000)
    settle_errors(app)

What the SDK raises before it hands a request to the model (a KeyError for a tensor without a name,
a ValueError for a header) it would answer with 500 and a traceback in the log: here it is a 400.
"""

from __future__ import annotations

import asyncio
import logging
import re
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from kserve.errors import InferenceError, InvalidInput, ModelNotFound, UnsupportedProtocol
from starlette.exceptions import HTTPException

from serving.model import REFUSED, RETRY_AFTER_S, Refused, entered

_logger = logging.getLogger(__name__)

_BODY_S = 60.0
"""Seconds that a body may take to arrive."""
_BODIES = 8
"""Bodies of the largest size that may be in memory at once."""
_DRAINED = 4
"""Bodies of the largest size that are read and thrown away, so that the caller reads why."""

_CURL = b"application/x-www-form-urlencoded"

_ONE_VERSION = "one version answers at a time, and the answer says which; ask without a version"

_NOT_SERVED = (
    (re.compile(r"^/v[12]/models/[^/]*:explain$"), "this model does not explain"),
    (
        re.compile(r"^/v1/models/[^/]+/metadata$"),
        "inputs and outputs are at /v2/models/NAME",
    ),
    (
        re.compile(r"^/v1/models/[^/]*:(classify|regress)$"),
        "this model has no signature of that kind: ask :predict",
    ),
    (
        re.compile(r"^/v[12]/models/[^/]+/(versions|labels)(/|$)"),
        _ONE_VERSION,
    ),
    (
        re.compile(r"^/v2/repository(/|$)"),
        "versions are chosen by the serving folder: see bit-tfx rollback",
    ),
)


class Gate:
    """An ASGI middleware around KServe's application."""

    def __init__(self, app: Any, max_body_bytes: int):
        self._app = app
        self._max = max_body_bytes
        self._held = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI's call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refusal(scope)
        if refused is not None:
            await refused(scope, receive, send)
            return
        if scope["method"] != "POST":
            await self._answer(scope, receive, send)
            return
        length = _length(scope)
        size = self._max if length is None else min(length, self._max)
        if self._held + size > _BODIES * self._max:
            await _error(503, "the server is busy: too large bodies at once; try again")(
                scope, receive, send
            )
            return
        self._held += size
        try:
            await self._with_body(scope, receive, send)
        finally:
            self._held -= size

    def _refusal(self, scope: Any) -> Response | None:
        for pattern, sentence in _NOT_SERVED:
            if pattern.match(scope["path"]):
                return _error(404, sentence)
        if b"inference-header-content-length" in dict(scope["headers"]):
            return _error(400, "binary tensors are not taken over REST: send base64, or use gRPC")
        return None

    async def _with_body(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await asyncio.wait_for(self._body(receive), _BODY_S)
        except asyncio.TimeoutError:
            await _error(408, f"the body took longer than {_BODY_S:g} s")(scope, receive, send)
            return
        if body is None:
            return
        if len(body) > self._max:
            sentence = f"the body is larger than {self._max} bytes; send fewer images at once"
            await _error(413, sentence)(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if headers.get(b"content-type", _CURL) == _CURL:
            # What curl and urllib call every body. The SDK would take it for binary tensors.
            headers[b"content-type"] = b"application/json"
            scope = {**scope, "headers": list(headers.items())}
        given = False

        async def again() -> Any:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._answer(scope, again, send)

    async def _body(self, receive: Any) -> bytes | None:
        """The whole body, or more than the bound of it; None where the caller has gone."""
        parts: list[bytes] = []
        size, more = 0, True
        while more and size <= _DRAINED * self._max:
            message = await receive()
            if message["type"] != "http.request":
                return None
            part = message.get("body", b"")
            size += len(part)
            if size - len(part) <= self._max:
                parts.append(part)
            more = message.get("more_body", False)
        return b"".join(parts)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        mark: list[bool] = []
        token = entered.set(mark)
        begun = False

        async def sending(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            if begun:
                raise
            if mark or scope["method"] != "POST":
                _logger.exception("a request failed")
                answer = _error(500, f"{type(error).__name__}")
            else:
                _logger.debug("a request could not be read: %r", error)
                answer = _error(400, f"the request cannot be read: {type(error).__name__}")
            await answer(scope, receive, send)
        finally:
            entered.reset(token)


def _length(scope: Any) -> int | None:
    value = dict(scope["headers"]).get(b"content-length", b"")
    return int(value) if value.isdigit() else None


def _error(status: int, sentence: str) -> JSONResponse:
    REFUSED.labels(str(status)).inc()
    headers = (
        {"retry-after": str(RETRY_AFTER_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    )
    # A sentence may repeat what was sent, half a character of UTF-16 included.
    text = sentence.encode("utf-8", "backslashreplace").decode()
    return JSONResponse({"error": text}, status, headers)


async def _refused(_: Any, error: Refused) -> Response:
    return _error(error.status, error.sentence)


async def _not_valid(_: Any, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    where = ".".join(str(each) for each in first["loc"] if each != "body")
    return _error(400, f"{where or 'the body'}: {first['msg']}")


async def _http(_: Any, error: HTTPException) -> Response:
    return _error(error.status_code, str(error.detail))


async def _not_found(_: Any, error: Exception) -> Response:
    return _error(404, str(error))


async def _mistaken(_: Any, error: Exception) -> Response:
    return _error(400, str(error))


async def _no_versions(_: Any, __: NotImplementedError) -> Response:
    """Of the SDK, for `?model_version=`: it would answer 501."""
    return _error(404, _ONE_VERSION)


def settle_errors(app: FastAPI) -> None:
    """Our words, and no traceback in the log, for what is the caller's mistake.

    After the SDK's own handlers, whose place these take.
    """
    handlers: dict[Any, Any] = {
        Refused: _refused,
        RequestValidationError: _not_valid,
        HTTPException: _http,
        InvalidInput: _mistaken,
        InferenceError: _mistaken,
        UnsupportedProtocol: _mistaken,
        ModelNotFound: _not_found,
        NotImplementedError: _no_versions,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
