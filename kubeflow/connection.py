"""The ML Metadata store of a cluster.

>>> connection_config('{"sqlite": "/data/metadata.sqlite"}').sqlite.filename_uri
'/data/metadata.sqlite'
"""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.storage import AnyPath
from pipeline.config.kubeflow import PASSWORD
from pipeline.run.metadata_file import check_metadata, connection_of

_CONNECT_TIMEOUT_S = 8
_ERROR, _PROTOCOL = b"\xff", b"\x0a"
"""How a packet with an error begins, and the greeting of every server since MySQL 3.21."""


def connection_config(text: str, with_password: bool = True) -> Any:
    """ML Metadata's ConnectionConfig.

    Args:
      text: JSON, `{"mysql": {host, port, database, user}}` or `{"sqlite": path}`; the password
        of the first is in the environment, so that no command line and no package has it.
      with_password: False for a connection that goes into a file for all to read.
    """
    from ml_metadata.proto import metadata_store_pb2

    values = json.loads(text)
    if "sqlite" in values:
        return connection_of(values["sqlite"])
    config = metadata_store_pb2.ConnectionConfig()
    for name, value in values["mysql"].items():
        setattr(config.mysql, name, value)
    if with_password:
        config.mysql.password = os.environ.get(PASSWORD, "")
    return config


def open_first(config: Any, artifacts: AnyPath | None = None) -> None:
    """Makes the database and its tables before tasks that run side by side would all try to.

    Args:
      config: ML Metadata's ConnectionConfig.
      artifacts: the folder of what the database knows.

    Raises:
      UserError: the server cannot be reached, or refuses; or the file cannot be used.
    """
    from ml_metadata import errors
    from tfx.orchestration import metadata

    where = config.sqlite.filename_uri or f"{config.mysql.host}:{config.mysql.port}"
    try:
        if config.sqlite.filename_uri:
            _look_at_file(Path(where), artifacts)
        else:
            _look_at_server(config.mysql.host, config.mysql.port)
        with metadata.Metadata(config) as handle:
            handle.store.get_context_types()
    except UserError as error:
        raise UserError(f"kubeflow.metadata: {error}") from error
    except (errors.StatusError, RuntimeError) as error:
        # RuntimeError is what its C++ raises of a connection, and TFX after trying again.
        reason = _reason(str(error), config.mysql)
        raise UserError(f"kubeflow.metadata: {where} cannot be used: {reason}") from error


def _look_at_file(path: Path, artifacts: AnyPath | None) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path.parent} cannot be made: {error.strerror}.") from error
    known = artifacts if isinstance(artifacts, Path) else path.with_name("artifacts")
    check_metadata(path, known)


def _look_at_server(host: str, port: int) -> None:
    """Reads the greeting of a server of MySQL: ML Metadata waits for ever for one, and hides it.

    Raises:
      UserError: nobody answers, or somebody who is no MySQL server or takes no client.
    """
    where = f"{host}:{port} cannot be used"
    try:
        with socket.create_connection((host, port), _CONNECT_TIMEOUT_S) as connection:
            # Three bytes of length, one number, then the protocol's version or an error.
            greeting = connection.recv(1024)
    except OSError as error:
        raise UserError(
            f"{where}: {str(error.strerror or error).lower()}. Does the server run, and has it "
            "this name and port? Look: kubectl get pods,services -A ."
        ) from error
    if greeting[4:5] == _ERROR:
        said = greeting[7:].decode("utf-8", "replace").strip()
        raise UserError(f"{where}: it takes no client from here: {said}.")
    if greeting[4:5] != _PROTOCOL:
        raise UserError(f"{where}: the server there is not MySQL or MariaDB.")


def _reason(said: str, mysql: Any) -> str:
    """Why a server that answers cannot be used, and what to do, from what ML Metadata says."""
    if version := re.search(r"database version (\d+) is (greater|older) than library", said):
        age = "a newer" if version[2] == "greater" else "an older"
        return (
            f"the database {mysql.database} was made by {age} ML Metadata (tables of version "
            f"{version[1]}). Run with the image that made it, or give another name in "
            "kubeflow.metadata.mysql.database: the next run then starts without lineage."
        )
    if "Access denied" in said:
        return (
            f"the user {mysql.user} has no right to make or use the database {mysql.database}. "
            f"Make it as the server's administrator (mysqladmin -h {mysql.host} -P {mysql.port} "
            f"-u root -p create {mysql.database}), and grant {mysql.user} all rights on it."
        )
    if "mysql_real_connect failed" in said:
        return (
            f"it refuses the user {mysql.user}. Is the password in the Secret of kubeflow.metadata."
            "mysql.password_secret the right one, and may this user log in from the cluster by "
            f"mysql_native_password? Try it: mysql -h {mysql.host} -P {mysql.port} -u {mysql.user} "
            "-p ."
        )
    return (
        f"the tables in its database {mysql.database} are not as ML Metadata makes them "
        f"({said.partition(', error: ')[2] or said}). Give another name in "
        "kubeflow.metadata.mysql.database, or restore it from a backup."
    )
