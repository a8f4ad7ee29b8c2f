"""The artifacts that ImageExampleGen writes beside TFX's own Examples.

>>> from tfx import types
>>> types.Channel(type=ImageIndex).type_name
'BitImageIndex'
"""

from tfx.types.artifact import Artifact


class ImageIndex(Artifact):
    """One row per example as Parquet, one folder per split (`components.example_gen.index`)."""

    TYPE_NAME = "BitImageIndex"


class Quarantine(Artifact):
    """The rejected records (`components.example_gen.screen.quarantine`)."""

    TYPE_NAME = "BitQuarantine"
