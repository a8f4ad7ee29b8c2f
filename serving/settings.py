"""The settings of a server, and the bounds of what it takes.

>>> settings = Settings(Path("runs/digits/serving"), port=8080)
>>> settings.max_instances, settings.max_body_bytes // 1_000_000
(256, 32)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.storage import AnyPath


@dataclass(frozen=True)
class Settings:
    """Of one server.

    Attributes:
      folder: of the versions, as `components.pusher.versions` has them.
      name: of the model in URLs; "" for that of its card.
      port: of REST.
      grpc_port: of gRPC; 0 for no gRPC.
      host: address at which both listen; 127.0.0.1 is for this machine alone.
      tls: certificate and key; None for connections in clear.
      poll_s: seconds from one look at the folder to the next.
      max_body_bytes: of one request.
      max_instances: images of one request.
      max_batch: images that the model is asked for at once, but for a larger request.
      max_wait_s: for others to join a batch, under load.
      max_queue: images that wait; those beyond are refused with 503.
      log: where requests are logged.
      key: file of the public key whose owner signed what may answer; None admits every version.
    """

    folder: AnyPath
    name: str = ""
    port: int = 8080
    grpc_port: int = 8081
    host: str = "127.0.0.1"
    tls: Tls | None = None
    poll_s: float = 1.0
    max_body_bytes: int = 32_000_000
    max_instances: int = 256
    max_batch: int = 64
    max_wait_s: float = 0.002
    max_queue: int = 1_024
    log: LogSettings | None = None
    key: str | None = None


@dataclass(frozen=True)
class Tls:
    """Files in PEM.

    Attributes:
      cert: the certificate, with those of the authorities between it and the root.
      key: its private key, without a password.
    """

    cert: str
    key: str


@dataclass(frozen=True)
class LogSettings:
    """Of the request log.

    Attributes:
      folder: its Parquet files; made where it is missing.
      sample: share of the requests that is logged, from 0 to 1.
      images: whether the images are logged too.
      max_rows: of a file.
      max_age_s: seconds from a file's first row to its end.
    """

    folder: Path
    sample: float = 1.0
    images: bool = False
    max_rows: int = 10_000
    max_age_s: float = 60.0
