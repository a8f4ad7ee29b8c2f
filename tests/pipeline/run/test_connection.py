"""The connection to the metadata store."""

from __future__ import annotations

import contextlib
import doctest
import json
import socket
import sqlite3
import threading
import time

import pytest

from components.errors import UserError
from pipeline.config.metadata_store import PASSWORD
from pipeline.run import connection
from pipeline.run.connection import connection_config, open_store
from pipeline.run.metadata_file import SCHEMA_VERSION
from tests.kubeflow import mariadb

MYSQL = json.dumps({"mysql": {"host": "db", "port": 3307, "database": "bit", "user": "me"}})


def test_the_password_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv(PASSWORD, "secret")
    mysql = connection_config(MYSQL).mysql
    assert (mysql.host, mysql.port, mysql.database) == ("db", 3307, "bit")
    assert (mysql.user, mysql.password) == ("me", "secret")


def test_the_example_in_the_docstring_runs():
    done = doctest.testmod(connection)
    assert done.attempted
    assert not done.failed


def test_without_one(monkeypatch):
    monkeypatch.delenv(PASSWORD, raising=False)
    assert connection_config(MYSQL).mysql.password == ""


def test_sqlite_makes_its_folder(tmp_path):
    path = tmp_path / "a" / "m.sqlite"
    open_store(connection_config(json.dumps({"sqlite": str(path)})))
    assert path.exists()


def test_a_server_that_is_not_there_is_reported_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = {"host": "127.0.0.1", "port": port, "database": "bit", "user": "me"}
    with pytest.raises(UserError, match=f"kubeflow.metadata: 127.0.0.1:{port} cannot be used"):
        open_store(connection_config(json.dumps({"mysql": text})))


def refused(port, **given):
    started = time.monotonic()
    text = {"host": "127.0.0.1", "port": port, "database": "bit", "user": "me", **given}
    with pytest.raises(UserError) as caught:
        open_store(connection_config(json.dumps({"mysql": text})))
    assert time.monotonic() - started < 20
    said = str(caught.value)
    assert said.startswith(f"kubeflow.metadata: 127.0.0.1:{port} cannot be used: ")
    for word in ("mysql_query", "mysql_real", "errno", "CREATE", "SELECT", mariadb.PASSWORD):
        assert word not in said
    return said


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "the server there is not MySQL or MariaDB"),
        (b"", "as Istio does for a service account"),
        (b"\x40\0\0\0\xff\x6a\x04Host 'x' is not allowed to connect", "Host 'x' is not allowed"),
        (None, "timed out"),
    ],
)
def test_a_server_that_is_not_mysqls_is_reported_in_seconds(monkeypatch, greeting, words):
    monkeypatch.setattr("pipeline.run.database._CONNECT_TIMEOUT_S", 0.5)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def answer():
            connection, _ = server.accept()
            if greeting is None:
                time.sleep(2)
            connection.sendall(greeting or b"")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        assert words in refused(server.getsockname()[1])
        thread.join()


def test_a_file_that_is_damaged_is_reported(tmp_path):
    path = tmp_path / "metadata.sqlite"
    path.write_text("garbage")
    with pytest.raises(
        UserError, match=rf"kubeflow.metadata: .*{path} is damaged.*mkdir {tmp_path}"
    ):
        open_store(connection_config(json.dumps({"sqlite": str(path)})), tmp_path / "artifacts")


def test_a_mistake_in_our_code_is_not_the_servers(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.run.connection.check_metadata", lambda: None)
    with pytest.raises(TypeError, match="positional"):
        open_store(connection_config(json.dumps({"sqlite": str(tmp_path / "m.sqlite")})))


def test_a_file_of_other_tables_is_named(tmp_path):
    """ML Metadata's own refusal, which no look at the file has foreseen."""
    path = tmp_path / "metadata.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as store:
        store.execute("CREATE TABLE Type (id INT)")
    with pytest.raises(UserError, match=rf"kubeflow\.metadata: .*{path}"):
        open_store(connection_config(json.dumps({"sqlite": str(path)})))


@pytest.mark.slow
@pytest.mark.skipif(not mariadb.installed(), reason="needs mariadb-server")
def test_what_a_server_refuses_is_reported_with_its_cure(tmp_path, monkeypatch):
    monkeypatch.setenv(PASSWORD, mariadb.PASSWORD)
    with mariadb.started(tmp_path) as server:
        server.query("CREATE USER 'poor'@'127.0.0.1' IDENTIFIED BY 'x'")
        server.query("CREATE DATABASE half")
        server.query("CREATE TABLE half.Type (id INT)")
        text = {"host": "127.0.0.1", "port": server.port, "database": "bit", "user": mariadb.USER}
        open_store(connection_config(json.dumps({"mysql": text})))
        assert "are not as ML Metadata makes them" in refused(
            server.port, user=mariadb.USER, database="half"
        )
        for version, age in ((SCHEMA_VERSION + 1, "a newer"), (SCHEMA_VERSION - 1, "an older")):
            server.query(f"UPDATE bit.MLMDEnv SET schema_version = {version}")
            assert f"was made by {age} ML Metadata" in refused(server.port, user=mariadb.USER)
        monkeypatch.setenv(PASSWORD, "x")
        said = refused(server.port, user="poor", database="other")
        assert f"mysqladmin -h 127.0.0.1 -P {server.port} -u root -p create other" in said
        monkeypatch.setenv(PASSWORD, "wrong")
        for user in (mariadb.USER, "nobody"):
            assert f"it refuses the user {user}" in refused(server.port, user=user)
