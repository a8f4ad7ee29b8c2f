"""The `beam` section: what is refused and why, and the flags that the rest becomes."""

import json
import socket
import subprocess
import sys
import time

import pytest
from pydantic import ValidationError

from components.errors import UserError
from pipeline.config import Config, dump_config, load_config, services
from pipeline.config.beam import (
    SETUP_PY,
    BeamConfig,
    beam_pipeline_args,
    check_reachable,
)
from pipeline.config.services import check_workers

POOL = {"environment_type": "EXTERNAL", "environment_config": "localhost:50000"}
PORTABLE = {"job_endpoint": "localhost:8099", **POOL}
DATAFLOW = {
    "project": "p",
    "region": "europe-west1",
    "temp_location": "gs://b/tmp",
    "sdk_container_image": "eu/p/worker:1",
}
FLINK = {"flink_master": "flink:8081", **POOL}
SPARK = {"spark_master_url": "spark://spark:7077", **POOL}
PRISM = {"prism_location": "/opt/prism"}
RUNNERS = {
    "FnApiRunner": {},
    "PortableRunner": PORTABLE,
    "DataflowRunner": DATAFLOW,
    "FlinkRunner": FLINK,
    "SparkRunner": SPARK,
    "PrismRunner": PRISM,
}


def without(options, *names):
    return {name: value for name, value in options.items() if name not in names}


def refusal(**section):
    with pytest.raises(ValidationError) as error:
        BeamConfig(**section)
    return str(error.value)


def flags(**section):
    return beam_pipeline_args(BeamConfig(**section))


def test_the_default_is_in_process_and_packs_nothing():
    # FnApiRunner: Beam's default would download another runner. The image keeps TFX from packing.
    assert beam_pipeline_args(BeamConfig()) == [
        "--runner=FnApiRunner",
        "--sdk_container_image=none",
        "--experiments=disable_logging_submission_environment",
    ]


@pytest.mark.parametrize(("runner", "options"), RUNNERS.items())
def test_what_a_runner_needs_is_enough(runner, options):
    assert f"--runner={runner}" in flags(runner=runner, options=options)


@pytest.mark.parametrize(
    ("runner", "why"),
    [
        ("DaskRunner", "a split was missing"),
        ("DirectRunner", "tries to download"),
        ("SwitchingDirectRunner", "tries to download"),
        ("InteractiveRunner", "notebooks"),
        ("BundleBasedDirectRunner", "Beam's own tests"),
        ("Portablerunner", "'PortableRunner'"),
        ("", "'FnApiRunner'"),
        (None, "'FnApiRunner'"),
        (["FnApiRunner"], "'FnApiRunner'"),
    ],
)
def test_another_runner_is_refused_with_the_reason(runner, why):
    assert why in refusal(runner=runner)


@pytest.mark.parametrize(
    ("runner", "options", "needed"),
    [
        ("PortableRunner", {}, "beam.options.job_endpoint"),
        ("PortableRunner", POOL, "beam.options.job_endpoint"),
        ("PortableRunner", {**PORTABLE, "job_endpoint": False}, "beam.options.job_endpoint"),
        ("PortableRunner", {**PORTABLE, "job_endpoint": "embed"}, "host:port"),
        ("PortableRunner", {**PORTABLE, "job_endpoint": "http://x:1"}, "host:port"),
        ("PortableRunner", {**PORTABLE, "job_endpoint": "x:99999"}, "host:port"),
        ("PortableRunner", {**PORTABLE, "job_endpoint": 8099}, "host:port"),
        ("PortableRunner", without(PORTABLE, "environment_type"), "beam.options.environment_type"),
        ("PortableRunner", {**PORTABLE, "environment_type": "VM"}, "DOCKER, EXTERNAL, PROCESS"),
        ("PortableRunner", without(PORTABLE, "environment_config"), "of the worker pool"),
        ("PortableRunner", {"job_endpoint": "x:1", "environment_type": "DOCKER"}, "the image"),
        ("PortableRunner", {"job_endpoint": "x:1", "environment_type": "PROCESS"}, "JSON"),
        ("FlinkRunner", POOL, "beam.options.job_endpoint or beam.options.flink_master"),
        ("FlinkRunner", {"flink_master": "x:8081"}, "beam.options.environment_type"),
        ("SparkRunner", POOL, "beam.options.spark_master_url"),
        ("SparkRunner", {**POOL, "spark_submit_uber_jar": True}, "beam.options.spark_rest_url"),
        ("PrismRunner", {}, "beam.options.prism_location, the path"),
        ("PrismRunner", {"prism_location": True}, "beam.options.prism_location, the path"),
        ("PrismRunner", {"prism_location": "https://x/prism.zip"}, "Beam downloads it"),
        ("PrismRunner", {**PRISM, "environment_config": "x:1"}, "beam.options.environment_type"),
        ("PrismRunner", {**PRISM, "environment_type": "PROCESS"}, "JSON"),
        ("DataflowRunner", without(DATAFLOW, "project"), "beam.options.project"),
        ("DataflowRunner", without(DATAFLOW, "region"), "beam.options.region"),
        ("DataflowRunner", without(DATAFLOW, "temp_location"), "beam.options.temp_location"),
        ("DataflowRunner", {**DATAFLOW, "temp_location": "/tmp"}, "gs://"),
        ("DataflowRunner", {**DATAFLOW, "staging_location": "s3://b"}, "staging_location"),
        ("DataflowRunner", without(DATAFLOW, "sdk_container_image"), "has no TFX"),
    ],
)
def test_what_a_runner_cannot_do_without_is_asked_for_by_its_key(runner, options, needed):
    assert needed in refusal(runner=runner, options=options)


@pytest.mark.parametrize(
    ("runner", "options"),
    [
        ("PortableRunner", {"job_endpoint": "[::1]:8099", "environment_type": "LOOPBACK"}),
        (
            "PortableRunner",
            {**without(PORTABLE, "environment_config"), "environment_options": ["x=y"]},
        ),
        ("FlinkRunner", {**POOL, "job_endpoint": "flink:8099"}),
        ("SparkRunner", {**POOL, "job_endpoint": "spark:8099"}),
        ("SparkRunner", {**POOL, "spark_submit_uber_jar": True, "spark_rest_url": "http://s:6066"}),
        ("DataflowRunner", {**DATAFLOW, "staging_location": "gs://b/staging"}),
        ("PrismRunner", {**PRISM, "environment_type": "LOOPBACK"}),
        ("PrismRunner", {**PRISM, **POOL}),
    ],
)
def test_there_is_more_than_one_way(runner, options):
    assert flags(runner=runner, options=options)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, ["--x"]),
        (False, []),
        (None, []),
        ([], []),
        ("a b", ["--x=a b"]),
        ("", ["--x="]),
        ("true", ["--x=true"]),
        (0, ["--x=0"]),
        (3, ["--x=3"]),
        (1.5, ["--x=1.5"]),
        (["a", 2], ["--x=a", "--x=2"]),
        ('{"command": "/boot"}', ['--x={"command": "/boot"}']),
    ],
)
def test_a_value_becomes_its_flags(value, expected):
    assert [flag for flag in flags(options={"x": value}) if flag.startswith("--x")] == expected


@pytest.mark.parametrize("value", [{"a": 1}, [[1]], [True], [None], [{}], object()])
def test_what_no_flag_can_say_is_refused(value):
    assert "options.x" in refusal(options={"x": value})


@pytest.mark.parametrize("name", ["--x", "x-y", "X", "", "x=1", "x y", "1x", "_x", "é"])
def test_a_name_must_look_like_an_option(name):
    assert "not the name of a Beam option" in refusal(options={name: 1})


@pytest.mark.parametrize("name", ["runner", "setup_file"])
@pytest.mark.parametrize("value", ["x", None])
def test_an_option_with_a_key_of_its_own_is_not_said_twice(name, value):
    assert f"beam.{name}" in refusal(options={name: value})


def test_setup_file_is_for_workers():
    assert "FnApiRunner" in refusal(setup_file="auto")
    # Whose default is the step's own process.
    assert "no use with PrismRunner" in refusal(
        runner="PrismRunner", options=PRISM, setup_file="auto"
    )
    assert flags(runner="PrismRunner", options={**PRISM, **POOL}, setup_file="auto")


def test_a_prism_that_runs_already_is_for_portable_runner():
    said = refusal(runner="PrismRunner", options={**PRISM, "job_endpoint": "localhost:8073"})
    assert "use PortableRunner with beam.options.job_endpoint" in said


def test_the_path_of_prism_counts_from_the_file_that_names_it(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "pipeline_name: a\ndata: {name: digits}\nbackbone: {handle: bit-mini}\n"
        "evaluation: {min_accuracy: 0.5}\n"
        "beam: {runner: PrismRunner, options: {prism_location: bin/prism}}\n"
    )
    found = load_config(file=str(file)).beam.options["prism_location"]
    assert found == str(tmp_path / "bin" / "prism")


@pytest.mark.parametrize(
    ("setup_file", "flag"),
    [("auto", f"--setup_file={SETUP_PY}"), ("/else/setup.py", "--setup_file=/else/setup.py")],
)
def test_setup_file_is_the_projects_own_or_another(setup_file, flag):
    found = flags(runner="PortableRunner", options=PORTABLE, setup_file=setup_file)
    assert flag in found
    assert not [f for f in found if f.startswith("--sdk_container_image")]
    assert SETUP_PY.is_file()


def test_the_projects_own_setup_file_is_where_the_steps_run():
    config = BeamConfig(runner="PortableRunner", options=PORTABLE, setup_file="auto")
    assert "--setup_file=/app/setup.py" in beam_pipeline_args(config, "/app/setup.py")


@pytest.mark.parametrize(
    "options",
    [
        {"sdk_container_image": "eu/p/worker:1"},
        {"extra_packages": ["/x.whl"]},
        {"extra_package": "/x.whl"},
        {"requirements_file": "/r.txt"},
    ],
)
def test_packages_of_the_users_own_are_left_alone(options):
    assert "--sdk_container_image=none" not in flags(options=options)


@pytest.mark.parametrize("runner", ["PortableRunner", "FlinkRunner", "SparkRunner", "PrismRunner"])
def test_a_job_may_take_longer_than_beams_five_minutes(runner):
    options = RUNNERS[runner]
    assert "--job_server_timeout=86400" in flags(runner=runner, options=options)
    own = flags(runner=runner, options={**options, "job_server_timeout": 60})
    assert [flag for flag in own if "timeout" in flag] == ["--job_server_timeout=60"]


def test_dataflow_is_not_sent_the_main_session_unless_asked():
    assert "--no_save_main_session" in flags(runner="DataflowRunner", options=DATAFLOW)
    asked = flags(runner="DataflowRunner", options={**DATAFLOW, "save_main_session": True})
    assert "--save_main_session" in asked
    assert "--no_save_main_session" not in asked


@pytest.mark.parametrize("path", ["/runs/digits", "runs", "s3://b/runs", "gs:/b"])
def test_dataflow_reaches_nothing_but_cloud_storage(path):
    config = BeamConfig(runner="DataflowRunner", options=DATAFLOW)
    with pytest.raises(UserError, match=r"cannot reach .*gs://"):
        check_reachable(config, path)
    check_reachable(config, "gs://b/runs")


@pytest.mark.parametrize("runner", ["FnApiRunner", "PortableRunner", "FlinkRunner", "SparkRunner"])
def test_other_workers_may_share_a_disk(runner):
    config = BeamConfig(runner=runner, options=RUNNERS[runner])
    assert check_reachable(config, "/runs/digits") is None


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def nobody():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"127.0.0.1:{port}"


def test_services_that_listen_pass(listening):
    options = {**PORTABLE, "job_endpoint": listening, "environment_config": listening}
    assert check_workers(BeamConfig(runner="PortableRunner", options=options)) is None


@pytest.mark.parametrize("runner", ["FnApiRunner", "DataflowRunner"])
def test_runners_without_services_are_not_called(runner):
    assert check_workers(BeamConfig(runner=runner, options=RUNNERS[runner])) is None


@pytest.mark.parametrize("key", ["job_endpoint", "artifact_endpoint", "environment_config"])
def test_a_service_that_does_not_listen_is_named(listening, nobody, key):
    options = {**POOL, "job_endpoint": listening, "environment_config": listening, key: nobody}
    with pytest.raises(UserError, match=rf"beam\.options\.{key} {nobody}: no service listens"):
        check_workers(BeamConfig(runner="PortableRunner", options=options))


@pytest.mark.parametrize("many", [True, False])
def test_a_worker_pool_can_be_an_environment_option(listening, nobody, many):
    option = f"external_service_address={nobody}"
    options = {
        "job_endpoint": listening,
        "environment_type": "EXTERNAL",
        "environment_options": [option] if many else option,
    }
    with pytest.raises(UserError, match=rf"environment_options {nobody}: no service listens"):
        check_workers(BeamConfig(runner="PortableRunner", options=options))


MASTERS = [
    ("FlinkRunner", "flink_master", "{}"),
    ("FlinkRunner", "flink_master", "http://{}/"),
    ("SparkRunner", "spark_master_url", "spark://{}"),
]


@pytest.mark.parametrize(("runner", "key", "address"), MASTERS)
def test_a_pool_that_only_the_cluster_sees_is_not_looked_for(
    listening, nobody, runner, key, address
):
    pool = {"environment_type": "EXTERNAL", "environment_config": nobody}
    options = {key: address.format(listening), **pool}
    assert check_workers(BeamConfig(runner=runner, options=options)) is None


@pytest.mark.parametrize(("runner", "key", "address"), MASTERS)
def test_a_master_that_does_not_listen_is_named(nobody, runner, key, address):
    options = {key: address.format(nobody), **POOL}
    with pytest.raises(UserError, match=rf"beam\.options\.{key} .*{nobody}.*: no service listens"):
        check_workers(BeamConfig(runner=runner, options=options))


@pytest.mark.parametrize("master", ["[auto]", "[local]"])
def test_a_master_of_flink_in_the_job_server_is_not_called(master):
    options = {"flink_master": master, **POOL}
    assert check_workers(BeamConfig(runner="FlinkRunner", options=options)) is None


def test_a_master_beside_a_job_server_is_not_called(listening, nobody):
    options = {**POOL, "job_endpoint": listening, "environment_config": listening}
    section = BeamConfig(runner="FlinkRunner", options={**options, "flink_master": nobody})
    assert check_workers(section) is None


def test_a_pool_beside_a_job_service_elsewhere_is_not_looked_for(monkeypatch, nobody):
    called = []
    monkeypatch.setattr(services, "_connect", lambda what, address: called.append(address))
    options = {**POOL, "job_endpoint": "cluster:8099", "environment_config": nobody}
    check_workers(BeamConfig(runner="PortableRunner", options=options))
    assert called == [("cluster", 8099)]


def test_a_pool_of_prism_is_looked_for(monkeypatch, nobody):
    # Beam starts Prism on this machine.
    monkeypatch.setattr(services, "check_prism", lambda location: None)
    options = {**PRISM, "environment_type": "EXTERNAL", "environment_config": nobody}
    with pytest.raises(UserError, match=rf"environment_config {nobody}: no service listens"):
        check_workers(BeamConfig(runner="PrismRunner", options=options))


def test_a_host_without_a_name_is_told_soon():
    options = {**PORTABLE, "job_endpoint": "no-such-host.invalid:1"}
    started = time.monotonic()
    with pytest.raises(UserError, match="no service listens"):
        check_workers(BeamConfig(runner="PortableRunner", options=options))
    assert time.monotonic() - started < 30


def test_a_setup_file_must_be_there(tmp_path):
    section = {"runner": "DataflowRunner", "options": DATAFLOW}
    with pytest.raises(UserError, match=r"beam\.setup_file .*no such file"):
        check_workers(BeamConfig(**section, setup_file=str(tmp_path / "setup.py")))
    check_workers(BeamConfig(**section, setup_file="auto"))


def test_the_section_survives_the_way_to_the_worker():
    options = {**DATAFLOW, "experiments": ["a", "b"], "num_workers": 2, "no_auth": None}
    config = load_config().model_copy(
        update={"beam": BeamConfig(runner="DataflowRunner", options=options, setup_file="auto")}
    )
    assert Config.model_validate_json(json.dumps(dump_config(config))) == config


def test_a_mistake_is_told_by_its_path():
    with pytest.raises(UserError, match=r"beam\.runner: it loses records"):
        load_config(overrides=["beam.runner=DaskRunner"])
    with pytest.raises(UserError, match=r"beam: runner PortableRunner needs beam\.options\.job"):
        load_config(overrides=["beam.runner=PortableRunner"])
    with pytest.raises(UserError, match=r"beam\.options\.parallelism: an option must be"):
        load_config(overrides=["beam.options.parallelism={a: 1}"])


def test_a_setup_file_counts_from_the_file_that_names_it(tmp_path):
    file = tmp_path / "mine.yaml"
    text = "pipeline_name: a\ndata: {name: digits}\n"
    text += "backbone: {handle: bit-mini}\nevaluation: {min_accuracy: 0.5}\n"
    text += f"beam: {{runner: PortableRunner, options: {json.dumps(PORTABLE)}, setup_file: %s}}\n"
    file.write_text(text % "lib/setup.py")
    assert load_config(file=str(file)).beam.setup_file == str(tmp_path / "lib" / "setup.py")
    file.write_text(text % "auto")
    assert load_config(file=str(file)).beam.setup_file == "auto"


def test_it_imports_no_framework():
    code = (
        "import sys, pipeline.config.beam;"
        "assert not {'tfx', 'tensorflow', 'apache_beam'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=SETUP_PY.parent)
