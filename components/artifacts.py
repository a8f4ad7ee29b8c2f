"""The artifact types of ours, beside TFX's own.

>>> from tfx.types import Channel
>>> Channel(type=DataChecks).type_name
'BitDataChecks'
"""

from tfx.types.artifact import Artifact


class ImageIndex(Artifact):
    """A row for every example, as Parquet, a folder a split (`components.example_gen.index`)."""

    TYPE_NAME = "BitImageIndex"


class Quarantine(Artifact):
    """The records that were set aside (`components.example_gen.screen.quarantine`)."""

    TYPE_NAME = "BitQuarantine"


class DataChecks(Artifact):
    """The checks that data passed, as JSON (`components.data_gate.checks`)."""

    TYPE_NAME = "BitDataChecks"


class DataPictures(Artifact):
    """A folder with `before.png` and `after.png`."""

    TYPE_NAME = "BitPictures"


class HtmlReport(Artifact):
    """A folder with one page, index.html."""

    TYPE_NAME = "BitHtmlReport"
