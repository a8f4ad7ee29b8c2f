"""Holds an InferenceService against the types of KServe's and Kubernetes' own clients.

Runs in .venv-serve: python check_service.py < MANIFEST.json. Prints what no type knows, as JSON.
"""

import json
import re
import sys

import kserve
import kubernetes.client.models as core

PLAIN = {"str": str, "int": int, "bool": bool, "float": float}


def wrong(value, kind, where):
    """Every place of `value` that is not of the type `kind`."""
    if found := re.fullmatch(r"list\[(.+)\]", kind):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [e for n, each in enumerate(value) for e in wrong(each, found[1], f"{where}[{n}]")]
    if found := re.fullmatch(r"dict\((.+), (.+)\)", kind):
        return [e for key, each in value.items() for e in wrong(each, found[2], f"{where}.{key}")]
    if kind in PLAIN:
        return [] if isinstance(value, PLAIN[kind]) else [f"{where} is no {kind}"]
    if kind in ("object", "ResourceQuantity", "IntOrString"):
        return []
    model = getattr(kserve, kind, None) or getattr(core, kind)
    names = {json_name: name for name, json_name in model.attribute_map.items()}
    errors = [f"{where}.{key} is unknown" for key in value.keys() - names.keys()]
    for key in value.keys() & names.keys():
        errors += wrong(value[key], model.openapi_types[names[key]], f"{where}.{key}")
    return errors


if __name__ == "__main__":
    print(json.dumps(wrong(json.load(sys.stdin), "V1beta1InferenceService", "")))
