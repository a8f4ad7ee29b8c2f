"""The served model: the transform graph, the classifier and the class names in one SavedModel.

`export` writes it; clients call it through its signatures (`components.signatures`):

    from components.trainer.served_model import export

    export(model, graph, Answers(("daisy", "rose")), "/out/serving/1764497700", Bounds())
    loaded = tf.saved_model.load("/out/serving/1764497700")
    answers = loaded.signatures["predict_image"](image_bytes=tf.constant([encoded]))
    answers["class_name"], answers["valid"], answers["error"]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.signatures import (
    CLASS_INDEX,
    CLASS_NAME,
    ERROR,
    LABELS,
    LABELS_FILE,
    PREDICT_IMAGE,
    PREDICT_PIXELS,
    PROBABILITIES,
    SERVING_DEFAULT,
    VALID,
)
from components.storage import as_path
from components.trainer.model import BiTClassifier
from components.trainer.rows import each_alone
from components.transform.bounds import Bounds, refusals
from components.transform.features import IMAGE, NO_CLASS

_DAMAGED = "it cannot be decoded: damaged, or of a kind that TensorFlow decodes wrongly"
_NOT_FINITE = "the network gives NaN or infinity for it"

Outputs = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Answers:
    """How logits become an answer.

    Attributes:
      class_names: names by class index.
      temperature: divides the logits (`components.trainer.calibration`).
      min_confidence: the least probability with which a class is named; None names always.
    """

    class_names: Sequence[str]
    temperature: float = 1.0
    min_confidence: float | None = None


class ServedClassifier(tf.Module):
    """Encoded images to class probabilities, by the transform graph that training used."""

    def __init__(
        self,
        model: BiTClassifier,
        graph: tft.TFTransformOutput,
        answers: Answers,
        bounds: Bounds,
    ):
        super().__init__(name="bit_classifier")
        self.model_variables = list(model.all_variables)
        self._model = model
        # The method, not the layer: for a layer Keras would save its own functions, in six seconds.
        # The graph has no variables or tables; saving would fail if it had.
        self._transform = graph.transform_features_layer().__call__
        self._image_spec = graph.raw_feature_spec()[IMAGE]
        self._class_names = tf.constant(list(answers.class_names))
        self._temperature, self._min_confidence = answers.temperature, answers.min_confidence
        self._bounds = bounds
        side = graph.transformed_feature_spec()[IMAGE].shape
        self._row_specs = (tf.TensorSpec(side, tf.float32), tf.TensorSpec((), tf.string))
        # Decoded in place of what is refused, so that the other rows are decoded all at once.
        self._placeholder = tf.io.encode_png(tf.zeros((1, 1, 3), tf.uint8))
        self.predict_pixels = tf.function(
            self._predict_pixels,
            input_signature=[tf.TensorSpec([None, *side], tf.float32, name="pixels")],
            autograph=False,
        )

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False
    )
    def predict_image(self, image_bytes: tf.Tensor) -> Outputs:
        """Encoded images, string [N], to probabilities float32 [N, C], class index and name.

        An image without an answer costs its own row: `valid` bool [N] is False, `error` string [N]
        says why, its probabilities are NaN, its index is -1 and its name is empty.
        """
        return self._answers(image_bytes, self._pixels)

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False
    )
    def serving_default(self, examples: tf.Tensor) -> Outputs:
        """Serialized tf.Examples with `image`, string [N], to the outputs of `predict_image`."""

        def pixels(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            encoded = tf.io.parse_example(rows, {IMAGE: self._image_spec})[IMAGE]
            return self._pixels(tf.reshape(encoded, [-1]))

        return self._answers(examples, pixels)

    def _predict_pixels(self, pixels: tf.Tensor) -> Outputs:
        """Decoded images, float32 [N, S, S, 3] in [0, 1], to what `predict_image` gives but errors.

        It decodes and resizes nothing: for converters, and for clients that do it themselves.
        """
        return self._named(self._probabilities(pixels))

    @tf.function(input_signature=[], autograph=False)
    def labels(self) -> Outputs:
        """The class names, string [C], in the order of the columns of `probabilities`."""
        return {LABELS: tf.identity(self._class_names)}

    def _answers(
        self, rows: tf.Tensor, pixels: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
    ) -> Outputs:
        (images, error), decoded = each_alone(pixels, rows, self._row_specs)
        error = tf.where(decoded, error, _DAMAGED)
        answers = self._named(self._probabilities(images))
        finite = tf.reduce_all(tf.math.is_finite(answers[PROBABILITIES]), axis=1)
        error = tf.where(tf.equal(error, "") & ~finite, _NOT_FINITE, error)
        valid = tf.equal(error, "")
        return {
            PROBABILITIES: tf.where(valid[:, tf.newaxis], answers[PROBABILITIES], float("nan")),
            CLASS_INDEX: tf.where(valid, answers[CLASS_INDEX], NO_CLASS),
            CLASS_NAME: tf.where(valid, answers[CLASS_NAME], ""),
            VALID: valid,
            ERROR: error,
        }

    def _pixels(self, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Images [N, S, S, 3] and why each is refused, empty where it is not; fails if damaged."""
        refused = refusals(encoded, self._bounds)
        encoded = tf.where(tf.equal(refused, ""), encoded, self._placeholder)
        shaped = tf.reshape(encoded, [-1, *self._image_spec.shape])
        return self._transform({IMAGE: shaped})[IMAGE], refused

    def _probabilities(self, images: tf.Tensor) -> tf.Tensor:
        logits = self._model(images)
        return tf.nn.softmax(logits if self._temperature == 1.0 else logits / self._temperature)

    def _named(self, probabilities: tf.Tensor) -> Outputs:
        index = tf.argmax(probabilities, axis=1)
        name = tf.gather(self._class_names, index)
        if self._min_confidence is not None:
            sure = tf.reduce_max(probabilities, axis=1) >= self._min_confidence
            index, name = tf.where(sure, index, NO_CLASS), tf.where(sure, name, "")
        return {PROBABILITIES: probabilities, CLASS_INDEX: index, CLASS_NAME: name}


def export(
    model: BiTClassifier,
    graph: tft.TFTransformOutput,
    answers: Answers,
    directory: str,
    bounds: Bounds,
) -> None:
    """Saves the classifier with its signatures, and the class names as text.

    Not `model.save`: that traces the whole network again for Keras, which nothing here loads with,
    and takes longer than training a small network.

    Args:
      model: from images to logits.
      graph: the Transform step's output.
      answers: names of the classes, and how sure the model must be of one.
      directory: for the SavedModel.
      bounds: of the images that it decodes.
    """
    served = ServedClassifier(model, graph, answers, bounds)
    functions: dict[str, Any] = {
        SERVING_DEFAULT: served.serving_default,
        PREDICT_IMAGE: served.predict_image,
        PREDICT_PIXELS: served.predict_pixels,
        LABELS: served.labels,
    }
    signatures = {name: each.get_concrete_function() for name, each in functions.items()}
    tf.saved_model.save(served, directory, signatures=signatures)
    labels = as_path(directory) / LABELS_FILE
    labels.parent.mkdir(parents=True, exist_ok=True)
    labels.write_text("".join(f"{name}\n" for name in answers.class_names), encoding="utf-8")
