"""The manifests of docs/how-to/beam-on-kubernetes.md, by the schemas of those who read them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from components.process import ROOT
from tests.engines.flink import settings

PAGE = (ROOT / "docs" / "how-to" / "beam-on-kubernetes.md").read_text(encoding="utf-8")
KFP_PYTHON = ROOT / ".venv-kfp" / "bin" / "python"
OPERATOR = "org.apache.flink:flink-kubernetes-operator-api:1.10.0"
VALIDATE = """
import json, sys, kubernetes_validate
for document in json.load(sys.stdin):
    kubernetes_validate.validate(document, "1.31", strict=True)
"""


def documents():
    """The configuration's section, and the manifests by kind."""
    yaml = YAML(typ="safe", pure=True)
    manifests, section = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    return yaml.load(section)["beam"], {each["kind"]: each for each in yaml.load_all(manifests)}


def strict(schema):
    """The schema with unknown fields refused, as the API server does under strict validation."""
    if isinstance(schema, dict):
        found = {key: strict(value) for key, value in schema.items()}
        free = "additionalProperties" in schema or "x-kubernetes-preserve-unknown-fields" in schema
        if (
            isinstance(schema.get("properties"), dict)
            and schema.get("type") == "object"
            and not free
        ):
            found["additionalProperties"] = False
        return found
    return [strict(each) for each in schema] if isinstance(schema, list) else schema


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    """Validates a FlinkDeployment by the definition in the operator's own jar."""
    if not shutil.which("mvn"):
        pytest.skip("needs Maven: apt install maven")
    folder = tmp_path_factory.mktemp("operator")
    command = ["mvn", "--batch-mode", "-q", f"-DoutputDirectory={folder}", f"-Dartifact={OPERATOR}"]
    plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
    subprocess.run([*command, "-Dmdep.useBaseVersion=true", plugin], check=True)
    (jar,) = folder.glob("*.jar")
    with zipfile.ZipFile(jar) as archive:
        text = archive.read("META-INF/fabric8/flinkdeployments.flink.apache.org-v1.yml")
    (version,) = YAML(typ="safe").load(text.decode())["spec"]["versions"]
    assert version["name"] == "v1beta1"
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return Draft7Validator(strict(spec))


def main_container(manifest):
    return manifest["spec"]["taskManager"]["podTemplate"]["spec"]["containers"][0]


@pytest.mark.slow
def test_flinks_operator_knows_every_field(operator):
    _, manifests = documents()
    deployment = manifests["FlinkDeployment"]
    assert deployment["apiVersion"] == "flink.apache.org/v1beta1"
    assert [error.message for error in operator.iter_errors(deployment["spec"])] == []
    deployment["spec"]["taskManager"]["replica"] = 2
    main_container(deployment)["volumeMount"] = []
    deployment["spec"]["flinkVersion"] = "v1_99"
    assert len(list(operator.iter_errors(deployment["spec"]))) == 3


@pytest.mark.skipif(not KFP_PYTHON.exists(), reason="needs .venv-kfp: make kubeflow")
def test_kubernetes_knows_every_field():
    def check(manifest):
        return subprocess.run(
            [KFP_PYTHON, "-c", VALIDATE],
            input=json.dumps([manifest]),
            capture_output=True,
            text=True,
            check=False,
        )

    _, manifests = documents()
    for kind in ("Deployment", "Service"):
        done = check(manifests[kind])
        assert done.returncode == 0, done.stderr
    manifests["Service"]["spec"]["port"] = 1
    assert check(manifests["Service"]).returncode


def test_flink_is_configured_as_it_was_proven():
    section, manifests = documents()
    configured = manifests["FlinkDeployment"]["spec"]["flinkConfiguration"]
    assert configured == {name: str(value) for name, value in settings.RECIPE.items()}
    assert section["options"]["environment_cache_millis"] == settings.ENVIRONMENT_CACHE_MS


def test_the_parts_hold_together():
    section, manifests = documents()
    flink, server = manifests["FlinkDeployment"], manifests["Deployment"]
    (job_server,) = server["spec"]["template"]["spec"]["containers"]
    options = dict(each.removeprefix("--").split("=") for each in job_server["args"])
    service = manifests["Service"]
    assert service["spec"]["selector"] == server["spec"]["template"]["metadata"]["labels"]
    ports = {str(each["port"]) for each in service["spec"]["ports"]}
    assert ports == {options["job-port"], options["artifact-port"]}
    name = service["metadata"]["name"]
    assert section["options"]["job_endpoint"] == f"{name}:{options['job-port']}"
    assert options["job-host"] == name
    # The operator names the service of Flink's REST so.
    rest = f"{flink['metadata']['name']}-rest:8081"
    assert rest == options["flink-master"] == section["options"]["flink_master"]
    manager = flink["spec"]["taskManager"]
    assert section["options"]["parallelism"] == manager["replicas"]
    main, workers = manager["podTemplate"]["spec"]["containers"]
    assert main["name"] == "flink-main-container"
    port = workers["command"][-1].removeprefix("--service_port=")
    assert section["options"]["environment_config"] == f"localhost:{port}"
    assert flink["spec"]["image"] == job_server["image"]
    mounts = [each["volumeMounts"] for each in (main, workers, job_server)]
    assert mounts[0] == mounts[1] == mounts[2]
    assert options["artifacts-dir"].startswith(mounts[0][0]["mountPath"] + "/")
