"""The formats that a served model is converted to, and what a conversion may change.

>>> [format.name for format in FORMATS.values()]
['tflite', 'tflite-float16', 'tflite-int8', 'onnx']
>>> FORMATS["tflite-int8"].needs_calibration, FORMATS["onnx"].file
(True, 'model.onnx')
"""

from __future__ import annotations

from dataclasses import dataclass

ONNX = "onnx"
OPSET = 15
"""Of ONNX's operators: what tf2onnx prefers. ONNX Runtime knows it since 1.10, of 2021."""

CALIBRATION_IMAGES = 200
"""Training images from which the ranges of the 8-bit numbers are taken, at most."""

INPUT, OUTPUT = "pixels", "probabilities"
"""Names of the converted model's only input and output, those of the signature `predict_pixels`."""


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
      name: as it is typed.
      file: the model's name in the folder.
      holds: what its numbers are.
      max_difference: by which a probability may differ from the served model's; None for 8-bit
        numbers, whose probabilities are coarse: the gates and `min_agreement` bound what they lose.
      min_agreement: share of the images for which it must name the served model's class.
    """

    name: str
    file: str
    holds: str
    max_difference: float | None
    min_agreement: float = 0.9

    @property
    def needs_calibration(self) -> bool:
        """Whether training images decide how it is made."""
        return self.max_difference is None

    @property
    def batch(self) -> int | None:
        """Images that it takes at once; None for any number.

        TFLite has no operation for the branch that serves an empty request, which a fixed number
        removes; with any number the converter asks for TensorFlow's own operations (Flex).
        """
        return None if self.name == ONNX else 1


FORMATS = {
    each.name: each
    for each in (
        Format("tflite", "model.tflite", "float32 throughout", 1e-3),
        Format("tflite-float16", "model.tflite", "float16 weights, computed in float32", 2e-2),
        Format("tflite-int8", "model.tflite", "8-bit integers; float32 input and output", None),
        Format(ONNX, "model.onnx", f"float32 throughout; opset {OPSET}", 1e-3),
    )
}
"""By name, in the order of `--help`."""
