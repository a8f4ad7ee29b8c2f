"""The warm-up requests of a version, in TensorFlow Serving's format, without TensorFlow Serving.

    import tensorflow as tf
    from serving.warm_up import warm_up_requests

    version = Path("runs/digits/serving/1796063183")
    for signature, inputs in warm_up_requests(version):
        tf.saved_model.load(str(version)).signatures[signature](**inputs)

The package tensorflow-serving-api would bring a second TensorFlow; of its messages we read four
fields. Source: tensorflow_serving/apis/{prediction_log,predict,model}.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from components.pusher.versions import WARM_UP
from components.storage import AnyPath

MAX_REQUESTS = 1_000
"""TensorFlow Serving's own bound."""

_PACKAGE = "bit_tfx.serving"


def warm_up_requests(version: AnyPath) -> Iterator[tuple[str, dict[str, Any]]]:
    """Signature names and inputs (tensors by name) of a version's warm-up file; none without one.

    Raises:
      tf.errors.DataLossError, google.protobuf.message.DecodeError: the file is damaged.
    """
    import tensorflow as tf

    file = version / WARM_UP
    if not file.exists():
        return
    log_type = _prediction_log()
    records = tf.data.TFRecordDataset(str(file)).take(MAX_REQUESTS)
    for record in records.as_numpy_iterator():
        request = log_type.FromString(record).predict_log.request
        inputs = {name: tf.make_ndarray(each) for name, each in request.inputs.items()}
        yield (
            request.model_spec.signature_name,
            {name: tf.constant(values) for name, values in inputs.items()},
        )


def _prediction_log() -> Any:
    """A message with the field numbers of tensorflow.serving.PredictionLog, and no more of them."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from tensorflow.core.framework import tensor_pb2

    pool = descriptor_pool.Default()
    try:
        found = pool.FindMessageTypeByName(f"{_PACKAGE}.PredictionLog")
    except KeyError:
        file = descriptor_pb2.FileDescriptorProto(
            name="bit_tfx/serving/prediction_log.proto",
            package=_PACKAGE,
            syntax="proto3",
            dependency=[tensor_pb2.DESCRIPTOR.name],
        )
        tensor = tensor_pb2.TensorProto.DESCRIPTOR.full_name
        _add(file.message_type.add(name="ModelSpec"), ("signature_name", 3, ""))
        request = file.message_type.add(name="PredictRequest")
        entry = request.nested_type.add(name="InputsEntry")
        entry.options.map_entry = True
        _add(entry, ("key", 1, ""), ("value", 2, tensor))
        _add(request, ("model_spec", 1, f"{_PACKAGE}.ModelSpec"))
        _add(request, ("inputs", 2, f"{_PACKAGE}.PredictRequest.InputsEntry"))
        request.field[-1].label = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
        log = file.message_type.add(name="PredictLog")
        _add(log, ("request", 1, f"{_PACKAGE}.PredictRequest"))
        _add(
            file.message_type.add(name="PredictionLog"),
            ("predict_log", 6, f"{_PACKAGE}.PredictLog"),
        )
        pool.AddSerializedFile(file.SerializeToString())
        found = pool.FindMessageTypeByName(f"{_PACKAGE}.PredictionLog")
    # protobuf 3.20, which the tests have beside TFX 1.16, has another function.
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(found)
    return message_factory.MessageFactory(pool).GetPrototype(found)


def _add(message: Any, *fields: tuple[str, int, str]) -> None:
    """Adds fields (name, number, type of message or "" for a string)."""
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto

    for name, number, kind in fields:
        message.field.add(
            name=name,
            number=number,
            label=FieldDescriptorProto.LABEL_OPTIONAL,
            type=FieldDescriptorProto.TYPE_MESSAGE if kind else FieldDescriptorProto.TYPE_STRING,
            type_name=f".{kind}" if kind else None,
        )
