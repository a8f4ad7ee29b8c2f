"""A real MariaDB server on a free port, as a cluster has one."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

USER, PASSWORD = "bit", "p@ss word's"


@dataclass(frozen=True)
class Server:
    """Where the server listens; `USER` may do everything with `PASSWORD`."""

    port: int
    socket: Path

    def query(self, statement: str) -> str:
        """What the server answers, one row a line, asked as its administrator."""
        return subprocess.run(
            ["mariadb", "--no-defaults", f"--socket={self.socket}", "-N", "-e", statement],
            check=True,
            capture_output=True,
            text=True,
        ).stdout


def installed() -> bool:
    """Whether Debian's mariadb-server is here."""
    return all(shutil.which(name) for name in ("mariadbd", "mariadb-install-db", "mariadb"))


@contextmanager
def started(folder: Path) -> Iterator[Server]:
    """A server with its data below `folder`."""
    data, log = folder / "data", folder / "mariadb.log"
    subprocess.run(
        [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
        ],
        check=True,
        capture_output=True,
    )
    start = folder / "start.sql"
    escaped = PASSWORD.replace("'", "''")
    start.write_text(
        f"CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{escaped}';"
        f"\nGRANT ALL ON *.* TO '{USER}'@'127.0.0.1';\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(port, folder / "mysqld.sock")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                "mariadbd",
                "--no-defaults",
                f"--datadir={data}",
                "--bind-address=127.0.0.1",
                f"--port={port}",
                f"--socket={server.socket}",
                f"--init-file={start}",
                "--skip-name-resolve",
                "--user=root",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(server, process, log)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait(server: Server, process: subprocess.Popen, log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            socket.create_connection(("127.0.0.1", server.port), 1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text(errors="replace")[-2000:])
