"""The `kubeflow` section: what is refused, what a step gets, where files lie."""

import pytest
from pydantic import ValidationError

from components.errors import UserError
from pipeline.config import load_config
from pipeline.kubeflow_config import (
    TASKS,
    Accelerator,
    KubeflowConfig,
    Metadata,
    MysqlMetadata,
    Retries,
    Step,
    Toleration,
    Volume,
)


def section(**values):
    return KubeflowConfig.model_validate(values)


def test_a_fresh_section_fits_a_fresh_kubeflow():
    found = section()
    assert found.metadata.mysql == MysqlMetadata(host="mysql", port=3306, database="bit")
    assert found.output_of("flowers") == "/mnt/bit/flowers"
    assert found.step("Trainer").accelerator == Accelerator(type="nvidia.com/gpu", count=1)
    assert [task for task in TASKS if found.step(task).accelerator] == ["Trainer"]


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
    with pytest.raises(ValidationError, match="either mysql or sqlite"):
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
        ("/tmp/here", "on none of the volumes"),
        ("/mnt/bits", "on none of the volumes"),
    ],
)
def test_an_output_that_pods_would_not_find_again(output, sentence):
    with pytest.raises(ValidationError, match=sentence):
        section(output=output)


def test_the_sqlite_file_is_on_a_volume_too():
    with pytest.raises(ValidationError, match=r"metadata\.sqlite /tmp/m is on none of the volumes"):
        section(metadata={"sqlite": "/tmp/m"})


def test_a_volume_of_default_counts_and_one_of_a_single_step_does_not():
    volume = {"claim": "b", "path": "/data"}
    assert section(output="/data/x", steps={"default": {"volumes": [volume]}})
    with pytest.raises(ValidationError, match="on none of the volumes"):
        section(output="/data/x", steps={"Trainer": {"volumes": [volume]}})


def test_a_step_that_does_not_exist():
    with pytest.raises(ValidationError, match="there is no step 'Trianer'"):
        section(steps={"Trianer": {"cpu_request": "1"}})


@pytest.mark.parametrize("quantity", ["1", "500m", "0.5", "4Gi", "4.5Gi", "100M", "2Ti"])
def test_quantities_of_kubernetes(quantity):
    assert Step(memory_limit=quantity)


@pytest.mark.parametrize("quantity", ["", "4 Gi", "4GB", "-1", "four", "1e3x", "Gi"])
def test_what_is_no_quantity(quantity):
    with pytest.raises(ValidationError):
        Step(memory_limit=quantity)


def test_what_is_said_of_a_step_goes_over_default_and_default_over_ours():
    found = section(
        steps={
            "default": {"cpu_request": "3", "memory_limit": "1Gi", "timeout_s": 60},
            "Evaluator": {"memory_limit": "12Gi"},
        }
    )
    evaluator, pusher = found.step("Evaluator"), found.step("Pusher")
    assert (evaluator.cpu_request, evaluator.memory_limit) == ("3", "12Gi")
    assert (pusher.memory_limit, pusher.memory_request) == ("1Gi", "4Gi")
    assert evaluator.timeout_s == 60


def test_a_default_for_all_leaves_the_trainer_what_it_needs():
    found = section(steps={"default": {"memory_limit": "1Gi"}})
    assert found.step("Trainer").memory_limit == "16Gi"
    found = section(steps={"Trainer": {"memory_limit": "1Gi", "accelerator": {"count": 0}}})
    assert found.step("Trainer").memory_limit == "1Gi"
    assert found.step("Trainer").accelerator == Accelerator(count=0)


def test_what_refuses_once_is_hardly_asked_again():
    assert section().step("prepare").retries == Retries(count=1, backoff_s=10)
    assert section().step("model-rejected").retries == Retries(count=0)
    assert section().step("Trainer").retries == Retries(count=2)


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
