"""TF_CONFIG as TensorFlow reads it, and the file that tells workers what to train."""

import json
import re
import subprocess

import pytest
from ruamel.yaml import YAML

from components.errors import UserError
from components.trainer.workers.cluster import Cluster, read_cluster
from components.trainer.workers.job_file import (
    await_job,
    job_file,
    read_number,
    remove_job,
    wait_for_job,
    write_job,
)
from pipeline.inputs.code import ROOT
from pipeline.run.layout import Layout
from tests.components.trainer.jobs import make_job

KFP_PYTHON = ROOT / ".venv-kfp" / "bin" / "python"
TWO, ONE = ["a:1", "b.c.svc:2222"], ["c:3"]


def told(cluster, kind, index, **more):
    task = {"type": kind, "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task, **more})}


@pytest.mark.parametrize(
    ("environment", "index", "count"),
    [
        (told({"worker": TWO}, "worker", 0), 0, 2),
        (told({"worker": TWO}, "worker", 1), 1, 2),
        (told({"worker": ONE}, "worker", 0), 0, 1),
        (told({"chief": ONE, "worker": TWO}, "chief", 0), 0, 3),
        (told({"chief": ONE, "worker": TWO}, "worker", 0), 1, 3),
        (told({"chief": ONE, "worker": TWO}, "worker", "1"), 2, 3),
        # As Kubeflow's TFJob adds.
        (told({"worker": TWO}, "worker", 0, environment="cloud"), 0, 2),
    ],
)
def test_a_cluster_is_numbered_as_tensorflow_numbers_it(environment, index, count):
    assert read_cluster(environment) == Cluster(index, count)
    assert read_cluster(environment).is_chief == (index == 0)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "TF_CONFIG is not set"),
        ({"TF_CONFIG": "{"}, "is not JSON"),
        ({"TF_CONFIG": "[]"}, "lacks cluster"),
        ({"TF_CONFIG": '{"cluster": {"worker": ["a:1"]}}'}, "lacks cluster, task"),
        (told({"worker": TWO}, "worker", "x"), "lacks"),
        (told({"worker": TWO, "ps": ONE}, "worker", 0), "the job 'ps'"),
        (told({"worker": ["a"]}, "worker", 0), "instead of a list of HOST:PORT"),
        (told({"worker": "a:1"}, "worker", 0), "instead of a list of HOST:PORT"),
        (told({"worker": ["http://a:1"]}, "worker", 0), "instead of a list of HOST:PORT"),
        (told({"worker": TWO}, "worker", 2), "the task worker 2, which is not in its cluster"),
        (told({"worker": TWO}, "worker", -1), "which is not in its cluster"),
        (told({"worker": TWO}, "chief", 0), "the task chief 0, which is not in its cluster"),
        (told({"chief": TWO, "worker": ONE}, "worker", 0), "has 2 chiefs"),
    ],
)
def test_a_wrong_one_is_told_with_the_form(environment, said):
    with pytest.raises(UserError) as raised:
        read_cluster(environment)
    assert said in str(raised.value)
    assert '"task": {"type": "worker", "index": 0}' in str(raised.value)


@pytest.fixture
def job(tmp_path):
    return make_job(tmp_path, "run", strategy="multi_worker")


def test_a_job_is_read_as_it_was_written(job):
    file = job_file(job.checkpoints)
    assert read_number(file) == 0
    number = write_job(file, job)
    assert 0 < number < 2**53
    assert read_number(file) == number == wait_for_job(file, 0, 0)
    assert await_job(file, number, 0) == job


def test_a_job_that_was_done_is_not_waited_for(job):
    file = job_file(job.checkpoints)
    first = write_job(file, job)
    with pytest.raises(TimeoutError, match="no training with several workers started within 0 s"):
        wait_for_job(file, first, 0)
    second = write_job(file, job)
    assert wait_for_job(file, first, 0) == second != first


def test_another_runs_job_is_not_taken_for_the_chiefs(job):
    file = job_file(job.checkpoints)
    number = write_job(file, job)
    with pytest.raises(TimeoutError, match="all workers use the same storage"):
        await_job(file, number + 1, 0)
    file.write_text("{half")
    with pytest.raises(TimeoutError):
        await_job(file, number, 0)


def test_a_run_takes_back_its_own_job_alone(job):
    file = job_file(job.checkpoints)
    first = write_job(file, job)
    second = write_job(file, job)
    remove_job(file, first)
    assert read_number(file) == second
    remove_job(file, second)
    assert not file.exists()
    remove_job(file, second)


def test_workers_look_where_runs_keep_their_checkpoints(tmp_path, job):
    from components.trainer.workers.worker import CHECKPOINTS

    assert Layout(tmp_path).checkpoints == tmp_path / CHECKPOINTS


def documented():
    """The chief's configuration, and the manifests of the others by their kind."""
    text = (ROOT / "docs" / "how-to" / "training.md").read_text()
    text = text[text.index("## Several machines") :]
    chief, others = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    yaml = YAML(typ="safe", pure=True)
    return yaml.load(chief), {each["kind"]: each for each in yaml.load_all(others)}


def test_the_documented_cluster_is_one():
    """What the runtime's shell makes of the TrainJob's variables and JobSet's index."""
    chief, others = documented()
    trainer = chief["kubeflow"]["steps"]["Trainer"]
    assert read_cluster(trainer["env"]) == Cluster(0, 3)
    assert others["Service"]["spec"]["selector"].items() <= trainer["labels"].items()
    job = others["TrainJob"]["spec"]
    assert job["runtimeRef"]["name"] == others["TrainingRuntime"]["metadata"]["name"]
    given = {each["name"]: each["value"] for each in job["trainer"]["env"]}
    (node,) = others["TrainingRuntime"]["spec"]["template"]["spec"]["replicatedJobs"]
    (container,) = node["template"]["spec"]["template"]["spec"]["containers"]
    script = container["args"][0].replace("exec bit-tfx", 'printf %s "$TF_CONFIG" #')
    for index in range(job["trainer"]["numNodes"]):
        environment = {**given, "JOB_COMPLETION_INDEX": str(index)}
        told = subprocess.check_output(["sh", "-c", script], env=environment, text=True)
        assert read_cluster({"TF_CONFIG": told}) == Cluster(index + 1, 3)
        cluster = json.loads(told)["cluster"]
        assert cluster == json.loads(trainer["env"]["TF_CONFIG"])["cluster"]
        # JobSet's names: <job set>-<replicated job>-<job>-<pod>.<job set>
        name = others["TrainJob"]["metadata"]["name"]
        assert cluster["worker"][index] == f"{name}-{node['name']}-0-{index}.{name}:2222"


CHECK = """
import json, sys
import kubernetes_validate
from kubeflow_trainer_api import models
for document in json.load(sys.stdin):
    if document["apiVersion"] == "v1":
        kubernetes_validate.validate(document, "1.31", strict=True)
        continue
    model = getattr(models, "TrainerV1alpha1" + document["kind"]).from_dict(document)
    if model.to_dict() != document:
        sys.exit(f"{document['kind']} has a field that Kubeflow Trainer does not know")
"""


@pytest.mark.skipif(not KFP_PYTHON.exists(), reason="needs .venv-kfp: make kubeflow")
def test_kubeflow_trainer_knows_every_field():
    def check(documents):
        return subprocess.run(
            [KFP_PYTHON, "-c", CHECK],
            input=json.dumps(documents),
            capture_output=True,
            text=True,
            check=False,
        )

    _, others = documented()
    done = check(list(others.values()))
    assert done.returncode == 0, done.stderr
    for wrong in ({"numNodez": 2}, {"numNodes": "two"}):
        others["TrainJob"]["spec"]["trainer"] = wrong
        assert check([others["TrainJob"]]).returncode
