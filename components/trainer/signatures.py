"""The served model: the transform graph, the classifier and the class names in one SavedModel.

`export` writes it; clients call it through its signatures:

    >>> SERVING_DEFAULT, PREDICT_IMAGE  # Serialized tf.Examples, and encoded images.
    ('serving_default', 'predict_image')
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_transform as tft

from components.trainer.model import BiTClassifier
from components.transform.features import IMAGE

SERVING_DEFAULT = "serving_default"
PREDICT_IMAGE = "predict_image"
PROBABILITIES = "probabilities"


class ServedClassifier(tf.Module):
    """Encoded images to class probabilities, by the transform graph that training used."""

    def __init__(
        self, model: BiTClassifier, graph: tft.TFTransformOutput, class_names: Sequence[str]
    ):
        super().__init__(name="bit_classifier")
        self.model_variables = list(model.all_variables)
        self._model = model
        # The method, not the layer: for a layer Keras would save its own functions, in six seconds.
        # The graph has no variables or tables; saving would fail if it had.
        self._transform = graph.transform_features_layer().__call__
        self._image_spec = graph.raw_feature_spec()[IMAGE]
        self._class_names = tf.constant(list(class_names))

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False
    )
    def predict_image(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encoded images, string [N], to probabilities float32 [N, C], class index and name."""
        encoded = tf.reshape(image_bytes, [-1, *self._image_spec.shape])
        probabilities = tf.nn.softmax(self._model(self._transform({IMAGE: encoded})[IMAGE]))
        index = tf.argmax(probabilities, axis=1)
        return {
            PROBABILITIES: probabilities,
            "class_index": index,
            "class_name": tf.gather(self._class_names, index),
        }

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False
    )
    def serving_default(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialized tf.Examples with `image`, string [N], to the outputs of `predict_image`."""
        encoded = tf.io.parse_example(examples, {IMAGE: self._image_spec})[IMAGE]
        return self.predict_image(tf.reshape(encoded, [-1]))


def export(
    model: BiTClassifier, graph: tft.TFTransformOutput, class_names: Sequence[str], directory: str
) -> None:
    """Saves the classifier with its two signatures.

    Not `model.save`: that traces the whole network again for Keras, which nothing here loads with,
    and takes longer than training a small network.

    Args:
      model: from images to logits.
      graph: the Transform step's output.
      class_names: names by class index.
      directory: for the SavedModel.
    """
    served = ServedClassifier(model, graph, class_names)
    signatures = {
        SERVING_DEFAULT: served.serving_default.get_concrete_function(),
        PREDICT_IMAGE: served.predict_image.get_concrete_function(),
    }
    tf.saved_model.save(served, directory, signatures=signatures)
