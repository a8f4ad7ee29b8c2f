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
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from components.commands import bit_tfx
from components.errors import UserError
from components.pusher.signature import check_public_key
from components.pusher.versions import versions
from components.storage import is_local
from components.terminal import hushed
from serving.admission import all_versions, signed_by
from serving.listen import check_ports, check_tls, grpc_server, url, whom
from serving.request_log import RequestLog, cannot_write
from serving.settings import Settings
from serving.status import model_version_status
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
    # Imported late: a mistake is reported before TensorFlow has loaded.
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
    with _own_arguments():
        import kserve.model_server as sdk
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
            # The SDK knows of a port alone.
            rest.config.host = settings.host
            await model.warm_up()
            await _ask_for_models(app)
            # Another server may have taken one while this one was loading.
            check_ports(settings)
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
    tls = settings.tls
    server = Server(
        http_port=settings.port,
        grpc_port=settings.grpc_port,
        enable_grpc=settings.grpc_port > 0,
        enable_latency_logging=False,
        grace_period=_GRACE_S,
        registered_models=OneModel(),
        ssl_certfile=None if tls is None else tls.cert,
        ssl_keyfile=None if tls is None else tls.key,
    )
    # With TLS the SDK would take 8443 for 8080.
    server.http_port = settings.port
    server.model_repository_extension = _fixed(server)
    sdk.GRPCServer = grpc_server(settings)
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
    """`/`, the page; `/model`, what it and clients ask first; the status of the versions."""
    from fastapi.responses import HTMLResponse, JSONResponse
    from kserve.errors import ModelNotFound

    text = (importlib.resources.files("serving") / "page.html").read_text(encoding="utf-8")

    async def page() -> Any:
        return HTMLResponse(text, headers={"content-security-policy": _POLICY})

    async def about() -> Any:
        current = switch.current
        return JSONResponse(
            {"name": name, "version": str(current.number), "labels": current.labels}
        )

    async def status(model_name: str) -> Any:
        if model_name != name:
            raise ModelNotFound(model_name)
        found = model_version_status(switch.current.number, switch.failures)
        return JSONResponse({"name": name, "ready": True, "model_version_status": found})

    # Before the SDK's own `/` and `/v1/models/NAME`.
    app.add_api_route("/", page, methods=["GET"], include_in_schema=False)
    app.add_api_route("/v1/models/{model_name}", status, methods=["GET"])
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
    at = url(settings.host, settings.port, settings.tls)
    print(
        f"serving {name}, version {switch.current.number}, at {at}{grpc}; {whom(settings.host)}; "
        "Ctrl-C ends it",
        flush=True,
    )


def check(settings: Settings) -> None:
    """Finds the mistakes that can be known before TensorFlow is loaded.

    Raises:
      UserError: no version is there, a port is in use, the key or the certificate is none, or the
        log cannot be written.
    """
    folder = settings.folder
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; give the one of the versions.")
    if not versions(folder):
        inner = folder / "serving"
        hint = (
            f"Did you mean {inner}?"
            if is_local(folder) and inner.is_dir()
            else f"`{bit_tfx('run')}` pushes one."
        )
        raise UserError(f"{folder} holds no version, a folder whose name is a number. {hint}")
    check_ports(settings)
    if settings.tls is not None:
        check_tls(settings.tls)
    if settings.key is not None:
        check_public_key(settings.key)
    if settings.log and (reason := cannot_write(settings.log)):
        raise UserError(f"--log-requests {settings.log.folder} cannot be written: {reason}.")


@contextlib.contextmanager
def _own_arguments() -> Iterator[None]:
    """The SDK reads the process's command line on import, and this from nowhere else."""
    before = sys.argv
    sys.argv = [before[0], "--configure_logging=false"]
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
