"""Whether a tfds data set's `image` and `label` are what their stored bytes are taken for.

Images are read as they are stored. Of some features a reader of tfds's own makes other values of
these bytes; such a data set is refused before anything is read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from components.errors import UserError
from components.transform.features import IMAGE, LABEL

_COLOURS = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}
_CURE = "Write the data set with 8-bit images (dtype uint8), or give the images as data.folder."


def class_names(features: Any, full_name: str) -> tuple[str, ...]:
    """The label's names in the order of their numbers.

    Args:
      features: of a builder's info.
      full_name: of the data set, as an error names it.

    Raises:
      UserError: there is no `image` or `label` that an image classifier can be trained on.
    """
    import tensorflow_datasets as tfds

    is_dict = isinstance(features, tfds.features.FeaturesDict)
    kinds = {name: _kind(feature) for name, feature in features.items()} if is_dict else {}
    for key, kind in ((IMAGE, tfds.features.Image), (LABEL, tfds.features.ClassLabel)):
        # A connector of another class may decode the stored bytes in its own way.
        if key not in kinds or type(features[key]) is not kind:
            has = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
            raise UserError(
                f"data.name {full_name}: an image classification data set has a feature {key!r} of "
                f"type {kind.__name__}; this one has {has or _kind(features)}."
            )
    wrong = _wrong_image(features[IMAGE])
    if wrong:
        raise UserError(f"data.name {full_name}: its feature 'image' is {wrong} {_CURE}")
    label = features[LABEL]
    if not label.num_classes:
        raise UserError(
            f"data.name {full_name}: its feature 'label' says neither names nor number of its "
            "classes. Write the data set with ClassLabel(names=[...])."
        )
    return tuple(label.names)


def _kind(feature: Any) -> str:
    name = type(feature).__name__
    inner = getattr(feature, "feature", None)
    return name if inner is None else f"{name} of {_kind(inner)}"


def _wrong_image(image: Any) -> str:
    """What an Image holds that is no picture in 8 bits, as the end of a sentence; else empty."""
    dtype = np.dtype(image.np_dtype).name
    if dtype == "float32":
        return "of dtype float32: tfds stores the bytes of the floats as the colours of a PNG."
    if dtype != "uint8":
        return (
            f"of dtype {dtype}: how much of its range the values fill is not said, and those of a "
            "narrower range would be nearly black."
        )
    if image.use_colormap:
        return "a map of numbers (use_colormap), each to be shown in a colour of its own."
    if len(image.shape) != 3 or image.shape[-1] not in _COLOURS:
        known = ", ".join(f"{channels} ({what})" for channels, what in _COLOURS.items())
        return f"of shape {image.shape}; known are (height, width, channels) of {known} channels."
    return ""
