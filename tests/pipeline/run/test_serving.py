"""A rollback of a pipeline on Kubeflow, recorded in a real server of MariaDB as a cluster has it.

What `roll_back` does to the folder is in tests/components/pusher/test_rollback.py.
"""

import json
import socket
from pathlib import Path

import pytest
from ml_metadata.metadata_store import metadata_store

from components.commands import bit_tfx as typed
from components.lineage.changes import changes
from components.pusher.rollback import pin_of
from components.pusher.versions import versions
from pipeline.config import dump_config, load_config
from pipeline.config.metadata_store import PASSWORD
from pipeline.run.connection import connection_config
from tests.command import bit_tfx
from tests.components.evaluator.store import Store
from tests.kubeflow import mariadb


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if not mariadb.installed():
        pytest.skip("needs the Debian package mariadb-server")
    with mariadb.started(tmp_path_factory.mktemp("mariadb")) as found:
        yield found


@pytest.fixture
def connection(server, monkeypatch):
    monkeypatch.setenv(PASSWORD, mariadb.PASSWORD)
    server.query("DROP DATABASE IF EXISTS bit")
    mysql = {"host": "127.0.0.1", "port": server.port, "database": "bit", "user": mariadb.USER}
    return connection_config(json.dumps({"mysql": mysql}))


@pytest.fixture
def models(tmp_path, connection):
    """Two models that a pipeline on the cluster has pushed, and their lineage on its server."""
    found = Store(tmp_path / "volume", connection)
    found.first, found.second = found.serve(), found.serve()
    return found


@pytest.fixture
def config(tmp_path, server):
    """A configuration as `kubeflow compile` takes it, but for the server's address."""
    mysql = f"{{host: 127.0.0.1, port: {server.port}, user: {mariadb.USER}}}"
    overrides = [*on_volume(tmp_path / "volume"), f"kubeflow.metadata.mysql={mysql}"]
    path = tmp_path / "digits.yaml"
    path.write_text(json.dumps(dump_config(load_config("digits", overrides=overrides))))
    return path


def on_volume(folder):
    return f"kubeflow.output={folder}", f"kubeflow.volumes=[{{claim: bit, path: {folder}}}]"


def recorded(connection):
    return changes(metadata_store.MetadataStore(connection))


@pytest.mark.slow
def test_a_rollback_is_recorded_on_the_server_and_is_the_next_runs_baseline(
    models, config, connection
):
    assert models.resolve(models.train()) == (models.second.id, None)
    before, after = versions(models.serving)
    rolled = bit_tfx("rollback", "--config", config)
    assert (rolled.returncode, rolled.stderr) == (0, "")
    assert rolled.stdout.splitlines() == [
        f"Version {before} of {models.serving} serves; before, version {after} did.",
        f"To go back, type `{typed('rollback', str(after), '--config', str(config))}`.",
    ]
    (change,) = recorded(connection)
    assert (change["what"], change["before"], change["after"]) == ("rollback", after, before)
    # The execution has read the model that serves now.
    store = metadata_store.MetadataStore(connection)
    (execution,) = store.get_executions_by_type("BitServingChange")
    (event,) = store.get_events_by_execution_ids([execution.id])
    (pushed,) = store.get_artifacts_by_id([event.artifact_id])
    assert pushed.custom_properties["served_version"].int_value == before
    # What a run on the cluster compares its model with.
    assert models.resolve(models.train()) == (models.first.id, None)
    # The command that was printed.
    forth = bit_tfx("rollback", after, "--config", config)
    assert forth.returncode == 0, forth.stderr
    assert [each["after"] for each in recorded(connection)] == [before, after]
    assert models.resolve(models.train()) == (models.second.id, None)

    pinned = bit_tfx("pin", before, "--config", config)
    assert f"until you type `{typed('pin', '--off', '--config', str(config))}`" in pinned.stdout
    assert pin_of(models.serving).version == before
    assert bit_tfx("pin", "--off", "--config", config).returncode == 0
    assert [each["what"] for each in recorded(connection)][2:] == ["pin", "unpin"]


@pytest.mark.slow
def test_without_the_server_nothing_changes_and_the_way_without_it_is_said(
    models, config, connection, monkeypatch
):
    there = versions(models.serving)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    gone = f"kubeflow.metadata.mysql.port={port}"
    refused = bit_tfx("rollback", "--config", config, "--set", gone)
    assert refused.returncode == 2
    assert f"127.0.0.1:{port} cannot be used: connection refused" in refused.stderr
    assert versions(models.serving) == there
    monkeypatch.setenv(PASSWORD, "wrong")
    refused = bit_tfx("pin", "--config", config)
    assert refused.returncode == 2
    assert f"it refuses the user {mariadb.USER}" in refused.stderr
    assert pin_of(models.serving) is None
    command = refused.stderr.partition("without a record: `")[2].partition("`")[0]
    assert command == typed("rollback", "--serving", str(models.serving))
    without = bit_tfx("rollback", "--serving", models.serving)
    assert without.returncode == 0, without.stderr
    assert "Not recorded in ML Metadata" in without.stdout
    assert versions(models.serving) == there[:1]
    monkeypatch.setenv(PASSWORD, mariadb.PASSWORD)
    assert recorded(connection) == []


def test_an_output_that_is_not_here_and_options_that_exclude_each_other(tmp_path):
    sets = [f"--set={each}" for each in on_volume(tmp_path / "nowhere")]
    nowhere = bit_tfx("rollback", *sets)
    assert nowhere.returncode == 2
    assert f"{tmp_path}/nowhere/serving of kubeflow.output is not here" in nowhere.stderr
    both = bit_tfx("pin", "--preset", "digits", "--serving", tmp_path)
    assert both.returncode == 2
    assert "give neither --output nor --serving with them" in both.stderr
    assert not list(Path(tmp_path).iterdir())
