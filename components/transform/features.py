"""Names of features, in the examples and out of Transform.

>>> SLICE_FEATURES
('image_side',)
"""

IMAGE = "image"
LABEL = "label"
TRAIN_IMAGE = "train_image"
IMAGE_SIDE = "image_side"

NO_CLASS = -1
"""The predicted class of an image without an answer; TFMA's NO_PREDICTED_CLASS_ID."""

SLICE_FEATURES = (IMAGE_SIDE,)
"""Outputs of Transform that no model reads: evaluation slices by them."""
