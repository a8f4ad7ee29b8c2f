"""A real PostgreSQL server on a free port, as a cluster has one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

USER, PASSWORD = "bit", "p@ss word's \\ one"


def _programs() -> Path | None:
    """Debian's folder of the newest version's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@dataclass(frozen=True)
class Server:
    """Where the server listens; `USER` may do everything with `PASSWORD`."""

    port: int

    def query(self, statement: str, database: str = "postgres") -> str:
        """What the server answers, one row a line, asked as `USER`."""
        command = ["psql", "-qtA", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER]
        return subprocess.run(
            [*command, "-d", database, "-v", "ON_ERROR_STOP=1", "-c", statement],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PGPASSWORD": PASSWORD},
        ).stdout


def installed() -> bool:
    """Whether Debian's postgresql is here."""
    return _programs() is not None and shutil.which("psql") is not None


@contextmanager
def started() -> Iterator[Server]:
    """A server with its data in a folder of its own: it runs as postgres where we are root."""
    programs = _programs()
    assert programs
    root = os.getuid() == 0
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if root else []
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:
        data, secret = Path(folder, "data"), Path(folder, "password")
        secret.write_text(f"{PASSWORD}\n")
        secret.chmod(0o644)
        if root:
            shutil.chown(folder, "postgres")
        start = ["initdb", "-D", data, "-A", "scram-sha-256", "-U", USER, f"--pwfile={secret}"]
        _run([*user, programs / start[0], *start[1:], "--no-sync", "--locale=C.UTF-8"])
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        control = [*user, programs / "pg_ctl", "-D", data, "-w"]
        options = f"-p {port} -k {folder} -h 127.0.0.1"
        _run([*control, "-l", Path(folder, "log"), "-o", options, "start"])
        try:
            yield Server(port)
        finally:
            _run([*control, "-m", "fast", "stop"])


def _run(command: list) -> None:
    # A server that inherits a pipe would hold it open for as long as it runs.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(each) for each in command], check=False, stdout=output, stderr=output, cwd="/"
        )
        output.seek(0)
        assert done.returncode == 0, output.read().decode(errors="replace")
