"""The server: KServe's ModelServer around one model that follows the folder of versions.

    from serving.server import serve
    from serving.settings import Settings

    serve(Settings(Path("runs/digits/serving"), port=8080))

It runs in `.venv-serve` (`serving.environment`), or where KServe and TensorFlow are installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.resources
import logging
import socket
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from components.errors import UserError
from components.pusher.signature import check_public_key
from components.pusher.versions import versions
from components.storage import is_local
from components.terminal import hushed
from serving.admission import all_versions, signed_by
from serving.request_log import RequestLog, cannot_write
from serving.settings import Settings
from serving.switch import Switch
from serving.version import name_of

_logger = logging.getLogger(__name__)

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)
_GRACE_S = 30
"""Seconds that accepted requests have after SIGTERM."""


def serve(settings: Settings) -> None:
    """Serves until a signal ends it, and returns when all accepted requests are answered.

    Raises:
      UserError: no version is there or loads, a port is in use, or the log cannot be written.
    """
    check(settings)
    _log_to_stderr()
    print(f"loading the model from {settings.folder}", flush=True)
    # Imported late: a mistake is told before TensorFlow has loaded.
    from serving.model import VERSION

    admission = all_versions if settings.key is None else signed_by(settings.key)
    switch = Switch(settings.folder, admission, switched=VERSION.set)
    with hushed():
        found = switch.look()
    reasons = [f"version {each}: {reason}" for each, reason in switch.failures.items()]
    if not found:
        raise UserError(f"no version in {settings.folder} can be served; {'; '.join(reasons)}")
    for reason in reasons:
        _logger.error("%s; version %d serves", reason, switch.current.number)
    log = RequestLog(settings.log) if settings.log else None
    try:
        _run(settings, switch, log)
    finally:
        switch.close()
        if log is not None:
            log.close()
    print("ended: every accepted request is answered", flush=True)


def _run(settings: Settings, switch: Switch, log: RequestLog | None) -> None:
    # What the SDK uses of its libraries is its own affair.
    warnings.simplefilter("ignore")
    with _own_arguments(settings):
        from kserve import ModelServer
        from kserve.model_repository import ModelRepository
        from kserve.model_server import app

    from serving.gate import Gate, settle_errors
    from serving.model import ServedModel

    class Server(ModelServer):
        """Is warm before its ports are open, and says when they are."""

        async def _serve(self) -> None:
            rest = self._rest_server
            rest.create_application()
            settle_errors(app)
            # `rest.start` would make it a second time.
            rest.create_application = lambda: None
            await model.warm_up()
            await _ask_for_models(app)
            said = asyncio.create_task(_say_when_up(self, settings, model.name, switch))
            await super()._serve()
            said.cancel()

    class OneModel(ModelRepository):
        """Keeps its model: on SIGTERM the SDK would answer 404 to what it has accepted."""

        def unload(self, name: str) -> None:
            """The SDK's hook."""

    name = settings.name or name_of(settings.folder / str(switch.current.number)) or "model"
    model = ServedModel(name, settings, switch, log)
    app.add_middleware(Gate, max_body_bytes=settings.max_body_bytes)
    _add_page(app, name, switch)
    server = Server(
        http_port=settings.port,
        grpc_port=settings.grpc_port,
        enable_grpc=settings.grpc_port > 0,
        enable_latency_logging=False,
        grace_period=_GRACE_S,
        registered_models=OneModel(),
    )
    server.model_repository_extension = _fixed(server)
    switch.follow(settings.poll_s)
    server.start([model])


def _fixed(server: Any) -> Any:
    """GRPC's part of the repository extension: the folder decides, and not a caller."""
    from kserve.protocol.model_repository_extension import ModelRepositoryExtension

    from serving.model import Refused

    class Fixed(ModelRepositoryExtension):
        async def load(self, model_name: str) -> None:
            raise Refused(404, "versions are chosen by the serving folder")

        async def unload(self, model_name: str) -> None:
            raise Refused(404, "versions are chosen by the serving folder")

    return Fixed(model_registry=server.registered_models)


def _add_page(app: Any, name: str, switch: Switch) -> None:
    """`/`, the page; `/model`, what it and clients ask first: name, version, labels."""
    from fastapi.responses import HTMLResponse, JSONResponse

    text = (importlib.resources.files("serving") / "page.html").read_text(encoding="utf-8")

    async def page() -> Any:
        return HTMLResponse(text, headers={"content-security-policy": _POLICY})

    async def about() -> Any:
        current = switch.current
        return JSONResponse(
            {"name": name, "version": str(current.number), "labels": current.labels}
        )

    # Before the SDK's own `/`.
    app.add_api_route("/", page, methods=["GET"], include_in_schema=False)
    app.add_api_route("/model", about, methods=["GET"])


async def _ask_for_models(app: Any) -> None:
    """One request through all layers, without a port: the first takes ten times as long."""
    import httpx

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        (await client.get("/v1/models")).raise_for_status()


async def _say_when_up(server: Any, settings: Settings, name: str, switch: Switch) -> None:
    while not server._rest_server._server.started:
        await asyncio.sleep(0.02)
    grpc = f", gRPC at port {settings.grpc_port}" if settings.grpc_port else ""
    print(
        f"serving {name}, version {switch.current.number}, at http://localhost:{settings.port}"
        f"{grpc}; Ctrl-C ends it",
        flush=True,
    )


def check(settings: Settings) -> None:
    """Finds the mistakes that can be known before TensorFlow is loaded.

    Raises:
      UserError: no version is there, a port is in use, the key is none, or the log cannot be
        written.
    """
    folder = settings.folder
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; give the one of the versions.")
    if not versions(folder):
        here = (
            ""
            if not is_local(folder) or not (folder / "serving").is_dir()
            else (f" Did you mean {folder / 'serving'}?")
        )
        raise UserError(f"{folder} holds no version, a folder whose name is a number.{here}")
    for port in filter(None, (settings.port, settings.grpc_port)):
        _check_port(port)
    if settings.key is not None:
        check_public_key(settings.key)
    if settings.log and (reason := cannot_write(settings.log)):
        raise UserError(f"--log-requests {settings.log.folder} cannot be written: {reason}.")


def _check_port(port: int) -> None:
    # Both families: gRPC's own check would let two servers share a port.
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                tried.bind((host, port))
        except PermissionError:
            raise UserError(f"port {port} is only for root; give another, such as 8080.") from None
        except OSError as error:
            if family == socket.AF_INET:
                raise UserError(
                    f"port {port} cannot be opened ({error.strerror}): give another by --port, "
                    "--grpc-port."
                ) from None


@contextlib.contextmanager
def _own_arguments(settings: Settings) -> Iterator[None]:
    """The SDK reads the process's command line on import, and some settings from nowhere else."""
    before = sys.argv
    size = str(settings.max_body_bytes)
    sys.argv = [before[0], "--configure_logging=false", f"--grpc_max_receive_message_length={size}"]
    try:
        yield
    finally:
        sys.argv = before


def _log_to_stderr() -> None:
    """One line a message; a line a request (uvicorn's, the SDK's) would say what metrics say."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("serving").setLevel(logging.INFO)
    logging.getLogger("kserve").addFilter(_no_mistake_of_a_caller)


def _no_mistake_of_a_caller(record: logging.LogRecord) -> bool:
    """Drops what the SDK logs, with a traceback, for every request that is the caller's mistake."""
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    return type(error).__name__ not in ("Refused", "InvalidInput", "ModelNotFound")
