"""Whether what the `beam` section names is there: services that listen, files of the right kind.

>>> check_workers(BeamConfig())  # In this process: nothing to ask for.
>>> check_workers(BeamConfig(runner="PrismRunner", options={"prism_location": "/nowhere/prism"}))
Traceback (most recent call last):
...
components.errors.UserError: beam.options.prism_location /nowhere/prism: there is no such file. ...
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.errors import UserError
from pipeline.config.beam import (
    AUTO,
    PORTABLE,
    PRISM,
    BeamConfig,
    address_of,
    starts_job_server,
)
from pipeline.config.prism import check_prism

_CONNECT_TIMEOUT_S = 5
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def check_workers(beam: BeamConfig) -> None:
    """Checks that the services that are reachable from here accept connections, and the files.

    Beam waits for its job server as long as for a job, and for a worker pool for ever. A pool is
    checked only if the job service is on this machine: from another one it has another address.

    Raises:
      UserError: a service does not answer, after at most 5 s each; setup_file does not exist, or
        prism_location is not Prism.
    """
    if beam.setup_file not in (None, AUTO) and not Path(str(beam.setup_file)).is_file():
        raise UserError(f"beam.setup_file {beam.setup_file}: there is no such file.")
    if beam.runner not in PORTABLE:
        return
    if beam.runner == PRISM:
        check_prism(beam.given()["prism_location"])
    for name, endpoint in (*_endpoints(beam), *_masters(beam)):
        address = address_of(endpoint)
        if address is not None:
            _connect(f"beam.options.{name} {endpoint}", address)


def _endpoints(beam: BeamConfig) -> Iterator[tuple[str, Any]]:
    """(name of the option, address in it)."""
    given = beam.given()
    for name in ("job_endpoint", "artifact_endpoint"):
        yield name, given.get(name)
    job_service = address_of(given.get("job_endpoint"))
    here = beam.runner == PRISM or (job_service and job_service[0] in _THIS_MACHINE)
    if given.get("environment_type") == "EXTERNAL" and here:
        yield "environment_config", given.get("environment_config")
        options = given.get("environment_options", ())
        for option in options if isinstance(options, tuple) else (options,):
            key, _, value = str(option).partition("=")
            if key == "external_service_address":
                yield "environment_options", value


def _masters(beam: BeamConfig) -> Iterator[tuple[str, Any]]:
    """The cluster's own services, which this machine calls where it starts the job server."""
    if starts_job_server(beam):
        for name in ("flink_master", "spark_master_url", "spark_rest_url"):
            # Without a scheme; Beam's `[auto]` and Spark's `local[2]` have no port.
            yield name, str(beam.given().get(name, "")).rpartition("://")[2].rstrip("/")


def _connect(what: str, address: tuple[str, int]) -> None:
    try:
        socket.create_connection(address, timeout=_CONNECT_TIMEOUT_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"{what}: no service listens there ({reason}). Start the service."
        ) from error
