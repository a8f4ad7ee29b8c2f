"""The image index: what is known of every example without decoding it again.

Parquet files, a folder a split: `Split-<split>/part-00000-of-00003.parquet`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from components.storage import split_folder


class IndexRow(NamedTuple):
    """One example.

    Attributes:
      source: where it came from, `roses/12.jpg` or `name-train.tfrecord-00000-of-00001#17`.
      label: class index.
      format: jpeg, png, gif or bmp; of a converted image what it was, webp, tiff or cmyk.
      width: in pixels.
      height: in pixels.
      num_bytes: length of the encoded image.
      sha256: of the encoded image, 32 bytes.
      phash: perceptual hash, 64 bits.
      orientation: that the image says and that is followed, 1 to 8; 1 where it says none. `width`
        and `height` are those after it.
      transparent: the share of pixels that are not opaque.
      colour: the one colour, `#rrggbb`, of all pixels that can be seen; empty where none can be
        seen, None where there are several.
    """

    source: str
    label: int
    format: str
    width: int
    height: int
    num_bytes: int
    sha256: bytes
    phash: int
    orientation: int = 1
    transparent: float = 0.0
    colour: str | None = None


def schema() -> Any:
    """The columns of the table (pyarrow.Schema)."""
    import pyarrow as pa

    return pa.schema(
        [
            ("source", pa.string()),
            ("label", pa.int64()),
            ("format", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("num_bytes", pa.int64()),
            ("sha256", pa.binary(32)),
            ("phash", pa.uint64()),
            ("orientation", pa.int8()),
            ("transparent", pa.float32()),
            ("colour", pa.string()),
        ]
    )


def read_index(uri: str, split: str) -> Any:
    """The rows of a split in the order of its examples (pyarrow.Table).

    Columns that an earlier version did not write are null.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = split_folder(uri, split)
    parts = []
    for path in sorted(folder.glob("*.parquet"), key=str):
        # Whole: pyarrow cannot read the stream of an object store.
        parts.append(pq.read_table(pa.BufferReader(path.read_bytes()), schema=schema()))
    return pa.concat_tables(parts) if parts else schema().empty_table()
