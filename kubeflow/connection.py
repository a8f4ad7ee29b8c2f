"""The ML Metadata store of a cluster."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from components.errors import UserError
from pipeline.kubeflow_config import PASSWORD

_CONNECT_TIMEOUT_S = 10


def connection_config(text: str, with_password: bool = True) -> Any:
    """ML Metadata's ConnectionConfig.

    Args:
      text: JSON, `{"mysql": {host, port, database, user}}` or `{"sqlite": path}`; the password
        of the first is in the environment, so that no command line and no package has it.
      with_password: False for a connection that goes into a file for all to read.
    """
    from ml_metadata.proto import metadata_store_pb2

    values = json.loads(text)
    config = metadata_store_pb2.ConnectionConfig()
    if "sqlite" in values:
        config.sqlite.filename_uri = values["sqlite"]
        config.sqlite.connection_mode = config.sqlite.READWRITE_OPENCREATE
        return config
    for name, value in values["mysql"].items():
        setattr(config.mysql, name, value)
    if with_password:
        config.mysql.password = os.environ.get(PASSWORD, "")
    return config


def open_first(config: Any) -> None:
    """Makes the database and its tables before tasks that run side by side would all try to.

    Raises:
      UserError: the server cannot be reached, or refuses.
    """
    from tfx.orchestration import metadata

    where = config.sqlite.filename_uri
    try:
        if where:
            Path(where).parent.mkdir(parents=True, exist_ok=True)
        else:
            where = f"{config.mysql.host}:{config.mysql.port}"
            # ML Metadata alone says little of a host that is not there.
            socket.create_connection((config.mysql.host, config.mysql.port), _CONNECT_TIMEOUT_S)
        with metadata.Metadata(config) as handle:
            handle.store.get_context_types()
    except Exception as error:
        raise UserError(f"kubeflow.metadata: {where} cannot be used: {error}") from error
