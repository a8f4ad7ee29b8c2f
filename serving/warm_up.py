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
    from tensorflow.core.framework.tensor_pb2 import TensorProto

    file = version / WARM_UP
    if not file.exists():
        return
    log_type = _prediction_log()
    records = tf.data.TFRecordDataset(str(file)).take(MAX_REQUESTS)
    for record in records.as_numpy_iterator():
        request = log_type.FromString(record).predict_log.request
        tensors = {name: TensorProto.FromString(each) for name, each in request.inputs.items()}
        inputs = {name: tf.constant(tf.make_ndarray(each)) for name, each in tensors.items()}
        yield request.model_spec.signature_name, inputs


def _prediction_log() -> Any:
    """A message with the field numbers of tensorflow.serving.PredictionLog, and no more of them.

    Its tensors are bytes, which look the same on the wire: a second class of TensorProto would take
    the place of TensorFlow's own.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(
        name="prediction_log.proto", package=_PACKAGE, syntax="proto3"
    )
    spec = file.message_type.add(name="ModelSpec")
    spec.field.add(name="signature_name", number=3, **_STRING)
    request = file.message_type.add(name="PredictRequest")
    request.field.add(name="model_spec", number=1, **_message("ModelSpec"))
    entry = request.nested_type.add(name="InputsEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, **_STRING)
    entry.field.add(name="value", number=2, **_BYTES)
    request.field.add(
        name="inputs", number=2, **{**_message("PredictRequest.InputsEntry"), "label": _REPEATED}
    )
    log = file.message_type.add(name="PredictLog")
    log.field.add(name="request", number=1, **_message("PredictRequest"))
    logs = file.message_type.add(name="PredictionLog")
    logs.field.add(name="predict_log", number=6, **_message("PredictLog"))
    pool.AddSerializedFile(file.SerializeToString())
    found = pool.FindMessageTypeByName(f"{_PACKAGE}.PredictionLog")
    # protobuf 3.20, which the tests have beside TFX 1.16, has another function.
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(found)
    return message_factory.MessageFactory(pool).GetPrototype(found)


# Numbers of google.protobuf.FieldDescriptorProto: Label and Type.
_OPTIONAL, _REPEATED = 1, 3
_STRING = {"label": _OPTIONAL, "type": 9}
_BYTES = {"label": _OPTIONAL, "type": 12}


def _message(name: str) -> dict[str, Any]:
    return {"label": _OPTIONAL, "type": 11, "type_name": f".{_PACKAGE}.{name}"}
