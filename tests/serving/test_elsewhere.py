"""The image and the manifests of the documents, as far as they can be held to something here."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format
from ruamel.yaml import YAML

from components.process import ROOT
from serving.environment import PYTHON as SERVE_PYTHON
from serving.environment import is_set_up
from tests.kubeflow.image_file import Ignore

PAGE = (ROOT / "docs" / "how-to" / "serving-elsewhere.md").read_text(encoding="utf-8")
DOCKERFILE = ROOT / "serving" / "Dockerfile"
KFP_PYTHON = ROOT / ".venv-kfp" / "bin" / "python"
VALIDATE = """
import json, sys, kubernetes_validate
for document in json.load(sys.stdin):
    kubernetes_validate.validate(document, "1.31", strict=True)
"""


def manifests():
    found = {}
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        for document in YAML(typ="safe", pure=True).load_all(block):
            found[document["kind"]] = document
    return found


def validate(documents):
    if subprocess.run([KFP_PYTHON, "-c", "import kubernetes_validate"], check=False).returncode:
        pytest.skip("needs kubernetes-validate: make kubeflow KFP_GROUPS=kubeflow-test")
    return subprocess.run(
        [KFP_PYTHON, "-c", VALIDATE],
        input=json.dumps(documents),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(not KFP_PYTHON.exists(), reason="needs .venv-kfp: make kubeflow")
def test_kubernetes_knows_every_field():
    found = manifests()
    ended = validate([found["Deployment"], found["Service"]])
    assert ended.returncode == 0, ended.stderr
    found["Deployment"]["spec"]["template"]["spec"]["containers"][0]["startupProbes"] = {}
    assert validate([found["Deployment"]]).returncode


def test_the_deployment_holds_together():
    found = manifests()
    pod = found["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
    assert found["Service"]["spec"]["selector"] == pod["metadata"]["labels"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert ports == {"http": 8080, "grpc": 8081}
    assert {each["targetPort"] for each in found["Service"]["spec"]["ports"]} == set(ports)
    assert {each["name"] for each in container["volumeMounts"]} == {
        each["name"] for each in pod["spec"]["volumes"]
    }
    assert container["args"] == [container["volumeMounts"][0]["mountPath"]]
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert container["startupProbe"]["httpGet"] == container["readinessProbe"]["httpGet"]


@pytest.mark.slow
@pytest.mark.skipif(not is_set_up(), reason="needs .venv-serve: make serve-setup")
def test_kserve_knows_every_field():
    script = Path(__file__).with_name("check_service.py")
    service = manifests()["InferenceService"]

    def unknown():
        ended = subprocess.run(
            [SERVE_PYTHON, script],
            input=json.dumps(service),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    assert unknown() == []
    service["spec"]["predictor"] |= {"canaryTrafficPercent": "10", "minReplica": 1}
    assert len(unknown()) == 2


def test_tensorflow_serving_reads_its_configuration():
    from tensorflow_serving.config import model_server_config_pb2

    (block,) = re.findall(r"```text\n(model_config_list.*?)```", PAGE, re.DOTALL)
    read = text_format.Parse(block, model_server_config_pb2.ModelServerConfig())
    (model,) = read.model_config_list.config
    assert set(model.version_labels) == {"stable", "canary"}
    assert set(model.version_labels.values()) == set(model.model_version_policy.specific.versions)


def test_the_image_has_what_the_server_imports():
    text = DOCKERFILE.read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (\w+) \1$", text, re.MULTILINE)
    assert copied == ["components", "pipeline", "serving"]
    ignore = Ignore((ROOT / ".dockerignore").read_text(encoding="utf-8"))
    assert all(ignore.keeps(each) for each in copied)
    version = re.search(r"^UV_VERSION := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    assert f"ARG UV_VERSION={version}\n" in text


def test_hadolint_finds_nothing():
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    hadolint = shutil.which("hadolint", path=path)
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
