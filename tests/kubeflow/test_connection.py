"""The connection to the metadata store."""

from __future__ import annotations

import json
import socket

import pytest

from components.errors import UserError
from kubeflow.connection import connection_config, open_first
from pipeline.kubeflow_config import PASSWORD

MYSQL = json.dumps({"mysql": {"host": "db", "port": 3307, "database": "bit", "user": "me"}})


def test_the_password_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv(PASSWORD, "secret")
    mysql = connection_config(MYSQL).mysql
    assert (mysql.host, mysql.port, mysql.database) == ("db", 3307, "bit")
    assert (mysql.user, mysql.password) == ("me", "secret")


def test_without_one(monkeypatch):
    monkeypatch.delenv(PASSWORD, raising=False)
    assert connection_config(MYSQL).mysql.password == ""


def test_sqlite_makes_its_folder(tmp_path):
    path = tmp_path / "a" / "m.sqlite"
    open_first(connection_config(json.dumps({"sqlite": str(path)})))
    assert path.exists()


def test_a_server_that_is_not_there_is_told_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = {"host": "127.0.0.1", "port": port, "database": "bit", "user": "me"}
    with pytest.raises(UserError, match=f"kubeflow.metadata: 127.0.0.1:{port} cannot be used"):
        open_first(connection_config(json.dumps({"mysql": text})))
