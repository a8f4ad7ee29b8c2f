"""An image index as ImageExampleGen writes it, of whatever a test wants."""

import hashlib
from pathlib import Path

from components.example_gen.index import IndexRow, schema


def row(source, label=0, image=None, phash=None):
    """One example; without `image` and `phash` it is like no other."""
    image = image if image is not None else source.encode()
    digest = hashlib.sha256(image).digest()
    if phash is None:
        phash = int.from_bytes(digest[:8], "little")
    return IndexRow(source, label, "png", 8, 8, len(image), digest, phash)


def table(rows):
    """The rows as `read_index` gives them."""
    import pyarrow as pa

    return pa.Table.from_pylist([each._asdict() for each in rows], schema=schema())


def write_index(folder, rows_by_split):
    """The artifact, a file or two a split."""
    import pyarrow.parquet as pq

    for split, rows in rows_by_split.items():
        parts = [part for part in (rows[:2], rows[2:]) if part]
        for number, part in enumerate(parts):
            path = Path(folder, f"Split-{split}", f"part-{number:05d}-of-{len(parts):05d}.parquet")
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table(part), path)
