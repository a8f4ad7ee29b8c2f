"""The ML Metadata store of a pipeline on Kubeflow: MySQL, PostgreSQL, or a file on a volume.

>>> connection_config('{"sqlite": "/data/metadata.sqlite"}').sqlite.filename_uri
'/data/metadata.sqlite'
>>> connection_config('{"postgresql": {"host": "db", "port": 5432}}').postgresql.port
'5432'
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.storage import AnyPath
from pipeline.config.metadata_store import PASSWORD
from pipeline.run import database
from pipeline.run.metadata_file import check_metadata, connection_of
from pipeline.run.postgresql import drop_text_indexes, mend_store


def connection_config(text: str, with_password: bool = True) -> Any:
    """ML Metadata's ConnectionConfig.

    Args:
      text: JSON, `{"mysql": {host, port, database, user}}`, `{"postgresql": {the same}}` or
        `{"sqlite": path}`; a server's password is in the environment, so that no command line and
        no package has it.
      with_password: False for a connection that goes into a file for all to read.
    """
    from ml_metadata.proto import metadata_store_pb2

    values = json.loads(text)
    if "sqlite" in values:
        return connection_of(values["sqlite"])
    if with_password:
        for server in values.values():
            server["password"] = os.environ.get(PASSWORD, "")
    config = metadata_store_pb2.ConnectionConfig()
    for name, value in values.get("mysql", {}).items():
        setattr(config.mysql, name, value)
    if "postgresql" in values:
        mend_store()
    for name, value in values.get("postgresql", {}).items():
        setattr(config.postgresql, *_of_postgresql(name, value))
    return config


def _of_postgresql(name: str, value: str | int) -> tuple[str, str]:
    """The field and its value: ML Metadata pastes them into libpq's string as they are."""
    if name == "database":
        return "dbname", str(value)
    if name in ("user", "password") and value:
        escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
        return name, f"'{escaped}'"
    return name, str(value)


def open_store(config: Any, artifacts: AnyPath | None = None) -> Any:
    """ML Metadata's MetadataStore; makes the database and its tables where they are missing.

    Args:
      config: ML Metadata's ConnectionConfig.
      artifacts: the folder of what the database knows.

    Raises:
      UserError: the server cannot be reached, or refuses; or the file cannot be used.
    """
    from ml_metadata import errors
    from ml_metadata.metadata_store.metadata_store import MetadataStore

    server = database.server_of(config)
    where = server.where if server else config.sqlite.filename_uri
    said = ""
    try:
        if server:
            database.look_at(server)
        else:
            _look_at_file(Path(where), artifacts)
        with database.native_log() as log:
            try:
                store = MetadataStore(config)
                store.get_context_types()
            finally:
                said = log()
        if server and server.kind == "postgresql":
            drop_text_indexes(server, os.environ.get(PASSWORD, ""))
    except UserError as error:
        raise UserError(f"kubeflow.metadata: {error}") from error
    except (errors.StatusError, RuntimeError) as error:
        # RuntimeError is what its C++ raises of a connection.
        reason = database.reason(f"{error}\n{said}", server)
        raise UserError(f"kubeflow.metadata: {where} cannot be used: {reason}") from error
    return store


def _look_at_file(path: Path, artifacts: AnyPath | None) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path.parent} cannot be made: {error.strerror}.") from error
    known = artifacts if isinstance(artifacts, Path) else path.with_name("artifacts")
    check_metadata(path, known)
