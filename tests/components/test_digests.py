"""Lists of files, and what is found wrong with a folder by them, on a disk and in a store."""

import hashlib

import pytest

from components.digests import damage, from_text, list_files, to_text
from components.storage import as_path

LARGE = bytes(range(256)) * (17 << 10)
"""More than what is hashed as a matter of course."""
SMALL = "ö ü.txt"


@pytest.fixture(params=["disk", "store"])
def folder(request, tmp_path):
    """A folder of two files, the same on either kind of storage."""
    place = tmp_path if request.param == "disk" else request.getfixturevalue("store")
    found = as_path(f"{place}/folder")
    (found / "deep").mkdir(parents=True)
    (found / "deep" / "large").write_bytes(LARGE)
    (found / SMALL).write_text("text")
    return found


def test_it_lists_sizes_and_digests(folder):
    every = list_files(folder, every_digest=True)
    digests = (hashlib.sha256(LARGE).hexdigest(), hashlib.sha256(b"text").hexdigest())
    assert every == {"deep/large": (len(LARGE), digests[0]), SMALL: (4, digests[1])}
    cheap = list_files(folder)
    assert {name: size for name, (size, _) in cheap.items()} == {"deep/large": 4456448, SMALL: 4}
    # In a store every digest is a download.
    on_disk = "://" not in str(folder)
    assert [cheap[name][1] for name in ("deep/large", SMALL)] == ["", digests[1] if on_disk else ""]
    assert from_text(to_text(every)) == every
    assert damage(folder, every, every_digest=True) == damage(folder, cheap) == ""


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("deep/large", LARGE[:1000], "has 1,000 bytes where 4,456,448 were written"),
        ("deep/large", b"", "has 0 bytes"),
        ("deep/large", LARGE[::-1], "SHA-256 differs"),
        (SMALL, b"txet", "SHA-256 differs"),
        ("stray", b"", "no step wrote"),
        (SMALL, None, "is gone"),
    ],
)
def test_what_was_changed_is_named(folder, name, content, what):
    every = list_files(folder, every_digest=True)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    found = damage(folder, every, every_digest=True)
    assert found.startswith(f"{folder / name} ")
    assert what in found


def test_a_folder_that_is_not_there_is_gone(folder):
    every = list_files(folder)
    assert damage(folder / "nowhere", every) == f"{folder / 'nowhere'} is gone"
    assert damage(folder / "nowhere", {}) == ""
