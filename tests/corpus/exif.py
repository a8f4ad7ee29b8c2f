"""Exif data and XMP packets that say an orientation."""

from __future__ import annotations

import struct

from PIL import Image


def exif(
    orientation: int,
    order: str = "<",
    kind: int = 3,
    before: int = 0,
    after: int = 0,
    offset: int = 8,
    count: int = 1,
) -> bytes:
    """Exif data without their name.

    Args:
      orientation: the value.
      order: of bytes, as in struct.
      kind: TIFF's type of it.
      before: other entries of the directory before it.
      after: other entries behind it.
      offset: where the directory begins.
      count: of values.
    """

    def entry(tag: int, of: int, many: int, value: bytes) -> bytes:
        return struct.pack(order + "HHI", tag, of, many) + value.ljust(4, b"\0")

    formats = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I"}
    entries = [entry(0x0100 + place, 4, 1, struct.pack(order + "I", 99)) for place in range(before)]
    entries.append(entry(0x0112, kind, count, struct.pack(order + formats[kind], orientation)))
    entries += [entry(0x0131 + place, 3, 1, b"\7\7") for place in range(after)]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", offset)
    directory = struct.pack(order + "H", len(entries)) + b"".join(entries)
    return head.ljust(offset, b"\0") + directory + bytes(4)


def xmp(orientation: int, attribute: bool = True) -> bytes:
    said = f'tiff:Orientation="{orientation}"/>'
    if not attribute:
        said = f"><tiff:Orientation>{orientation}</tiff:Orientation></rdf:Description>"
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description xmlns:tiff='
        f'"http://ns.adobe.com/tiff/1.0/" {said}</rdf:RDF></x:xmpmeta>'
    ).encode()


def exif6() -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = 6
    return found
