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


def test_the_documented_cluster_is_one():
    """The chief's configuration, and what the StatefulSet's shell makes of its pods' names."""
    text = (ROOT / "docs" / "how-to" / "training.md").read_text()
    text = text[text.index("## Several machines") :]
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (chief,), (_, _, workers) = ([*YAML(typ="safe").load_all(block)] for block in blocks)
    environment = chief["kubeflow"]["steps"]["Trainer"]["env"]
    assert read_cluster(environment) == Cluster(0, 3)
    spec = workers["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    script = container["args"][0].replace("exec python", 'printf %s "$TF_CONFIG" #')
    for index in range(spec["replicas"]):
        told = subprocess.check_output(
            ["sh", "-c", script], env={"HOSTNAME": f"bit-worker-{index}"}, text=True
        )
        assert read_cluster({"TF_CONFIG": told}) == Cluster(index + 1, 3)
        assert json.loads(told)["cluster"] == json.loads(environment["TF_CONFIG"])["cluster"]
