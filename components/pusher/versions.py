"""The serving folder: numbered versions, as TensorFlow Serving reads them.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as name:
...     model, serving = Path(name, "model"), Path(name, "serving")
...     model.mkdir()
...     _ = (model / SAVED_MODEL).write_text("weights")
...     for _ in range(2):
...         _ = add_version(model, serving, now=1764497700)
...     versions(serving), served_digest(serving) == model_digest(model)
([1764497700, 1764497701], True)
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from components.digests import digest_of_folder
from components.durable import STALE_S, remove_dead, rename, sync_tree, unfinished_folder
from components.storage import SAVED_MODEL, AnyPath, copy_tree, is_local, remove_tree

CARD_JSON = "assets.extra/model_card.json"
CARD_MARKDOWN = "assets.extra/model_card.md"
WARM_UP = "assets.extra/tf_serving_warmup_requests"
"""Requests that TensorFlow Serving replays before a version takes others."""

SIGNATURE = "model.sig"
"""The signature of all other files (`components.pusher.signature`), where there is a key."""

ADDED = (CARD_JSON, CARD_MARKDOWN, WARM_UP, SIGNATURE)
"""What a push adds to the model's own files; TensorFlow loads none of it."""

Extras = Mapping[str, bytes]
"""Content by the file's relative name, of `ADDED`; {} for none."""

UNFINISHED = ".unfinished-"
"""Beginning of the names of folders that no server sees: versions that come or go."""
WITHDRAWN = ".rolled-back"
"""The folder of versions that were rolled back (`components.pusher.rollback`)."""


def versions(serving: AnyPath) -> list[int]:
    """Numbers of the versions in `serving`, rising.

    In an object store a number without saved_model.pb is no version, but an unfinished push.
    """
    numbers = numbers_in(serving)
    if is_local(serving):
        return numbers
    return [number for number in numbers if (serving / str(number) / SAVED_MODEL).exists()]


def numbers_in(folder: AnyPath) -> list[int]:
    """Names of a folder that are numbers, rising; [] where there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def _taken(serving: AnyPath) -> list[int]:
    """Numbers that no new version may have."""
    return [*numbers_in(serving), *numbers_in(serving / WITHDRAWN)]


def served(serving: AnyPath) -> AnyPath | None:
    """The version that a server takes: the highest number."""
    numbers = versions(serving)
    return serving / str(numbers[-1]) if numbers else None


def version_at(path: AnyPath) -> AnyPath | None:
    """The version that a path names: its own, or the served one of a folder of versions."""
    return path if (path / SAVED_MODEL).exists() else served(path)


def model_digest(folder: AnyPath) -> str:
    """Digest of a model's files, the same before a push as after it: `ADDED` does not count."""
    return digest_of_folder(folder, leave_out=ADDED)


def served_digest(serving: AnyPath) -> str:
    """`model_digest` of the served version; empty where there is none."""
    current = served(serving)
    return model_digest(current) if current else ""


def add_extras(folder: AnyPath, extras: Extras) -> None:
    """Writes what a push adds below the folder of a model."""
    for name, content in extras.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def add_version(
    model: AnyPath,
    serving: AnyPath,
    now: int,
    chosen: Callable[[AnyPath], object] = lambda _: None,
    extras: Callable[[AnyPath], Extras] = lambda _: {},
    sign: Callable[[Path], object] | None = None,
) -> AnyPath:
    """Copies a SavedModel into `serving` as a new highest version.

    A server never loads half of it, not even after a power cut. What a dead push left is removed
    (`components.durable`); in an object store, where nobody knows whether it still runs, after a
    day.

    Args:
      model: the SavedModel's folder.
      serving: the folder of versions; made where it is missing.
      now: seconds since 1970; the number, unless a higher one is there.
      chosen: is given the new version's folder just before a server can see it.
      extras: makes what is added to the new version's folder; a server never sees that without it.
      sign: adds `SIGNATURE` to a whole version, in a folder of its name on this machine.

    Returns:
      The new version's folder.

    Raises:
      RuntimeError: the copy is not what was copied.
      OSError: it cannot be written; then no server sees it.
    """
    if isinstance(serving, Path):
        return _rename_into_place(model, serving, now, chosen, extras, sign)
    serving.mkdir(parents=True, exist_ok=True)
    numbers = numbers_in(serving)
    for unfinished in set(numbers) - set(versions(serving)):
        if unfinished < now - STALE_S:
            remove_tree(serving / str(unfinished))
    target = serving / str(_next(_taken(serving), now))
    chosen(target)
    add_extras(target, extras(target))
    if sign is not None:
        _sign_in_store(model, target, sign)
    # A store cannot rename a folder. Its saved_model.pb is written last, when all other files are
    # known to be whole: a server that sees the number before fails to load it, goes on with the
    # version that it has, and tries again.
    copy_tree(model, target)
    return target


def _sign_in_store(model: AnyPath, target: AnyPath, sign: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, target.name)
        copy_tree(model, copy)
        copy_tree(target, copy)
        sign(copy)
        (target / SIGNATURE).write_bytes((copy / SIGNATURE).read_bytes())


def remove_dead_pushes(serving: AnyPath) -> None:
    """Removes what pushes that were killed left in a serving folder on a local disk."""
    if isinstance(serving, Path):
        remove_dead(serving, UNFINISHED)


def _next(numbers: Sequence[int], now: int) -> int:
    return max([now, *(version + 1 for version in numbers)])


def _rename_into_place(
    model: AnyPath,
    serving: Path,
    now: int,
    chosen: Callable[[AnyPath], object],
    extras: Callable[[AnyPath], Extras],
    sign: Callable[[Path], object] | None,
) -> Path:
    """The folder gets its number by a rename, when it is whole and on the disk."""
    with unfinished_folder(serving, UNFINISHED) as scratch:
        unfinished = scratch / "0"
        copy_tree(model, unfinished)
        if model_digest(unfinished) != model_digest(model):
            raise RuntimeError(f"{unfinished} is not a whole copy of {model}; push again")
        while True:
            target = serving / str(_next(_taken(serving), now))
            # A signature states the folder's name.
            unfinished = unfinished.rename(scratch / target.name)
            add_extras(unfinished, extras(target))
            if sign is not None:
                sign(unfinished)
            sync_tree(unfinished)
            chosen(target)
            try:
                rename(unfinished, target)
                return target
            except OSError as error:
                # Another push took the number in between; a folder with files is not replaced.
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
