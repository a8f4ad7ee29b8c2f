"""Warm-up requests of TensorFlow Serving, which it replays before a version takes requests.

Source: TensorFlow Serving, docs/saved_model_warmup.md: `assets.extra/tf_serving_warmup_requests`,
TFRecords of PredictionLog, 1,000 at most.

>>> logs = list(warm_up_requests("flowers", side=64))
>>> len(logs), logs[0].predict_log.request.model_spec.signature_name
(12, 'predict_image')
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from components.model_check.queries import BATCHES, synthetic_images
from components.signatures import PREDICT_IMAGE, SERVING_DEFAULT

_PER_BATCH = 2
"""The second request of a kind is the first that is fast."""


def warm_up_requests(name: str, side: int) -> Iterator[Any]:
    """PredictionLogs of both signatures that take encoded images, small batches first.

    Args:
      name: of the model.
      side: of the images, in pixels; they show nothing.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    for size in BATCHES:
        images = synthetic_images(size, side)
        examples = [_example(image) for image in images]
        for signature, argument, rows in (
            (PREDICT_IMAGE, "image_bytes", images),
            (SERVING_DEFAULT, "examples", examples),
        ):
            for _ in range(_PER_BATCH):
                log = prediction_log_pb2.PredictionLog()
                request = log.predict_log.request
                request.model_spec.name = name
                request.model_spec.signature_name = signature
                request.inputs[argument].CopyFrom(tf.make_tensor_proto(rows, tf.string))
                yield log


def _example(image: bytes) -> bytes:
    import tensorflow as tf

    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
    features = tf.train.Features(feature={"image": feature})
    return bytes(tf.train.Example(features=features).SerializeToString())
