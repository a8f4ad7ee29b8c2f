"""PostgreSQL as the metadata store: what it refuses, and a whole pipeline on it."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ml_metadata.metadata_store.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2, metadata_store_service_pb2

from components.errors import UserError
from pipeline.config.metadata_store import PASSWORD
from pipeline.run.connection import connection_config, open_store
from pipeline.run.metadata_file import SCHEMA_VERSION
from pipeline.run.postgresql import replace
from tests.command import BIT_TFX
from tests.kubeflow import postgresql
from tests.kubeflow.cluster import SUCCEEDED, Cluster

ROOT = Path(__file__).resolve().parents[2]
QUICK = (
    "training.schedule={steps: 24, boundaries: [12]}",
    "training.steps_per_epoch=12",
    "evaluation.min_accuracy=0",
)

pytestmark = pytest.mark.skipif(
    not postgresql.installed(), reason="needs the Debian package postgresql"
)


@pytest.fixture(scope="module")
def server():
    with postgresql.started() as found:
        yield found


@pytest.fixture
def password(monkeypatch):
    monkeypatch.setenv(PASSWORD, postgresql.PASSWORD)


def settings(server, database="bit", **given):
    values = {"host": "127.0.0.1", "port": server.port, "user": postgresql.USER}
    return json.dumps({"postgresql": {**values, "database": database, **given}})


def connect(server, **given):
    open_store(connection_config(settings(server, **given)))


def refused(server, words=("pointer", "source.cc", "SELECT", "CREATE"), **given):
    started = time.monotonic()
    with pytest.raises(UserError) as caught:
        connect(server, **given)
    assert time.monotonic() - started < 20
    said = str(caught.value)
    assert said.startswith(f"kubeflow.metadata: 127.0.0.1:{server.port} cannot be used: ")
    for word in (*words, postgresql.PASSWORD):
        assert word not in said
    return said


def test_it_makes_the_database_and_the_tables_of_our_version(server, password):
    connect(server)
    assert server.query("SELECT schema_version FROM MLMDEnv", "bit").strip() == str(SCHEMA_VERSION)


@pytest.mark.parametrize("word", ["wrong", "", "it's", "\\", "a b"])
def test_a_wrong_password_names_the_secret(server, monkeypatch, word):
    monkeypatch.setenv(PASSWORD, word)
    said = refused(server, database="postgres_2")
    assert "the Secret of kubeflow.metadata.postgresql.password_secret" in said
    assert f"psql -h 127.0.0.1 -p {server.port} -U bit postgres" in said


def test_a_user_without_rights_is_named_with_the_command_of_the_administrator(server, monkeypatch):
    server.query("CREATE ROLE poor LOGIN PASSWORD 'x'")
    monkeypatch.setenv(PASSWORD, "x")
    said = refused(server, user="poor", database="other")
    assert f"createdb -h 127.0.0.1 -p {server.port} -U postgres -O poor other" in said


def test_tables_of_others_and_of_other_versions_are_named(server, password):
    server.query("CREATE DATABASE half")
    server.query("CREATE TABLE Type (id INT)", "half")
    assert 'as ML Metadata makes them (column "name" does not exist)' in refused(
        server, database="half"
    )
    connect(server, database="aged")
    for version, age in ((SCHEMA_VERSION + 1, "a newer"), (SCHEMA_VERSION - 1, "an older")):
        server.query(f"UPDATE MLMDEnv SET schema_version = {version}", "aged")
        assert f"was made by {age} ML Metadata" in refused(server, database="aged")


def test_a_server_that_wants_tls_is_named_with_a_way_round(server, password):
    rules = Path(server.query("SHOW hba_file").strip())
    before = rules.read_text()
    rules.write_text("host postgres all all scram-sha-256\nhostssl bit_tls all all scram-sha-256\n")
    try:
        server.query("SELECT pg_reload_conf()")
        time.sleep(0.5)
        said = refused(server, database="bit_tls")
    finally:
        rules.write_text(before)
        server.query("SELECT pg_reload_conf()")
    assert "no client without TLS" in said
    assert "no encryption" in said


STRING = metadata_store_pb2.STRING
TEXTS = (
    "a\\b",
    "\\",
    '{"a": "{\\"b\\": \\"\\\\n\\"}"}',
    "it's",
    "E'",
    "ä",
    "a\\'); DROP TABLE Type; --",
)
# Of random letters, since PostgreSQL compresses.
LONG = base64.b85encode(random.Random(0).randbytes(100_000)).decode()


def test_every_text_comes_back_as_it_was_written(server, password):
    """ML Metadata itself refuses those with a backslash, and those of some kilobytes."""
    config = connection_config(settings(server, "texts"))
    store = open_store(config)
    kind = metadata_store_pb2.ArtifactType(name="Text", properties={"p": STRING})
    identity = store.put_artifact_type(kind)
    given = []
    for text in TEXTS:
        artifact = metadata_store_pb2.Artifact(type_id=identity, uri=text, name=text)
        artifact.properties["p"].string_value = text + LONG
        artifact.custom_properties[text].string_value = text + LONG
        given.append(artifact)
    store.put_artifacts(given)
    found = MetadataStore(config).get_artifacts_by_type("Text")
    found.sort(key=lambda each: each.id)
    assert [each.uri for each in found] == list(TEXTS)
    for text, each in zip(TEXTS, found, strict=True):
        assert each.name == text
        assert each.properties["p"].string_value == text + LONG
        assert dict(each.custom_properties)[text].string_value == text + LONG
        assert store.get_artifacts_by_uri(text)[0].id == each.id
        assert store.get_artifact_by_type_and_name("Text", text).id == each.id


def test_a_user_that_does_not_own_the_tables_is_told_what_the_owner_types(server, monkeypatch):
    monkeypatch.setenv(PASSWORD, postgresql.PASSWORD)
    MetadataStore(connection_config(settings(server, "owned"))).get_context_types()
    server.query("CREATE ROLE guest LOGIN PASSWORD 'x'")
    server.query("GRANT ALL ON ALL TABLES IN SCHEMA public TO guest", "owned")
    server.query("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO guest", "owned")
    monkeypatch.setenv(PASSWORD, "x")
    said = refused(server, user="guest", database="owned", words=("pointer", "source.cc"))
    assert "guest cannot drop them (must be owner of index idx_artifact_property_string)" in said
    statement = re.search("-c '(.*)'", said)[1]
    server.query(statement, "owned")
    connect(server, user="guest", database="owned")


def test_every_kind_of_field_is_reached():
    request = metadata_store_service_pb2.PutExecutionRequest()
    request.execution.custom_properties["a"].string_value = "\\"
    request.contexts.add(name="\\")
    pair = request.artifact_event_pairs.add()
    pair.event.path.steps.add(key="\\")
    replace(request, "\\", "-")
    assert request.execution.custom_properties["a"].string_value == "-"
    assert request.contexts[0].name == "-"
    assert pair.event.path.steps[0].key == "-"
    names = metadata_store_service_pb2.GetArtifactTypesByExternalIdsRequest(external_ids=["\\a"])
    replace(names, "\\", "-")
    assert names.external_ids == ["-a"]


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1500)
class TestAWholePipeline:
    """Every task in a process of its own, from its compiled package; twice."""

    @pytest.fixture(scope="class")
    def runs(self, server, tmp_path_factory):
        # A long path, since the settings of some steps hold it many times.
        place = tmp_path_factory.mktemp("postgresql") / ("deep" * 50)
        (place / "volume").mkdir(parents=True)
        metadata = f"{{host: 127.0.0.1, port: {server.port}, database: runs"
        overrides = (
            *QUICK,
            f"kubeflow.volumes=[{{claim: bit, path: {place}/volume}}]",
            f"kubeflow.output={place}/volume/digits",
            f"kubeflow.metadata.postgresql={metadata}, password_secret: db}}",
        )
        package = place / "digits.yaml"
        command = [*BIT_TFX, "kubeflow", "compile", "--output", str(package), "--image", "r/bit:1"]
        subprocess.run([*command, *(f"--set={each}" for each in overrides)], check=True, cwd=ROOT)
        assert postgresql.PASSWORD not in package.read_text()
        cluster = Cluster(
            folder=place / "kfp",
            secrets={"db": {"password": postgresql.PASSWORD}},
            claims={"bit": place / "volume"},
            path=os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
            image_env={"PYTHONPATH": str(ROOT)},
        )
        found = []
        for name in ("first", "second"):
            run = cluster.run(package, name)
            summary = place / "volume" / "digits" / "run_summary.json"
            found.append((run, json.loads(summary.read_text())))
        return found

    def test_the_first_run_pushes_a_model(self, runs):
        run, summary = runs[0]
        assert run.state == SUCCEEDED
        assert (summary["exit_code"], summary["blessed"]) == (0, True)
        assert Path(summary["pushed"], "saved_model.pb").is_file()

    def test_the_second_finds_it_all_in_the_cache(self, runs):
        (_, first), (run, second) = runs
        assert run.state == SUCCEEDED
        before, after = (
            {step["id"]: step["state"] for step in each["steps"]} for each in (first, second)
        )
        ran = {step for step, state in before.items() if state == "complete"}
        # What asks the database or the serving folder each time.
        asking = {"PassedSpan", "BaselineModel", "Pusher", "Report"}
        assert {step for step in ran if after[step] != "cached"} == asking
        assert second["pushed"] is None
        assert second["metrics"] == first["metrics"]
        # The verdict and the numbers are shown again, as the run's own.
        assert run.tasks["evaluator"].artifacts["metrics"]["metadata"]["accuracy"]
        assert run.tasks["evaluator"].parameters == {"verdict": "blessed"}

    def test_its_lineage_is_in_the_database(self, runs, server):
        types = server.query(
            "SELECT t.name FROM Artifact a JOIN Type t ON t.id = a.type_id", "runs"
        ).split()
        assert {"Examples", "Model", "ModelBlessing", "PushedModel"} <= set(types)
