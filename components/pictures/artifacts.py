"""What the Pictures step writes."""

from tfx.types.artifact import Artifact


class DataPictures(Artifact):
    """A folder with `before.png` and `after.png`."""

    TYPE_NAME = "BitPictures"
