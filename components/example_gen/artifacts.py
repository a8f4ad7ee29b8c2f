"""What ImageExampleGen writes beside TFX's own Examples."""

from tfx.types.artifact import Artifact


class ImageIndex(Artifact):
    """A row for every example, as Parquet, a folder a split (`components.example_gen.index`)."""

    TYPE_NAME = "BitImageIndex"


class Quarantine(Artifact):
    """The records that were set aside (`components.example_gen.screen.quarantine`)."""

    TYPE_NAME = "BitQuarantine"
