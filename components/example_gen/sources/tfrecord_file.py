"""TFRecord files, plain or gzip, record by record and without TensorFlow.

TensorFlow's own reader stops at the first damaged record, cannot count without reading all, and
does not detect compression. A record is its length (8 bytes), a checksum of that (4), its bytes,
and a checksum of them (4); see tensorflow/core/lib/io/record_writer.h.

    >>> import tempfile
    >>> length = struct.pack("<Q", 3)
    >>> record = length + struct.pack("<I", _masked_crc(length)) + b"abc"
    >>> record += struct.pack("<I", _masked_crc(b"abc"))
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(gzip.compress(2 * record))
    ...     file.flush()
    ...     count_records(file.name), list(tf_records(file.name, skip=1))
    (2, [b'abc'])
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import struct
import sys
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

from components.storage import as_path

_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_GZIP = b"\x1f\x8b"
_LIMIT_BYTES = 1 << 31
"""Protocol buffers are smaller; a larger length is not valid."""


class DamagedError(Exception):
    """A file is not a TFRecord file, or is damaged from some record on."""


class Frame(NamedTuple):
    """One record.

    Attributes:
      number: its position in the file, from 0.
      record: its bytes; None if it was not requested.
      whole: whether its bytes match their checksum.
    """

    number: int
    record: bytes | None
    whole: bool = True


def count_records(path: str) -> int:
    """The number of records in a file. Of an uncompressed file only the headers are read.

    Raises:
      DamagedError: it is not a TFRecord file, or ends within a record.
      OSError: it cannot be read.
    """
    return sum(1 for _ in frames(path, range(0)))


def frames(path: str, wanted: range | frozenset[int]) -> Iterator[Frame]:
    """All records of a file, with the bytes of the wanted ones.

    Raises:
      DamagedError: as `count_records`, when the damaged record is reached.
    """
    with _open(path) as stream:
        # A seek beyond the end of an object in a store raises.
        left_bytes = None if isinstance(stream, gzip.GzipFile) else size_bytes(path)
        for index in itertools.count():
            try:
                header = stream.read(_HEADER.size)
                if not header:
                    return
                if not _is_header(header):
                    raise DamagedError(f"record {index} has no valid header")
                length = _HEADER.unpack(header)[0]
                if left_bytes is not None:
                    left_bytes -= _HEADER.size + length + _CHECKSUM.size
                    _check_whole(left_bytes >= 0, index)
                yield _frame(stream, length, index, index in wanted)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise DamagedError(f"record {index} cannot be unpacked: {error}") from error


def is_gzip(path: str) -> bool:
    """Whether the content is packed, whatever the file name.

    Raises:
      OSError: it cannot be read.
    """
    with as_path(path).open("rb") as stream:
        return _starts_gzip(stream.read(_HEADER.size))


def tf_records(path: str, skip: int = 0) -> Iterator[bytes]:
    """The records of a TFRecord file, read without TensorFlow, up to the first damage.

    Args:
      path: of the file.
      skip: records to skip, unread.
    """
    try:
        for frame in frames(path, range(skip, sys.maxsize)):
            if frame.record is not None:
                yield frame.record
    except DamagedError:
        return


def _frame(stream: BinaryIO, length: int, index: int, wanted: bool) -> Frame:
    if not wanted:
        # Read the last byte, because a seek beyond the end of a gzip stream raises nothing.
        stream.seek(length + _CHECKSUM.size - 1, os.SEEK_CUR)
        _check_whole(bool(stream.read(1)), index)
        return Frame(index, None)
    record, checksum = stream.read(length), stream.read(_CHECKSUM.size)
    _check_whole(len(checksum) == _CHECKSUM.size, index)
    return Frame(index, record, _masked_crc(record) == _CHECKSUM.unpack(checksum)[0])


def _check_whole(whole: bool, index: int) -> None:
    if not whole:
        raise DamagedError(f"record {index} is cut off")


def size_bytes(path: str) -> int:
    """The length of a file, local or in an object store, as it is stored."""
    found = as_path(path).stat()
    return found.st_size if isinstance(found, os.stat_result) else int(found.length)


@contextlib.contextmanager
def _open(path: str) -> Iterator[BinaryIO]:
    """The stream of records, decompressed if the content is gzip, whatever the file name."""
    with as_path(path).open("rb") as stream:
        start = stream.read(_HEADER.size)
        stream.seek(0)
        if _starts_gzip(start):
            with gzip.GzipFile(fileobj=stream, mode="rb") as unpacked:
                yield cast(BinaryIO, unpacked)
        else:
            yield cast(BinaryIO, stream)


def _starts_gzip(start: bytes) -> bool:
    # A record of 559,903 bytes starts like gzip; only a record has the right checksum.
    return start.startswith(_GZIP) and not _is_header(start)


def _is_header(header: bytes) -> bool:
    if len(header) < _HEADER.size:
        return False
    length, checksum = _HEADER.unpack(header)
    return length < _LIMIT_BYTES and _masked_crc(header[:8]) == checksum


def _masked_crc(content: bytes) -> int:
    """CRC-32C, rotated and offset as the format requires."""
    import google_crc32c

    crc = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
