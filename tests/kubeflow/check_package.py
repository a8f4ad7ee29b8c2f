"""Holds a package against KFP's own protos and Kubernetes' own schemas; runs in .venv-kfp.

python check_package.py PACKAGE: prints every pod as Kubernetes would get it, as JSON by executor.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from google.protobuf import json_format
from kfp import compiler, components
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2
from kubernetes.utils import parse_quantity

KUBERNETES = "1.31"


def main(path: str) -> dict[str, Any]:
    spec, platform = yaml.safe_load_all(Path(path).read_text(encoding="utf-8"))
    parsed = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
    assert parsed.schema_version == "2.1.0"
    _recompiles(path, spec, platform)
    executors = spec["deploymentSpec"]["executors"]
    configs = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert configs.keys() <= executors.keys()
    pods = {}
    for label, executor in executors.items():
        # KFP's server refuses resolvers, importers with conditions, and custom jobs.
        assert list(executor) == ["container"], label
        config = configs.get(label, {})
        message = kubernetes_executor_config_pb2.KubernetesExecutorConfig()
        json_format.ParseDict(config, message)
        pods[label] = _pod(label, executor["container"], config)
        kubernetes_validate.validate(pods[label], KUBERNETES, strict=True)
        _holds_together(pods[label])
    return pods


def _recompiles(path: str, spec: dict, platform: dict) -> None:
    """The SDK loads the package and writes the same again."""
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder, "again.yaml")
        compiler.Compiler().compile(components.load_component_from_file(path), str(again))
        assert list(yaml.safe_load_all(again.read_text(encoding="utf-8"))) == [spec, platform]


def _pod(label: str, container: dict, config: dict) -> dict[str, Any]:
    """The pod that KFP's driver makes (backend/src/v2/driver/{driver,k8s}.go)."""
    limits, requests = _resources(container.get("resources", {}))
    env = [dict(each) for each in container.get("env", [])]
    mounts, volumes = [], []
    for secret in config.get("secretAsEnv", []):
        for each in secret["keyToEnv"]:
            reference = {"name": secret["secretName"], "key": each["secretKey"]}
            env.append({"name": each["envVar"], "valueFrom": {"secretKeyRef": reference}})
    for secret in config.get("secretAsVolume", []):
        name = secret["secretName"]
        volumes.append({"name": name, "secret": {"secretName": name}})
        mounts.append({"name": name, "mountPath": secret["mountPath"]})
    for claim in config.get("pvcMount", []):
        name = claim["constant"]
        volumes.append({"name": name, "persistentVolumeClaim": {"claimName": name}})
        mount = {"name": name, "mountPath": claim["mountPath"]}
        mounts.append(mount | ({"subPath": claim["subPath"]} if claim.get("subPath") else {}))
    for empty in config.get("emptyDirMounts", []):
        size = {"medium": empty["medium"], "sizeLimit": empty["sizeLimit"]}
        volumes.append({"name": empty["volumeName"], "emptyDir": size})
        mounts.append({"name": empty["volumeName"], "mountPath": empty["mountPath"]})
    user = {
        "name": "main",
        "image": container["image"],
        "command": container["command"],
        "args": container["args"],
        "env": env,
        "resources": {"limits": limits, "requests": requests},
        "volumeMounts": mounts,
    }
    if "imagePullPolicy" in config:
        user["imagePullPolicy"] = config["imagePullPolicy"]
    pod: dict[str, Any] = {"containers": [user], "volumes": volumes, "restartPolicy": "Never"}
    pod["imagePullSecrets"] = [{"name": s["secretName"]} for s in config.get("imagePullSecret", [])]
    pod["nodeSelector"] = config.get("nodeSelector", {}).get("labels", {})
    pod["tolerations"] = [_toleration(each) for each in config.get("tolerations", [])]
    if "activeDeadlineSeconds" in config:
        pod["activeDeadlineSeconds"] = int(config["activeDeadlineSeconds"])
    metadata = {"name": label, "labels": config.get("podMetadata", {}).get("labels", {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}


def _resources(said: dict) -> tuple[dict[str, str], dict[str, str]]:
    limits = {"cpu": said.get("resourceCpuLimit"), "memory": said.get("resourceMemoryLimit")}
    requests = {"cpu": said.get("resourceCpuRequest"), "memory": said.get("resourceMemoryRequest")}
    if "accelerator" in said:
        accelerator = said["accelerator"]
        # An extended resource's request is its limit, and may be left out.
        limits[accelerator["resourceType"]] = accelerator["resourceCount"]
    return tuple({k: v for k, v in each.items() if v is not None} for each in (limits, requests))


def _toleration(said: dict) -> dict[str, Any]:
    seconds = (
        {"tolerationSeconds": int(said["tolerationSeconds"])} if "tolerationSeconds" in said else {}
    )
    return {**said, **seconds}


def _holds_together(pod: dict) -> None:
    """What a schema cannot say."""
    container = pod["spec"]["containers"][0]
    resources = container["resources"]
    for name, limit in resources["limits"].items():
        request = resources["requests"].get(name)
        assert request is None or parse_quantity(request) <= parse_quantity(limit), name
    names = [volume["name"] for volume in pod["spec"]["volumes"]]
    assert len(names) == len(set(names)), names
    assert {mount["name"] for mount in container["volumeMounts"]} == set(names)
    paths = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert len(paths) == len(set(paths)), paths
    variables = [each["name"] for each in container["env"]]
    assert len(variables) == len(set(variables)), variables


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
