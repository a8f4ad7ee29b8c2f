"""Checks that a tfds data set's `image` and `label` can be used as they are stored.

Stored image bytes are used directly. For some features tfds's own reader converts these bytes to
other values; such data sets are refused before anything is read.

    >>> import tensorflow_datasets as tfds
    >>> image = tfds.features.Image(shape=(8, 8, 1))
    >>> label = tfds.features.ClassLabel(names=["daisy", "rose"])
    >>> class_names(tfds.features.FeaturesDict({"image": image, "label": label}), "flowers")
    ('daisy', 'rose')
    >>> class_names(tfds.features.FeaturesDict({"image": image}), "flowers")
    Traceback (most recent call last):
    ...
    components.errors.UserError: data.name flowers: ... it has image (Image).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from components.errors import UserError
from components.transform.features import IMAGE, LABEL

_COLOURS = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}
_CURE = "Write the data set with 8-bit images (dtype uint8), or give the images as data.folder."


def class_names(features: Any, full_name: str) -> tuple[str, ...]:
    """The names of the classes, in the order of their labels.

    Args:
      features: of a builder's info.
      full_name: name of the data set, for errors.

    Raises:
      UserError: it has no `image` or `label` that an image classifier can be trained on.
    """
    import tensorflow_datasets as tfds

    _check_kinds(features, full_name, {IMAGE: tfds.features.Image, LABEL: tfds.features.ClassLabel})
    label = features[LABEL]
    if not label.num_classes:
        raise UserError(
            f"data.name {full_name}: its feature 'label' has neither the names nor the number of "
            "its classes. Write the data set with ClassLabel(names=[...])."
        )
    return tuple(label.names)


def check_image(features: Any, full_name: str) -> None:
    """Checks that a data set has an `image` whose stored bytes are the picture.

    Raises:
      UserError: it has none.
    """
    import tensorflow_datasets as tfds

    _check_kinds(features, full_name, {IMAGE: tfds.features.Image})


def _check_kinds(features: Any, full_name: str, wanted: dict[str, Any]) -> None:
    import tensorflow_datasets as tfds

    is_dict = isinstance(features, tfds.features.FeaturesDict)
    kinds = {name: _kind(feature) for name, feature in features.items()} if is_dict else {}
    for key, kind in wanted.items():
        # A feature of another class may decode the stored bytes differently.
        if key not in kinds or type(features[key]) is not kind:
            has = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
            raise UserError(
                f"data.name {full_name}: an image classification data set needs a feature {key!r} "
                f"of type {kind.__name__}; it has {has or _kind(features)}."
            )
    wrong = _wrong_image(features[IMAGE])
    if wrong:
        raise UserError(f"data.name {full_name}: its feature 'image' is {wrong} {_CURE}")


def _kind(feature: Any) -> str:
    name = type(feature).__name__
    inner = getattr(feature, "feature", None)
    return name if inner is None else f"{name} of {_kind(inner)}"


def _wrong_image(image: Any) -> str:
    """Why an Image feature is not an 8-bit picture, as the end of a sentence; otherwise empty."""
    dtype = np.dtype(image.np_dtype).name
    if dtype == "float32":
        return "of dtype float32, whose bytes tfds stores as the colours of a PNG."
    if dtype != "uint8":
        return (
            f"of dtype {dtype}: the range of its values is unknown, and values of a narrower range "
            "would be nearly black."
        )
    if image.use_colormap:
        return "a map of numbers (use_colormap), each of which stands for a colour."
    if len(image.shape) != 3 or image.shape[-1] not in _COLOURS:
        known = ", ".join(f"{channels} ({what})" for channels, what in _COLOURS.items())
        return (
            f"of shape {image.shape}; it must be (height, width, channels) with {known} channels."
        )
    return ""
