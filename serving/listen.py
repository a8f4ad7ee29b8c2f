"""Where a server listens: one address for REST and gRPC, its ports, and TLS.

>>> url("127.0.0.1", 8080, tls=None), url("::", 8443, tls=Tls("cert.pem", "key.pem"))
('http://localhost:8080', 'https://[::]:8443')
>>> whom("127.0.0.1"), whom("0.0.0.0")
('this machine alone can ask: --host 0.0.0.0 lets others', 'whoever reaches it can ask')
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from pathlib import Path
from typing import Any

from components.errors import UserError
from serving.settings import Settings, Tls

_SO_REUSEPORT = ("grpc.so_reuseport", 0)
"""GRPC would let two servers share a port, and each get some of the requests."""


def is_loopback(host: str) -> bool:
    """Whether this machine alone reaches an address or name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def url(host: str, port: int, tls: Tls | None) -> str:
    """What a browser on this machine, or one that reaches the address, is given."""
    shown = "localhost" if is_loopback(host) else _bracketed(host)
    return f"http{'s' if tls else ''}://{shown}:{port}"


def whom(host: str) -> str:
    """Who can ask."""
    if is_loopback(host):
        return "this machine alone can ask: --host 0.0.0.0 lets others"
    return "whoever reaches it can ask"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def check_ports(settings: Settings) -> None:
    """Finds out whether the ports can be opened.

    Raises:
      UserError: one is in use, or the address is not this machine's.
    """
    for port in filter(None, (settings.port, settings.grpc_port)):
        _check_port(settings.host, port)


def _check_port(host: str, port: int) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"--host {host} is no address ({why}): give 127.0.0.1.") from None
    for family, kind, _, _, address in found:
        try:
            with socket.socket(family, kind) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                tried.bind(address)
        except PermissionError:
            raise UserError(f"port {port} is only for root; give another, such as 8080.") from None
        except OSError as error:
            raise UserError(
                f"port {port} of {host} cannot be opened ({error.strerror}): give another by "
                "--port, --grpc-port, or another address by --host."
            ) from None


def check_tls(tls: Tls) -> None:
    """Finds out whether the certificate and its key can be used, as the server will.

    Raises:
      UserError: one cannot be read, or they do not belong together.
    """
    for option, file in (("--tls-cert", tls.cert), ("--tls-key", tls.key)):
        try:
            Path(file).read_bytes()
        except OSError as error:
            raise UserError(f"{option} {file} cannot be read: {error.strerror}.") from None
    try:
        # Without a password OpenSSL would ask for one at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.cert, tls.key, lambda: b"")
    except (OSError, ValueError) as error:
        raise UserError(
            f"--tls-cert {tls.cert} and --tls-key {tls.key} are no certificate with its key "
            f"({getattr(error, 'reason', None) or error}): give both as PEM, the key without a "
            "password."
        ) from None


def grpc_server(settings: Settings) -> Any:
    """A class in the place of the SDK's GRPCServer, which listens everywhere and without TLS."""
    import grpc
    from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as service
    from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor, LoggingInterceptor
    from kserve.protocol.grpc.server import GRPCServer
    from kserve.protocol.grpc.servicer import InferenceServicer

    class Grpc(GRPCServer):
        async def start(self, max_workers: int) -> None:
            size = settings.max_body_bytes
            self._server = grpc.aio.server(
                interceptors=(LoggingInterceptor(), ExceptionToStatusInterceptor()),
                options=[("grpc.max_receive_message_length", size), _SO_REUSEPORT],
            )
            servicer = InferenceServicer(self._data_plane, self._model_repository_extension)
            service.add_GRPCInferenceServiceServicer_to_server(servicer, self._server)
            address = f"{_bracketed(settings.host)}:{settings.grpc_port}"
            if settings.tls is None:
                self._server.add_insecure_port(address)
            else:
                self._server.add_secure_port(address, _credentials(grpc, settings.tls))
            await self._server.start()
            await self._server.wait_for_termination()

    return Grpc


def _credentials(grpc: Any, tls: Tls) -> Any:
    """Those of the files as they are at each connection: a renewed certificate is taken up."""

    def read() -> Any:
        pair = (Path(tls.key).read_bytes(), Path(tls.cert).read_bytes())
        return grpc.ssl_server_certificate_configuration([pair])

    def fetch() -> Any:
        try:
            return read()
        # Half written, or gone: the one before goes on.
        except OSError:
            return None

    return grpc.dynamic_ssl_server_credentials(read(), fetch)
