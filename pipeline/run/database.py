"""A database server for ML Metadata: whether one answers there, and why it refuses.

ML Metadata waits for ever for a greeting, hides what a server says, or has it in a log alone.

    >>> server = Server("mysql", "mysql", 3306, "bit", "root")
    >>> reason("mysql_real_connect failed: errno: 1045", server)
    'it refuses the user root. Is the password in the Secret of kubeflow.metadata.mysql...'
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from components.errors import UserError

_CONNECT_TIMEOUT_S = 8
_ERROR, _PROTOCOL = b"\xff", b"\x0a"
"""How a packet with an error begins, and the greeting of every server since MySQL 3.21."""
_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""What a PostgreSQL server answers by one letter before it knows who asks (protocol 3.0, 55.7)."""


@dataclass(frozen=True)
class Server:
    """A server and the database on it that ML Metadata uses.

    Attributes:
      kind: mysql or postgresql, the key below `kubeflow.metadata`.
    """

    kind: str
    host: str
    port: int
    database: str
    user: str

    @property
    def where(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    def client(self) -> str:
        """The command that connects as the user, which asks for the password."""
        if self.kind == "mysql":
            return f"mysql -h {self.host} -P {self.port} -u {self.user} -p"
        return f"psql -h {self.host} -p {self.port} -U {self.user} postgres"


def server_of(config: Any) -> Server | None:
    """The server of ML Metadata's ConnectionConfig, or None where it has a file."""
    if config.HasField("postgresql"):
        found = config.postgresql
        user = found.user.removeprefix("'").removesuffix("'")
        return Server("postgresql", found.host, int(found.port), found.dbname, user)
    if config.HasField("mysql"):
        found = config.mysql
        return Server("mysql", found.host, found.port, found.database, found.user)
    return None


def look_at(server: Server) -> None:
    """Returns where a server of this kind answers, within some seconds.

    Raises:
      UserError: nobody answers, or somebody who is no such server or takes no client.
    """
    cannot = f"{server.where} cannot be used"
    try:
        with socket.create_connection((server.host, server.port), _CONNECT_TIMEOUT_S) as connection:
            if server.kind == "postgresql":
                connection.sendall(_SSL_REQUEST)
            greeting = connection.recv(1024)
    except ConnectionResetError:
        greeting = b""
    except OSError as error:
        raise UserError(
            f"{cannot}: {str(error.strerror or error).lower()}. Does the server run, and has it "
            "this name and port? Look: kubectl get pods,services -A ."
        ) from error
    if not greeting:
        raise UserError(
            f"{cannot}: it takes the connection and closes it without a word, as Istio does for a "
            "service account that its policy does not name: on the full platform seven of KFP's "
            "own reach `mysql`, and no profile's. Give kubeflow.metadata a server in the runs' "
            "namespace, or let their service account in: kubectl get authorizationpolicies -A ."
        )
    if server.kind == "postgresql":
        if greeting not in (b"S", b"N"):
            raise UserError(f"{cannot}: the server there is not PostgreSQL.")
        return
    # Three bytes of length, one number, then the protocol's version or an error.
    if greeting[4:5] == _ERROR:
        said = greeting[7:].decode("utf-8", "replace").strip()
        raise UserError(f"{cannot}: it takes no client from here: {said}.")
    if greeting[4:5] != _PROTOCOL:
        raise UserError(f"{cannot}: the server there is not MySQL or MariaDB.")


@contextlib.contextmanager
def native_log() -> Iterator[Callable[[], str]]:
    """What C++ writes to stderr in here is returned by the function, and not shown.

    Of PostgreSQL ML Metadata raises "connection pointer is NULL" and logs the reason.
    """
    with tempfile.TemporaryFile() as log:
        before = os.dup(2)
        os.dup2(log.fileno(), 2)

        def read() -> str:
            log.seek(0)
            return log.read().decode("utf-8", "replace")

        try:
            yield read
        finally:
            os.dup2(before, 2)
            os.close(before)


def reason(said: str, server: Server | None) -> str:
    """Why a store that answers cannot be used, and what to do.

    Args:
      said: ML Metadata's error, and its log.
      server: None for a file.
    """
    if server is None:
        return f"ML Metadata says: {said.strip()}"
    key = f"kubeflow.metadata.{server.kind}"
    if version := re.search(r"database version (\d+) is (greater|older) than library", said):
        age = "a newer" if version[2] == "greater" else "an older"
        return (
            f"the database {server.database} was made by {age} ML Metadata (tables of version "
            f"{version[1]}). Run with the image that made it, or give another name in "
            f"{key}.database: the next run then starts without lineage."
        )
    if "no pg_hba.conf entry" in said:
        return (
            f"it takes no client without TLS from here ({_last(said, 'FATAL: ')}), and ML "
            "Metadata's has none. Let the pods' network in by a `host` line in its pg_hba.conf, or "
            "put a proxy that speaks TLS before it (pgbouncer) and give its address."
        )
    if "Access denied" in said or "permission denied" in said:
        make = {
            "mysql": f"mysqladmin -h {server.host} -P {server.port} -u root -p create",
            "postgresql": f"createdb -h {server.host} -p {server.port} -U postgres -O "
            f"{server.user}",
        }[server.kind]
        return (
            f"the user {server.user} has no right to make or use the database {server.database}. "
            f"Make it as the server's administrator ({make} {server.database}), and grant "
            f"{server.user} all rights on it."
        )
    if "mysql_real_connect failed" in said or "connection pointer is NULL" in said:
        why, how = "", " by mysql_native_password"
        if server.kind == "postgresql":
            why, how = f" ({_last(said, 'PostgreSQL error: ')})", ""
        return (
            f"it refuses the user {server.user}{why}. Is the password in the Secret of {key}."
            f"password_secret the right one, and may this user log in from the cluster{how}? Try "
            f"it: {server.client()} ."
        )
    mark = ", error: " if server.kind == "mysql" else "Execution failed: ERROR: "
    return (
        f"the tables in its database {server.database} are not as ML Metadata makes them "
        f"({_last(said, mark)}). Give another name in "
        f"{key}.database, or restore it from a backup."
    )


def _last(said: str, mark: str) -> str:
    """What stands behind the last `mark`, to the end of its line."""
    return said.rpartition(mark)[2].partition("\n")[0].strip()
