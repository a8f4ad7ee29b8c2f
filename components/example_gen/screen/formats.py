r"""Recognises the format of an image by its first bytes.

>>> format_of(b"\x89PNG\r\n\x1a\n")
'png'
>>> format_of(b"%PDF-1.7")
Traceback (most recent call last):
...
components.example_gen.screen.result.UnfitError: PDF, which TensorFlow does not decode
"""

from __future__ import annotations

from components.example_gen.screen.result import Reason, UnfitError

CONVERTIBLE = {"webp": "WebP", "tiff": "TIFF", "avif": "AVIF", "heic": "HEIC"}
"""Formats that Pillow decodes, and TensorFlow does not, or not in every version."""

_READABLE = {
    b"\xff\xd8": "jpeg",
    b"\x89PNG": "png",
    b"GIF8": "gif",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "tiff"),
}
"""Formats by their first bytes."""

_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
"""Sizes in bytes of the header after a BMP's first 14 bytes."""

_FOREIGN = {
    b"\x00\x00\x00\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"8BPS": "Photoshop",
    b"%PDF-": "PDF",
    b"%!PS": "PostScript",
    b"\x00\x00\x01\x00": "ICO",
    b"\x00\x00\x02\x00": "CUR",
    b"icns": "ICNS",
    b"DDS ": "DDS",
    b"qoif": "QOI",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"SIMPLE  =": "FITS",
    b"\x01\xda": "SGI",
    b"gimp xcf": "GIMP",
    b"AT&TFORM": "DjVu",
    b"\xd7\xcd\xc6\x9a": "WMF",
    b"\x8aMNG": "MNG",
    b"\x8bJNG": "JNG",
    b"II\xbc": "JPEG XR",
    b"BPG\xfb": "BPG",
    b"FLIF": "FLIF",
}
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "avif"),
    **dict.fromkeys(
        (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"), "heic"
    ),
}
_CONTAINERS = (b"mif1", b"msf1", b"miaf")
"""Brands that do not say how the pixels are coded; the compatible ones do."""
_OTHER_BRANDS = {b"crx ": "Canon raw", **dict.fromkeys(_CONTAINERS, "HEIF")}
_MOST_BRANDS = 200
"""Bytes of the first box that are searched."""


def format_of(image: bytes) -> str:
    """jpeg, png, gif, bmp, webp, tiff, avif or heic.

    Raises:
      UnfitError: it has another format, or none.
    """
    kind = _readable(image)
    if kind:
        return kind
    name = _foreign(image)
    if name:
        raise UnfitError(Reason.UNSUPPORTED, f"{name}, which TensorFlow does not decode")
    raise UnfitError(Reason.NOT_AN_IMAGE, _no_image(image))


def _readable(image: bytes) -> str:
    """The name of a format that we read; empty for any other."""
    if image[4:8] == b"ftyp":
        return _by_brand(image)
    if image.startswith(b"RIFF") and image[8:12] == b"WEBP":
        return "webp"
    if image.startswith(b"BM") and (
        len(image) < 18 or int.from_bytes(image[14:18], "little") in _BMP_HEADERS
    ):
        return "bmp"
    return next((kind for start, kind in _READABLE.items() if image.startswith(start)), "")


def _by_brand(image: bytes) -> str:
    """Avif or heic, by the brands of the first box; empty if it is neither."""
    major = image[8:12]
    if major not in _CONTAINERS:
        return _BRANDS.get(major, "")
    end = min(int.from_bytes(image[:4], "big"), _MOST_BRANDS)
    brands = (image[at : at + 4] for at in range(16, end, 4))
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), "")


def _foreign(image: bytes) -> str:
    """The name of a known format that we do not read; empty for any other."""
    if image[4:8] == b"ftyp":
        return _OTHER_BRANDS.get(image[8:12], "")
    if image[:1] == b"P" and image[1:2] in b"1234567" and image[2:3].isspace():
        return "PNM"
    if b"<svg" in image[:1024].lower():
        return "SVG"
    return next((name for start, name in _FOREIGN.items() if image.startswith(start)), "")


def _no_image(image: bytes) -> str:
    start = image[:40]
    text = start.decode("utf-8", "ignore")
    if len(text) >= len(start) - 3 and all(char.isprintable() or char.isspace() for char in text):
        return f"text and not an image; it begins with {' '.join(text.split())!r}"
    return f"no known image format begins with the bytes {start[:8].hex(' ')}"
