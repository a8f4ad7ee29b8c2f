"""Which version answers: the highest in the folder that loads; it changes without a failed request.

>>> in_order([3, 5, 4], tried={5: 2.0}, now=1.0)
[4, 3]
>>> in_order([3, 5, 4], tried={5: 2.0}, now=2.0)
[5, 4, 3]
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from components.pusher.versions import versions
from components.storage import AnyPath, io_errors
from serving.admission import Admission, all_versions
from serving.answers import Answers
from serving.version import Version, load

_logger = logging.getLogger(__name__)

_RETRY_S = (2.0, 60.0)
"""First and longest wait before a version that did not load is tried again: its files may still be
on their way to an object store."""


def in_order(numbers: Sequence[int], tried: Mapping[int, float], now: float) -> list[int]:
    """Versions to try, best first.

    Args:
      numbers: of the versions in the folder.
      tried: when those that did not load may be tried again, by number.
      now: on the same clock, in seconds.
    """
    return sorted((each for each in numbers if tried.get(each, now) <= now), reverse=True)


@dataclass(frozen=True)
class _Failure:
    reason: str
    wait: float
    again: float


class Switch:
    """Follows the folder of versions, and answers with the version that it has.

    Args:
      folder: of the versions.
      admission: which versions may answer.
      switched: called with the number of every version that begins to answer.
    """

    def __init__(
        self,
        folder: AnyPath,
        admission: Admission = all_versions,
        switched: Callable[[int], object] = lambda _: None,
    ):
        self.folder = folder
        self._admission = admission
        self._switched = switched
        self._current: Version | None = None
        self._failures: dict[int, _Failure] = {}
        self._is_gone = False
        self._end = threading.Event()

    @property
    def failures(self) -> dict[int, str]:
        """Why versions in the folder did not load, by number."""
        return {number: failure.reason for number, failure in self._failures.items()}

    @property
    def current(self) -> Version:
        """The version that answers; `look` has found one."""
        assert self._current is not None
        return self._current

    def answer(self, images: Sequence[bytes]) -> Answers:
        """Asks the version that is current when it begins; a switch does not disturb it."""
        return self.current.answer(images)

    def look(self) -> bool:
        """Looks at the folder once, and switches where there is another version to take.

        Returns:
          Whether there is a version that answers.
        """
        try:
            numbers = versions(self.folder)
        except io_errors() as error:
            _logger.warning("%s cannot be read (%s); going on as before", self.folder, error)
            return self._current is not None
        self._failures = {each: why for each, why in self._failures.items() if each in numbers}
        tried = {number: failure.again for number, failure in self._failures.items()}
        for number in in_order(numbers, tried, time.monotonic()):
            if self._current is not None and number == self._current.number:
                break
            if self._take(number):
                break
        self._say_if_gone(numbers)
        return self._current is not None

    def _say_if_gone(self, numbers: Sequence[int]) -> None:
        gone = self._current is not None and self._current.number not in numbers
        if gone and not self._is_gone:
            _logger.warning(
                "version %d is no longer in %s: it answers from memory until another version "
                "comes, and a restart would not find it",
                self.current.number,
                self.folder,
            )
        self._is_gone = gone

    def _take(self, number: int) -> bool:
        """Loads, warms up and switches; False, with a line in the log, where that fails."""
        folder = self.folder / str(number)
        started = time.perf_counter()
        try:
            with self._admission(folder) as admitted:
                version = load(admitted)
                warmed = version.warm_up(admitted)
        # Whatever is wrong with a version, the one that answers goes on.
        except Exception as error:
            self._failed(number, error)
            return False
        self._failures.pop(number, None)
        self._current = version
        self._switched(number)
        seconds = time.perf_counter() - started
        _logger.info(
            "version %d answers now: loaded in %.1f s, %d warm-up requests", number, seconds, warmed
        )
        # The old one's functions refer to each other: its memory would come back only some time.
        gc.collect()
        return True

    def _failed(self, number: int, error: Exception) -> None:
        first, longest = _RETRY_S
        before = self._failures.get(number)
        wait = min(2 * before.wait, longest) if before else first
        reason = " ".join(str(error).split()) or type(error).__name__
        self._failures[number] = _Failure(reason, wait, time.monotonic() + wait)
        if before is None or before.reason != reason:
            goes_on = f"; version {self._current.number} goes on" if self._current else ""
            _logger.error("version %d cannot be loaded: %s%s", number, reason, goes_on)

    def follow(self, every_s: float) -> None:
        """Looks again and again, in a thread, until `close`."""
        threading.Thread(target=self._follow, args=(every_s,), daemon=True).start()

    def _follow(self, every_s: float) -> None:
        while not self._end.wait(every_s):
            try:
                self.look()
            except Exception:
                _logger.exception("looking at %s failed; going on as before", self.folder)

    def close(self) -> None:
        """Ends `follow`."""
        self._end.set()
