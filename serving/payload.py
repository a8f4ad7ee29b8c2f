"""What requests hold: images, in TensorFlow Serving's JSON (V1) and in the Open Inference Protocol.

>>> picture = base64.b64encode(b"GIF89a").decode()
>>> images_of_v1({"instances": [{"b64": picture}, {"image_bytes": {"b64": picture}}]}, 10)
[b'GIF89a', b'GIF89a']
>>> images_of_v1({"instances": [{"b64": "no base64"}]}, 10)
Traceback (most recent call last):
...
serving.payload.BadRequestError: instances[0]: "b64" is not base64: ...
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from components.signatures import PREDICT_IMAGE

IMAGE_BYTES = "image_bytes"
"""The one input of the signature `predict_image`."""

_SHAPE = '{"instances": [{"b64": "..."}, ...]}'
_SHOWN = 40
"""Characters of what the caller sent that a message repeats."""


class BadRequestError(ValueError):
    """The caller's mistake, in a sentence."""


def json_of(body: bytes) -> Any:
    """The JSON of a body whose header calls it something else, as curl's default does.

    Raises:
      BadRequestError: it is no JSON.
    """
    try:
        return json.loads(body)
    # RecursionError: thousands of brackets.
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"the body is no JSON ({error}); send {_SHAPE}") from None


def images_of_v1(body: object, max_instances: int) -> list[bytes]:
    """The encoded images of a V1 request.

    Args:
      body: its JSON.
      max_instances: how many it may hold.

    Raises:
      BadRequestError: it is not of that shape, holds no image, or too many.
    """
    if not isinstance(body, dict):
        raise BadRequestError(f"the body must be an object: {_SHAPE}")
    if "inputs" in body:
        raise BadRequestError(f'"inputs", a request by columns, is not taken: send {_SHAPE}')
    if "instances" not in body:
        raise BadRequestError(f'"instances" is missing; send {_SHAPE}')
    if unknown := body.keys() - {"instances", "signature_name"}:
        raise BadRequestError(f"unknown key {_shown(min(unknown))}; send {_SHAPE}")
    if (name := body.get("signature_name", PREDICT_IMAGE)) != PREDICT_IMAGE:
        raise BadRequestError(f"signature_name {_shown(name)}: only {PREDICT_IMAGE} is served")
    if not isinstance(body["instances"], list):
        raise BadRequestError(f'"instances" must be a list: {_SHAPE}')
    _check_count(len(body["instances"]), max_instances, '"instances"')
    return [_image(each, f"instances[{row}]") for row, each in enumerate(body["instances"])]


def _image(instance: object, where: str) -> bytes:
    if isinstance(instance, dict) and instance.keys() == {IMAGE_BYTES}:
        instance = instance[IMAGE_BYTES]
    if not isinstance(instance, dict) or instance.keys() != {"b64"}:
        keys = f"the keys {_shown(sorted(instance))}" if isinstance(instance, dict) else "no object"
        raise BadRequestError(f'{where} has {keys}; an instance is {{"b64": "..."}}')
    if not isinstance(instance["b64"], str):
        raise BadRequestError(f'{where}: "b64" must be a string')
    return _decoded(instance["b64"], f'{where}: "b64"')


def _decoded(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequestError(f"{what} is not base64: {error}") from None


def _check_count(count: int, most: int, what: str) -> None:
    if not count:
        raise BadRequestError(f"{what} is empty")
    if count > most:
        raise BadRequestError(f"{what} has {count} images; at most {most} fit in a request")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def images_of_v2(inputs: Sequence[Any], max_instances: int, *, grpc: bool) -> list[bytes]:
    """The encoded images of a V2 request.

    JSON holds them as base64. gRPC has bytes: the image itself, or its base64, and no image of
    the accepted formats could be taken for base64.

    Args:
      inputs: tensors, as KServe's `InferRequest` has them.
      max_instances: how many they may hold.
      grpc: whether the request came by gRPC.

    Raises:
      BadRequestError: it is not one tensor of images, holds none, or too many.
    """
    shape = f'one tensor "{IMAGE_BYTES}" of BYTES with the shape [N]'
    names = [tensor.name for tensor in inputs]
    if names != [IMAGE_BYTES]:
        raise BadRequestError(f"inputs {_shown(names)}: send {shape}")
    (tensor,) = inputs
    if tensor.datatype != "BYTES":
        raise BadRequestError(f"datatype {_shown(tensor.datatype)}: send {shape}")
    values = _flat(tensor, grpc)
    _check_count(len(values), max_instances, f"the tensor {IMAGE_BYTES}")
    if list(tensor.shape) not in ([len(values)], [len(values), 1]):
        given = _shown(list(tensor.shape))
        raise BadRequestError(f"shape {given} with {len(values)} images: send {shape}")
    return [_bytes(value, grpc, f"{IMAGE_BYTES} data[{row}]") for row, value in enumerate(values)]


def _flat(tensor: Any, grpc: bool) -> list[Any]:
    """Elements of [N] or [N, 1]."""
    values = list(tensor.data or ())
    if grpc and not values:
        try:
            values = tensor.as_numpy().ravel().tolist()
        # The lengths in `raw_input_contents` are the caller's.
        except Exception as error:
            raise BadRequestError(f"raw_input_contents cannot be read: {error}") from None
    return [value[0] if isinstance(value, list) and len(value) == 1 else value for value in values]


def _bytes(value: object, grpc: bool, what: str) -> bytes:
    if grpc and isinstance(value, bytes):
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return value
    if not isinstance(value, str):
        raise BadRequestError(f"{what} must be a string of base64")
    return _decoded(value, what)
