"""The image and the manifests of the documents, as far as they can be held to something here."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from ruamel.yaml import YAML

from components.process import ROOT
from serving.environment import PYTHON as SERVE_PYTHON
from serving.environment import is_set_up
from tests.kubeflow.image_file import Ignore
from tests.serving.compose import FILE as COMPOSE
from tests.serving.compose import compose

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


def read_models(text):
    from tensorflow_serving.config import model_server_config_pb2

    read = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (model,) = read.model_config_list.config
    return model


def test_tensorflow_serving_reads_its_configuration():
    (block,) = re.findall(r"```text\n(model_config_list.*?)```", PAGE, re.DOTALL)
    labelled = read_models(block)
    assert set(labelled.version_labels) == {"stable", "canary"}
    versions = set(labelled.model_version_policy.specific.versions)
    assert set(labelled.version_labels.values()) == versions
    composed = compose(SERVING="/serving", MODEL="flowers")
    model = read_models(composed["configs"]["models"]["content"])
    for each in (labelled, model):
        assert (each.name, each.model_platform) == ("flowers", "tensorflow")
        assert each.base_path == composed["services"]["tensorflow-serving"]["volumes"][0]["target"]
    assert not model.HasField("model_version_policy")

    monitoring = text_format.Parse(
        composed["configs"]["monitoring"]["content"], monitoring_config()
    )
    assert monitoring.prometheus_config.enable
    assert f"`{monitoring.prometheus_config.path}`" in PAGE


def monitoring_config():
    """An empty tensorflow.serving.MonitoringConfig, which tensorflow-serving-api leaves out.

    Source: tensorflow_serving/config/monitoring_config.proto.
    """
    file = descriptor_pb2.FileDescriptorProto(name="monitoring.proto", package="a", syntax="proto3")
    prometheus = file.message_type.add(name="PrometheusConfig")
    prometheus.field.add(name="enable", number=1, label=1, type=8)
    prometheus.field.add(name="path", number=2, label=1, type=9)
    config = file.message_type.add(name="MonitoringConfig")
    config.field.add(
        name="prometheus_config", number=1, label=1, type=11, type_name=".a.PrometheusConfig"
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    found = pool.FindMessageTypeByName("a.MonitoringConfig")
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(found)()
    return message_factory.MessageFactory(pool).GetPrototype(found)()


@pytest.mark.skipif(not KFP_PYTHON.exists(), reason="needs .venv-kfp: make kubeflow")
def test_compose_knows_every_field(tmp_path):
    def check(text):
        file = tmp_path / "compose.yaml"
        file.write_text(text, encoding="utf-8")
        schema = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
        return subprocess.run(
            [KFP_PYTHON, *schema, file], capture_output=True, text=True, check=False
        )

    if subprocess.run([KFP_PYTHON, "-c", "import check_jsonschema"], check=False).returncode:
        pytest.skip("needs check-jsonschema: make kubeflow KFP_GROUPS=kubeflow-test")
    text = COMPOSE.read_text(encoding="utf-8")
    good = check(text)
    assert good.returncode == 0, good.stdout
    assert "healthchecks" in check(text.replace("healthcheck:", "healthchecks:")).stdout


def test_the_services_hold_together():
    with pytest.raises(AssertionError, match="the folder of versions"):
        compose()
    composed = compose(SERVING="/serving", MODEL="flowers")
    ours, theirs = (composed["services"][name] for name in ("bit-serve", "tensorflow-serving"))
    for service in (ours, theirs):
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        (mount,) = service["volumes"]
        assert (mount["source"], mount["read_only"]) == ("/serving", True)
    assert ours["command"] == [ours["volumes"][0]["target"], "--name", "flowers"]
    dockerfile = COMPOSE.parent / ours["build"]["context"] / ours["build"]["dockerfile"]
    assert dockerfile.samefile(DOCKERFILE)
    files = {each["source"]: each["target"] for each in theirs["configs"]}
    assert files.keys() == composed["configs"].keys()
    assert {word.partition("=")[2] for word in theirs["command"]} - {""} == set(files.values())


class Health(BaseHTTPRequestHandler):
    """Answers as a server whose state is `state`."""

    state = None

    def do_GET(self):
        known = self.path in ("/v1/models/flowers", "/v2/health/ready")
        self.send_response(200 if known and self.state == "AVAILABLE" else 503)
        self.end_headers()
        self.wfile.write(json.dumps({"model_version_status": [{"state": self.state}]}).encode())

    def log_message(self, *_):
        """Says nothing."""


@pytest.mark.parametrize("name", ["bit-serve", "tensorflow-serving"])
def test_a_health_check_tells_ready_from_not_ready_and_gone(name):
    service = compose(SERVING="/serving", MODEL="flowers")["services"][name]
    word, program, option, script = service["healthcheck"]["test"]
    assert (word, option) == ("CMD", "-c")
    port = re.search(r"127\.0\.0\.1[:/](\d+)", script)[1]
    assert any(each.endswith(f":{port}") for each in service["ports"])
    server = HTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    text = script.replace(port, str(server.server_port))

    def healthy():
        command = [sys.executable if program == "python" else program, option, text]
        return not subprocess.run(command, capture_output=True, timeout=20, check=False).returncode

    for state, expected in (("AVAILABLE", True), ("LOADING", False)):
        Health.state = state
        assert healthy() is expected
    server.shutdown()
    server.server_close()
    assert not healthy()


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
