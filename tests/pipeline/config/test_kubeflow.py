"""The `kubeflow` section: what is refused, what a step gets, where files lie."""

import pytest
from pydantic import ValidationError

from components.errors import UserError
from pipeline.config import load_config
from pipeline.config.kubeflow import TASKS, KubeflowConfig
from pipeline.config.metadata_store import Metadata, MysqlMetadata
from pipeline.config.pod import Accelerator, Pod, Retries, Toleration, Volume, amount


def section(**values):
    return KubeflowConfig.model_validate(values)


def test_a_fresh_section_fits_a_fresh_kubeflow():
    found = section()
    assert found.metadata.mysql == MysqlMetadata(host="mysql", port=3306, database="bit")
    assert found.output_of("flowers") == "/mnt/bit/flowers"
    assert found.step("Trainer").accelerator == Accelerator(type="nvidia.com/gpu", count=1)
    assert [task for task in TASKS if found.step(task).accelerator] == ["Tuner", "Trainer"]
    assert found.step("Tuner") == found.step("Trainer")


@pytest.mark.parametrize("database", ["metadb", "METADB", "mlpipeline", "cachedb", "mysql"])
def test_a_database_of_kubeflows_own_is_refused_by_name(database):
    with pytest.raises(ValidationError, match="belongs to Kubeflow"):
        MysqlMetadata(database=database)


@pytest.mark.parametrize("database", ["", "bit-lineage", "a b", "x" * 65, "bit;drop"])
def test_a_database_has_a_plain_name(database):
    with pytest.raises(ValidationError):
        MysqlMetadata(database=database)


def test_sqlite_takes_mysqls_place():
    found = Metadata.model_validate({"sqlite": "/mnt/bit/metadata.sqlite"})
    assert found.mysql is None


@pytest.mark.parametrize(
    "values", [{"sqlite": "/mnt/bit/m.sqlite", "mysql": {"host": "db"}}, {"mysql": None}]
)
def test_one_store_and_no_more(values):
    with pytest.raises(ValidationError, match="one of mysql, postgresql and sqlite"):
        Metadata.model_validate(values)


@pytest.mark.parametrize(
    "output", ["/mnt/bit", "/mnt/bit/a/b", "gs://bucket/folder", "gs://bucket"]
)
def test_an_output_that_pods_share(output):
    assert section(output=output).output_of("x") == output


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("s3://bucket/folder", "tensorflow-io"),
        ("minio://bucket/folder", "tensorflow-io"),
        ("gs://", "absolute path on a volume or gs://"),
        ("runs/here", "absolute path on a volume or gs://"),
        ("hdfs://x/y", "absolute path on a volume or gs://"),
    ],
)
def test_an_output_that_pods_would_not_find_again(output, sentence):
    with pytest.raises(ValidationError, match=sentence):
        section(output=output)


@pytest.mark.parametrize(
    "overrides",
    [
        ["kubeflow.output=/tmp/here"],
        ["kubeflow.output=/mnt/bits"],
        ["kubeflow.volumes=[{claim: data, path: /data}]"],
        ["kubeflow.metadata={sqlite: /tmp/m}"],
        ["kubeflow.output=gs://bucket/x", "kubeflow.metadata={sqlite: /mnt/bit/m}"],
        ["kubeflow.output=/data/x", "kubeflow.steps.Trainer.volumes=[{claim: b, path: /data}]"],
        [
            "kubeflow.output=/data/x",
            "kubeflow.steps.default.volumes=[{claim: b, path: /data}]",
            "kubeflow.steps.Trainer.volumes=[{claim: scratch, path: /scratch}]",
        ],
    ],
)
def test_a_path_that_a_pod_would_not_find_again(overrides):
    with pytest.raises(UserError, match="is not on a volume that every step mounts"):
        load_config("digits", overrides=overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        ["kubeflow.output=/mnt/bit"],
        ["kubeflow.output=gs://bucket/x"],
        ["kubeflow.output=/data/x", "kubeflow.volumes=[{claim: data, path: /data}]"],
        ["kubeflow.output=/data/x", "kubeflow.steps.default.volumes=[{claim: b, path: /data}]"],
    ],
)
def test_a_path_that_every_pod_finds(overrides):
    assert load_config("digits", overrides=overrides)


def test_an_output_in_a_bucket_needs_no_volume():
    assert section(output="gs://bucket/x").step("Trainer").volumes == ()
    assert section().step("Trainer").volumes == (Volume(claim="bit", path="/mnt/bit"),)


def test_a_step_that_does_not_exist():
    with pytest.raises(ValidationError, match="there is no step 'Trianer'"):
        section(steps={"Trianer": {"cpu_request": "1"}})


@pytest.mark.parametrize("quantity", ["1", "500m", "0.5", "4Gi", "4.5Gi", "100M", "2Ti"])
def test_quantities_of_kubernetes(quantity):
    assert Pod(memory_limit=quantity)


@pytest.mark.parametrize("quantity", ["", "4 Gi", "4GB", "-1", "four", "1e3x", "Gi"])
def test_what_is_no_quantity(quantity):
    with pytest.raises(ValidationError):
        Pod(memory_limit=quantity)


def test_what_is_said_of_a_step_goes_over_default_and_default_over_ours():
    found = section(
        steps={
            "default": {"cpu_request": "3", "memory_limit": "1Gi", "timeout_s": 60},
            "Evaluator": {"memory_limit": "12Gi"},
        }
    )
    evaluator, pusher = found.step("Evaluator"), found.step("Pusher")
    assert (evaluator.cpu_request, evaluator.memory_limit) == ("3", "12Gi")
    assert (pusher.memory_limit, pusher.memory_request) == ("1Gi", "1Gi")
    assert evaluator.timeout_s == 60


def test_a_default_is_for_all_and_lowers_what_we_would_have_asked_for():
    found = section(steps={"default": {"memory_limit": "1Gi"}})
    assert found.step("Trainer").memory_limit == "1Gi"
    assert found.step("Trainer").memory_request == "1Gi"
    assert found.step("Pusher").memory_request == "1Gi"
    found = section(steps={"Trainer": {"memory_limit": "64Gi", "accelerator": {"count": 0}}})
    assert found.step("Trainer").memory_request == "8Gi"
    assert found.step("Trainer").accelerator == Accelerator(count=0)


@pytest.mark.parametrize(
    "step",
    [
        {"memory_request": "4Gi", "memory_limit": "2Gi"},
        {"memory_request": "1G", "memory_limit": "999M"},
        {"cpu_request": "2", "cpu_limit": "500m"},
    ],
)
def test_more_asked_for_than_allowed(step):
    with pytest.raises(ValidationError, match="is more than"):
        section(steps={"default": step})


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [("1", 1), ("500m", 0.5), ("0.5", 0.5), ("1k", 1e3), ("1Ki", 1024), ("1.5Gi", 1.5 * 2**30)],
)
def test_amounts(quantity, expected):
    assert amount(quantity) == expected


def test_a_retry_outlives_the_longest_attempt():
    assert section().step("Trainer").retries.within_s == 7 * 24 * 3600
    with pytest.raises(ValidationError, match="no attempt that timed out would be retried"):
        section(steps={"Trainer": {"timeout_s": 7200, "retries": {"within_s": 3600}}})


def test_argo_takes_whole_factors_alone():
    with pytest.raises(ValidationError):
        Retries.model_validate({"backoff_factor": 1.5})


def test_what_refuses_once_is_hardly_asked_again():
    for task in ("prepare", "DataGate"):
        assert section().step(task).retries == Retries(count=1, backoff_s=10)
    assert section().step("Trainer").retries == Retries(count=2)
    given = section(steps={"default": {"retries": {"count": 5}}})
    assert given.step("prepare").retries == Retries(count=5)
    assert given.step("model-rejected").retries == Retries(count=0)


@pytest.mark.parametrize(
    "labels", [{"team": "a b"}, {"team": "a/b"}, {"team": "-a"}, {"t": "x" * 64}]
)
def test_a_label_that_kubernetes_would_refuse(labels):
    with pytest.raises(ValidationError):
        Pod(labels=labels)


def test_a_claim_whose_name_is_no_volumes_name():
    with pytest.raises(ValidationError):
        Volume(claim="bit.data", path="/data")


def test_volumes_of_all_and_of_one_step_are_both_mounted():
    found = section(steps={"Trainer": {"volumes": [{"claim": "scratch", "path": "/scratch"}]}})
    assert found.step("Trainer").volumes == (
        Volume(claim="bit", path="/mnt/bit"),
        Volume(claim="scratch", path="/scratch"),
    )
    assert found.step("Pusher").volumes == (Volume(claim="bit", path="/mnt/bit"),)


@pytest.mark.parametrize(
    "step",
    [
        {"volumes": [{"claim": "bit", "path": "/elsewhere"}]},
        {"secret_files": [{"secret": "bit", "path": "/secrets"}]},
        {"secret_files": [{"secret": "a", "path": "/s"}, {"secret": "a", "path": "/t"}]},
        {"secret_files": [{"secret": "a", "path": "/mnt/bit"}]},
    ],
)
def test_a_pod_with_a_volume_or_a_path_twice(step):
    with pytest.raises(ValidationError, match="twice"):
        section(steps={"Trainer": step})


@pytest.mark.parametrize(
    "toleration",
    [
        {},
        {"value": "x"},
        {"key": "gpu", "operator": "Exists", "value": "x"},
        {"key": "gpu", "operator": "Exists", "seconds": 3},
        {"key": "gpu", "effect": "NoSchedule", "seconds": 3},
    ],
)
def test_a_toleration_that_kubernetes_would_refuse(toleration):
    with pytest.raises(ValidationError):
        Toleration.model_validate(toleration)


@pytest.mark.parametrize(
    "toleration",
    [
        {"operator": "Exists"},
        {"key": "gpu"},
        {"key": "gpu", "value": "yes", "effect": "NoSchedule"},
        {"key": "gpu", "operator": "Exists", "effect": "NoExecute", "seconds": 0},
    ],
)
def test_a_toleration_that_kubernetes_takes(toleration):
    assert Toleration.model_validate(toleration)


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("kubeflow.steps.Trainer.accelerator.cuont=2", "did you mean count"),
        ("kubeflow.volumes=[{claim: UPPER, path: /x}]", "kubeflow.volumes.0.claim"),
        ("kubeflow.image=two words", "kubeflow.image"),
        ("kubeflow.steps.default.retries.count=-1", "kubeflow.steps.default.retries.count"),
    ],
)
def test_a_mistake_is_told_by_its_key(override, key):
    with pytest.raises(UserError, match=key):
        load_config("digits", overrides=[override])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"deadline_s": 0}, "greater than or equal to 1"),
        ({"ttl_s": 2**31}, "less than or equal to 2147483647"),
        (
            {"deadline_s": 3600, "steps": {"Trainer": {"timeout_s": 7200}}},
            "Trainer: timeout_s 7200 is more than deadline_s 3600",
        ),
        ({"metadata": {"postgresql": {}}}, "postgresql.host"),
        ({"metadata": {"postgresql": {"host": "db", "database": "postgres"}}}, "belongs to"),
        ({"metadata": {"postgresql": {"host": "db", "database": "Bit"}}}, "make bit of Bit"),
        ({"metadata": {"postgresql": {"host": "db"}, "sqlite": "/mnt/bit/m"}}, "give one of"),
    ],
)
def test_what_a_cluster_cannot_have_is_refused(values, words):
    with pytest.raises(ValidationError, match=words):
        KubeflowConfig(**values)


def test_postgresql_alone_is_no_mysql():
    metadata = Metadata(postgresql={"host": "db"})
    assert metadata.mysql is None
    assert metadata.server == metadata.postgresql
