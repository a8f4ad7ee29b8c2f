"""Which models served, by what is in `serving` and by the lineage, and copies of them.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as serving:
...     Path(serving, "1764497700").mkdir()
...     [version] = History(Path(serving), models=[], pushed=[])
>>> version.version, version.model, version.rolled_back
(1764497700, None, False)
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.lineage.artifacts import SERVING_MODEL, damage_of, digest_of_model
from components.pusher.versions import (
    ADDED,
    WITHDRAWN,
    model_digest,
    numbers_in,
    versions,
)
from components.storage import AnyPath, as_path, copy_tree, io_errors, remove_tree

VERSION_PROPERTY = "served_version"
MODEL_PROPERTY = "model_id"
"""Custom properties that the Pusher gives a pushed_model: what serves after it."""
NOT_PUSHED = "not_pushed"
"""Another: why a model that passed is not pushed, in a sentence."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Served:
    """One version that serves or served.

    Attributes:
      version: its number.
      folder: where it is in `serving`; None where it is no longer there.
      model: the Model artifact that was pushed as it; None where the lineage knows none.
      rolled_back: by `bit-tfx rollback`, or by hand, as a lower version serves now.
    """

    version: int
    folder: AnyPath | None
    model: Any | None
    rolled_back: bool


class History:
    """The models that served, the newest first.

    Args:
      serving: the folder of versions. The highest in it is what serves, whoever put it there: a
        push may have been killed before ML Metadata recorded it.
      models: all Model artifacts.
      pushed: all PushedModel artifacts.
    """

    def __init__(self, serving: AnyPath, models: Sequence[Any], pushed: Iterable[Any]):
        self._serving = serving
        self._models = {model.id: model for model in models}
        self._recorded = {
            each.get_int_custom_property(VERSION_PROPERTY): each.get_int_custom_property(
                MODEL_PROPERTY
            )
            for each in sorted(pushed, key=lambda each: each.id)
            if each.get_int_custom_property(VERSION_PROPERTY)
        }
        self._digests: dict[int, str] = {}

    def __iter__(self) -> Iterator[Served]:
        there = versions(self._serving)
        withdrawn = numbers_in(self._serving / WITHDRAWN)
        for version in sorted({*self._recorded, *there}, reverse=True):
            folder = self._serving / str(version) if version in there else None
            serves = version == there[-1] if there else False
            rolled_back = version in withdrawn or (bool(there) and version > there[-1])
            yield Served(version, folder, self._model_of(version, folder, serves), rolled_back)

    def digest(self, model: Any) -> str:
        """`digest_of_model`, taken once."""
        if model.id not in self._digests:
            self._digests[model.id] = digest_of_model(model)
        return self._digests[model.id]

    def same(self, model: Any, other: Any) -> bool:
        """Whether two Model artifacts are one model."""
        digest = self.digest(model)
        return model.id == other.id or (bool(digest) and digest == self.digest(other))

    def _model_of(self, version: int, folder: AnyPath | None, serves: bool) -> Any | None:
        recorded = self._models.get(self._recorded.get(version, 0))
        # The files are large: where the lineage has an answer, only the served version's are read.
        if folder is None or (recorded is not None and not serves):
            return recorded
        found = model_digest(folder)
        if recorded is not None and self.digest(recorded) == found:
            return recorded
        newest_first = sorted(self._models.values(), key=lambda model: -model.id)
        same = (model for model in newest_first if self.digest(model) == found)
        # A version that was truncated since still counts as what was pushed.
        return next(same, recorded)


def restore(model: Any, serving: AnyPath, pushed: Iterable[Any]) -> AnyPath | None:
    """Fills a Model artifact's folder again from a copy that is whole.

    Args:
      model: a Model artifact whose files are damaged, with a manifest.
      serving: the folder of versions.
      pushed: PushedModel artifacts, which hold copies too.

    Returns:
      The copy's folder; None where no copy is whole, or the folder cannot be written.
    """
    digest = digest_of_model(model)
    for copy in _copies(model, serving, list(pushed)):
        try:
            if digest and copy.exists() and model_digest(copy) == digest:
                put_copy(copy, as_path(model.uri))
                if not damage_of(model, every_digest=True):
                    return copy
        except io_errors() as error:
            _logger.warning("%s could not be copied to %s: %s", copy, model.uri, error)
    return None


def _copies(model: Any, serving: AnyPath, pushed: Sequence[Any]) -> list[AnyPath]:
    """Folders of pushed models, those of this one by the lineage first, then the newest first."""
    of_model = [each for each in pushed if each.get_int_custom_property(MODEL_PROPERTY) == model.id]
    known = {each.get_int_custom_property(VERSION_PROPERTY) for each in of_model}
    newest_first = versions(serving)[::-1]
    likely = [serving / str(number) for number in newest_first if number in known]
    others = [serving / str(number) for number in newest_first if number not in known]
    return [*likely, *(as_path(each.uri) for each in reversed(of_model)), *others]


def put_copy(copy: AnyPath, folder: AnyPath) -> None:
    """Makes `folder` a Model artifact of a pushed model: without its card, and nothing else."""
    if not isinstance(folder, Path):
        if folder.exists():
            remove_tree(folder)
        copy_tree(copy, folder / SERVING_MODEL)
        _remove_added(folder / SERVING_MODEL)
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside it and by a rename: a process that is killed leaves no half of a model there.
    unfinished = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.unfinished")
    try:
        copy_tree(copy, unfinished / SERVING_MODEL)
        _remove_added(unfinished / SERVING_MODEL)
        if folder.exists():
            remove_tree(folder)
        unfinished.rename(folder)
    finally:
        if unfinished.exists():
            remove_tree(unfinished)


def _remove_added(saved_model: AnyPath) -> None:
    for name in ADDED:
        if (saved_model / name).exists():
            (saved_model / name).unlink()
