"""What KFP's launcher does in a task's pod: placeholders filled, outputs collected."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Task:
    """How one task ended: its state, exit codes of its attempts, and outputs."""

    state: str
    codes: list[int] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)


def executor_input_of(
    component: dict, given: dict[str, Any], folder: Path, run_id: str, name: str
) -> dict[str, Any]:
    outputs = component.get("outputDefinitions", {})
    return {
        "inputs": {"parameterValues": given},
        "outputs": {
            "parameters": {
                key: {"outputFile": str(folder / "outputs" / key)}
                for key in outputs.get("parameters", {})
            },
            "artifacts": {
                key: {
                    "artifacts": [
                        {
                            "name": f"projects/-/{key}",
                            "type": kind["artifactType"],
                            "uri": f"minio://mlpipeline/v2/artifacts/{run_id}/{name}/{key}",
                            "metadata": {},
                        }
                    ]
                }
                for key, kind in outputs.get("artifacts", {}).items()
            },
            "outputFile": str(folder / "kfp_outputs" / "output_metadata.json"),
        },
    }


def placeholders(executor_input: dict[str, Any], folder: Path) -> dict[str, str]:
    """As getPlaceholders of the launcher; a null value is an error there too."""
    found = {"{{$}}": json.dumps(executor_input)}
    for key, value in executor_input["inputs"]["parameterValues"].items():
        assert value is not None, f"unknown PipelineSpec Value type: {key} is null"
        text = value if isinstance(value, str) else json.dumps(value)
        found[_mark("inputs.parameters", key)] = text
    for key, value in executor_input["outputs"]["parameters"].items():
        found[_mark("outputs.parameters", key, ".output_file")] = value["outputFile"]
    for key, value in executor_input["outputs"]["artifacts"].items():
        uri = value["artifacts"][0]["uri"]
        found[_mark("outputs.artifacts", key, ".uri")] = uri
        local = folder / uri.replace("minio://", "minio/")
        local.parent.mkdir(parents=True, exist_ok=True)
        found[_mark("outputs.artifacts", key, ".path")] = str(local)
        value["artifacts"][0]["local"] = str(local)
    return found


def _mark(kind: str, key: str, end: str = "") -> str:
    return f"{{{{$.{kind}['{key}']{end}}}}}"


def fill(text: str, placeholders: dict[str, str]) -> str:
    for placeholder, value in placeholders.items():
        text = text.replace(placeholder, value)
    return text


def collect(task: Task, component: dict, executor_input: dict[str, Any]) -> None:
    outputs = executor_input["outputs"]
    written = Path(outputs["outputFile"])
    said = json.loads(written.read_text(encoding="utf-8")) if written.exists() else {}
    for key, value in outputs["parameters"].items():
        assert component["outputDefinitions"]["parameters"][key]["parameterType"] == "STRING"
        task.parameters[key] = Path(value["outputFile"]).read_text(encoding="utf-8")
    for key, value in outputs["artifacts"].items():
        artifact = value["artifacts"][0]
        more = said.get("artifacts", {}).get(key, {}).get("artifacts", [{}])[0]
        local = Path(artifact["local"])
        task.artifacts[key] = {
            "type": artifact["type"]["schemaTitle"],
            "metadata": more.get("metadata", {}),
            "content": local.read_text(encoding="utf-8") if local.is_file() else None,
        }
