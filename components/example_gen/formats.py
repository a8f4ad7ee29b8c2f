"""Which image format some bytes are, by how they begin."""

from __future__ import annotations

from components.example_gen.verdict import Reason, UnfitError

CONVERTIBLE = ("webp", "tiff")
"""TensorFlow decodes them on no or not on every version; Pillow can."""

_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
"""Sizes in bytes that the header after a BMP's first 14 bytes has."""

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
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"hevc": "HEIC",
    b"heim": "HEIC",
    b"heis": "HEIC",
    b"mif1": "HEIF",
    b"msf1": "HEIF",
    b"crx ": "Canon raw",
}


def format_of(image: bytes) -> str:
    """jpeg, png, gif, bmp, webp or tiff.

    Raises:
      UnfitError: of another format, or of none.
    """
    if image.startswith(b"\xff\xd8"):
        return "jpeg"
    if image.startswith(b"\x89PNG"):
        return "png"
    if image.startswith(b"GIF8"):
        return "gif"
    if image.startswith(b"RIFF") and image[8:12] == b"WEBP":
        return "webp"
    if image[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if image.startswith(b"BM") and (
        len(image) < 18 or int.from_bytes(image[14:18], "little") in _BMP_HEADERS
    ):
        return "bmp"
    name = _foreign(image)
    if name:
        raise UnfitError(Reason.UNSUPPORTED, f"{name}, which TensorFlow does not decode")
    raise UnfitError(Reason.NOT_AN_IMAGE, _no_image(image))


def _foreign(image: bytes) -> str:
    """The name of a known format that nothing here reads; empty where it is none."""
    if image[4:8] == b"ftyp":
        return _BRANDS.get(image[8:12], "")
    if image[:1] == b"P" and image[1:2] in b"1234567" and image[2:3].isspace():
        return "PNM"
    if b"<svg" in image[:1024].lower():
        return "SVG"
    return next((name for start, name in _FOREIGN.items() if image.startswith(start)), "")


def _no_image(image: bytes) -> str:
    start = image[:40]
    text = start.decode("utf-8", "ignore")
    if len(text) >= len(start) - 3 and all(char.isprintable() or char.isspace() for char in text):
        return f"text, no image; it begins with {' '.join(text.split())!r}"
    return f"no known image begins with the bytes {start[:8].hex(' ')}"
