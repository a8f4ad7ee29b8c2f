"""The compiled package against KFP's protos, its SDK, Kubernetes' schemas and golden files."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from components.errors import UserError
from kubeflow.braces import check_package
from kubeflow.compile import check_config
from kubeflow.sdk import PYTHON
from pipeline.config import load_config
from pipeline.steps import graph_of
from tests.command import BIT_TFX

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
IMAGE = f"registry.example.com/ml/bit@sha256:{'0123456789abcdef' * 4}"
EVERYTHING = HERE / "everything.yaml"
SQLITE = (
    "kubeflow.metadata={sqlite: /mnt/bit/metadata.sqlite}",
    "kubeflow.steps.Trainer.accelerator.count=0",
)
SEARCH = "search.mode=[head_only, full]"
WARM = "training.warm_start=true"


def compile_(output: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BIT_TFX, "kubeflow", "compile", *arguments, "--output", str(output)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Compiled packages by name."""
    folder = tmp_path_factory.mktemp("packages")
    asked = {
        "digits": ("--preset", "digits", "--image", IMAGE),
        "flowers": ("--preset", "flowers", "--image", IMAGE),
        "everything": ("--config", str(EVERYTHING)),
        "sqlite": ("--image", IMAGE, *(f"--set={each}" for each in SQLITE)),
        "search": ("--image", IMAGE, f"--set={SEARCH}", f"--set={WARM}"),
    }
    found = {}
    for name, arguments in asked.items():
        found[name] = folder / f"{name}.yaml"
        ran = compile_(found[name], *arguments)
        assert ran.returncode == 0, ran.stderr
    return found


@pytest.fixture(scope="module")
def pods(packages):
    """Pods by package and executor, checked."""
    found = {}
    for name, path in packages.items():
        ran = subprocess.run(
            [PYTHON, HERE / "check_package.py", path], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
        found[name] = json.loads(ran.stdout)
    return found


def read(path):
    return list(YAML(typ="safe", pure=True).load_all(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("data.name={{x}}", "data.name"),
        ("backbone.handle='/mnt/bit/{{workflow.name}}'", "backbone.handle"),
        ("kubeflow.steps.Trainer.env={A: '{{x}}'}", "kubeflow.steps.Trainer.env.A"),
        ("kubeflow.steps.Trainer.env={'{{$}}': x}", "kubeflow.steps.Trainer.env.{{$}}"),
        ("kubeflow.steps.default.node_selector={'{{x}}': a}", "node_selector.{{x}}"),
        ("kubeflow.image='{{inputs.parameters.x}}'", "kubeflow.image"),
        ("kubeflow.metadata.mysql.host='{{x'", "kubeflow.metadata.mysql.host"),
        ("kubeflow.metadata.mysql.password_key='{{x}}'", "kubeflow.metadata.mysql.password_key"),
        ("kubeflow.steps.Trainer.tolerations=[{key: '{{x}}', operator: Exists}]", "0.key"),
        ("evaluation.min_class_accuracy={'{{7}}': 0.5}", "evaluation.min_class_accuracy.{{7}}"),
        ("kubeflow.output='/mnt/bit/{{x}}'", "kubeflow.output"),
    ],
)
def test_braces_that_the_cluster_would_fill_in_are_refused(override, key):
    quoted = override if "'" in override else override.replace("=", "='", 1) + "'"
    image = [] if key == "kubeflow.image" else [f"kubeflow.image={IMAGE}"]
    with pytest.raises(UserError) as caught:
        check_config(load_config(overrides=[quoted, *image]))
    assert f"{key}: " in str(caught.value)
    assert "holds {{, which the cluster takes for a placeholder" in str(caught.value)


def test_a_name_with_braces_is_refused():
    """The pattern of names does it."""
    with pytest.raises(UserError, match="pipeline_name"):
        load_config(overrides=["pipeline_name='{{x}}'"])


def test_what_we_compile_is_no_package_to_refuse(packages):
    for path in packages.values():
        for document in read(path):
            check_package(document, str(path))


@pytest.mark.parametrize("name", ["digits", "flowers"])
def test_the_golden_file_is_what_is_compiled(packages, name):
    """Where the change is wanted: compile again with the same image, and read the difference."""
    golden = HERE / "golden" / f"{name}.yaml"
    assert read(packages[name]) == read(golden), (
        f"bit-tfx kubeflow compile --preset {name} --image {IMAGE} --output {golden}"
    )


@pytest.mark.parametrize("name", ["digits", "flowers", "everything", "sqlite"])
def test_every_pod_is_one_that_kubernetes_takes(pods, name):
    assert len(pods[name]) == 17


def test_the_run_ends_at_its_deadline_and_its_workflow_goes_in_time(packages):
    """Fields of KFP 2.17; check_package holds the rest of the platform against its protos."""
    _, platform = read(packages["everything"])
    assert platform["platforms"]["kubernetes"]["pipelineConfig"] == {
        "activeDeadlineSeconds": 172800,
        "resourceTtlOnCompletion": 604800,
    }
    _, platform = read(packages["digits"])
    assert "pipelineConfig" not in platform["platforms"]["kubernetes"]


def test_the_tuner_is_a_task_before_the_trainer_and_its_pod_the_same(packages, pods):
    spec, _ = read(packages["search"])
    tasks = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    assert {"tuner", "warmstart"} < set(tasks["trainer"]["dependentTasks"])
    assert tasks["warmstart"]["dependentTasks"] == ["prepare"]
    waits = {"prepare", "imageexamplegen", "transform", "warmstart"}
    assert set(tasks["tuner"]["dependentTasks"]) == waits
    tuner, trainer = (pods["search"][f"exec-{name}"]["spec"] for name in ("tuner", "trainer"))
    one, other = (each["containers"][0] for each in (tuner, trainer))
    assert one["resources"] == other["resources"]
    assert one["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert "--gpu" in one["args"]
    assert not {"exec-tuner", "exec-warmstart"} & pods["digits"].keys()


def test_the_graph_is_tfxs(packages):
    spec, _ = read(packages["flowers"])
    tasks = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    for node, upstream in graph_of(load_config("flowers")).items():
        waits = set(tasks[node.lower()].get("dependentTasks", [])) - {"prepare"}
        assert waits == {name.lower() for name in upstream}, node


def test_sqlite_makes_the_steps_wait_for_each_other(packages):
    spec, _ = read(packages["sqlite"])
    tasks = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    row = ["prepare"]
    while followers := [
        name
        for name, task in tasks.items()
        if name != "condition-2" and set(task.get("dependentTasks", [])) - {"prepare"} == {row[-1]}
    ] or ([] if len(row) > 1 else ["imageexamplegen"]):
        assert len(followers) == 1
        row += followers
    assert len(row) == 15


def test_only_the_trainer_asks_for_a_gpu_and_is_told_of_it(pods):
    for name, count in (("flowers", "1"), ("everything", "3")):
        for label, pod in pods[name].items():
            container = pod["spec"]["containers"][0]
            gpus = container["resources"]["limits"].get("nvidia.com/gpu")
            assert gpus == (count if label == "exec-trainer" else None)
            assert ("--gpu" in container["args"]) == (gpus is not None)
    for pod in pods["sqlite"].values():
        assert "nvidia.com/gpu" not in pod["spec"]["containers"][0]["resources"]["limits"]


def test_everything_that_is_configured_reaches_the_trainers_pod(pods):
    pod = pods["everything"]["exec-trainer"]
    spec, container = pod["spec"], pod["spec"]["containers"][0]
    assert container["image"].startswith("registry.example.com/ml/bit-gpu@sha256:")
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["resources"] == {
        "requests": {"cpu": "8", "memory": "32Gi"},
        "limits": {"cpu": "16", "memory": "64Gi", "nvidia.com/gpu": "3"},
    }
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    assert spec["nodeSelector"] == {"cloud.google.com/gke-accelerator": "nvidia-l4"}
    assert spec["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {
            "key": "spot",
            "operator": "Equal",
            "value": "true",
            "effect": "NoExecute",
            "tolerationSeconds": 60,
        },
    ]
    assert spec["activeDeadlineSeconds"] == 43_200
    assert pod["metadata"]["labels"] == {"pipeline": "everything", "team": "vision"}
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert mounts.keys() == {"/mnt/data", "/scratch", "/dev/shm", "/secrets/gcs"}
    assert mounts["/scratch"]["subPath"] == "bit"
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["shared-memory"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "8Gi"}
    env = {each["name"]: each for each in container["env"]}
    assert env["BIT_IMAGE"]["value"] == container["image"]
    assert env["TFDS_DATA_DIR"]["value"] == "/mnt/data/tfds"
    assert env["TRACKER_TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": "tracker", "key": "token"}


def test_the_password_is_a_reference_and_nowhere_else(packages, pods):
    pod = pods["everything"]["exec-pusher"]
    env = {each["name"]: each for each in pod["spec"]["containers"][0]["env"]}
    password = env["BIT_METADATA_PASSWORD"]
    assert password["valueFrom"]["secretKeyRef"] == {"name": "mlmd", "key": "pass"}
    metadata = '{"mysql": {"host": "mlmd.db.svc", "port": 3307, "database": "bit_lineage", '
    assert metadata in packages["everything"].read_text().replace("\n          ", " ")


def test_kfps_own_cache_is_off_and_retries_are_on(packages):
    spec, _ = read(packages["everything"])
    dags = [spec["root"]["dag"], *(c["dag"] for c in spec["components"].values() if "dag" in c)]
    tasks = {name: task for dag in dags for name, task in dag["tasks"].items()}
    for name, task in tasks.items():
        if "dag" in spec["components"][task["componentRef"]["name"]]:
            continue
        assert not task.get("cachingOptions", {}).get("enableCache"), name
        retry = {
            "maxRetryCount": 4,
            "backoffDuration": "30s",
            "backoffFactor": 3.0,
            "backoffMaxDuration": "90000s",
        }
        count = {"model-rejected": None}.get(name, 4)
        assert task.get("retryPolicy", {}).get("maxRetryCount") == count, name
        assert count != 4 or task["retryPolicy"] == retry
    assert spec["root"]["dag"]["tasks"]["finish"]["triggerPolicy"] == {
        "strategy": "ALL_UPSTREAM_TASKS_COMPLETED"
    }


def test_the_form_of_a_run_shows_the_configuration(packages):
    spec, _ = read(packages["flowers"])
    shown = {
        name: each["defaultValue"]
        for name, each in spec["root"]["inputDefinitions"]["parameters"].items()
    }
    assert shown == {
        "dataset": "tf_flowers",
        "version": "3.0.1",
        "handle": "https://tfhub.dev/google/bit/m-r50x1/1",
        "epochs": "null",
        "min_accuracy": "0.95",
        "max_regression": "0.01",
        "overrides": [],
        "use_cache": True,
    }


def test_what_kfp_shows_has_its_types(packages):
    spec, _ = read(packages["digits"])
    shown = {
        (component, name): artifact["artifactType"]["schemaTitle"]
        for component, each in spec["components"].items()
        for name, artifact in each.get("outputDefinitions", {}).get("artifacts", {}).items()
    }
    assert shown == {
        ("comp-evaluator", "metrics"): "system.Metrics",
        ("comp-evaluator", "confusion"): "system.ClassificationMetrics",
        ("comp-report", "page"): "system.HTML",
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "kubeflow.image must be given"),
        (
            ("--image", IMAGE, "--set", "kubeflow.output=/mnt/bit/a[1]"),
            "kubeflow.output /mnt/bit/a[1]: TFX takes [ for part of a pattern",
        ),
        (("--preset", "nothing"), "There is no preset 'nothing'"),
        (("--image", IMAGE, "--set", "kubeflow.output=s3://b/x"), "tensorflow-io"),
        (
            ("--image", IMAGE, "--set", "data.data_dir=/home/me/data"),
            "data.data_dir /home/me/data is on no volume that every step mounts",
        ),
        (
            ("--image", IMAGE, "--set", "data={folder: /home/me/birds}"),
            "data.folder /home/me/birds is on no volume that every step mounts",
        ),
        (
            ("--image", IMAGE, "--set", "data={table: /home/me/labels.csv}"),
            "data.table.path /home/me/labels.csv is on no volume that every step mounts",
        ),
        (
            (
                *("--image", IMAGE),
                *("--set", "data={tfrecords: {files: {train: /home/me/*}, class_names: [a, b]}}"),
            ),
            "data.tfrecords.files.train /home/me/* is on no volume that every step mounts",
        ),
        (
            (
                "--image",
                IMAGE,
                "--set",
                "data.curated_schema=null",
                "--set",
                "data.write_schema=/home/me/s.pbtxt",
            ),
            "data.write_schema /home/me/s.pbtxt is on no volume that every step mounts",
        ),
        (("--image", IMAGE, "--set", "kubeflow.metadata.mysql.database=metadb"), "metadb"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(tmp_path, arguments, sentence):
    output = tmp_path / "package.yaml"
    ran = compile_(output, *arguments)
    assert ran.returncode == 2
    assert sentence in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not list(tmp_path.iterdir())


def test_the_pod_that_signs_has_the_key(tmp_path):
    """The command of the error, as it is typed."""
    output = tmp_path / "package.yaml"
    refused = compile_(output, "--image", IMAGE, "--set", "push.signing_key=/home/me/signing.pem")
    assert refused.returncode == 2
    assert (
        "push.signing_key /home/me/signing.pem: the pod of Pusher has no such file"
        in refused.stderr
    )
    options = shlex.split(refused.stderr.partition("and give ")[2])
    ran = compile_(output, "--image", IMAGE, *options)
    assert ran.returncode == 0, ran.stderr
    _, platform = read(output)
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    mounted = {
        name: [each["mountPath"] for each in pod.get("secretAsVolume", [])]
        for name, pod in pods.items()
    }
    assert {name for name, paths in mounted.items() if "/signing" in paths} == {"exec-pusher"}


def test_a_tag_is_warned_of(tmp_path):
    ran = compile_(tmp_path / "package.yaml", "--image", "registry/bit:latest")
    assert ran.returncode == 0
    assert "give it by digest" in ran.stderr


def test_an_output_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    ran = compile_(tmp_path / "file" / "package.yaml", "--image", IMAGE)
    assert ran.returncode == 1
    assert "cannot be written" in ran.stderr
    assert "Traceback" not in ran.stderr
