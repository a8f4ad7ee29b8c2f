"""Which of the files that TFMA's writers leave are the result: those of one try, without others.

Beam writes into a temporary folder beside the result, which stays where a try failed, and numbers
the files of a try by how many they are: another try of the job may have written more or fewer.

>>> written = {
...     "eval_config.json": 3.0,
...     "metrics-00000-of-00001.tfrecord": 1.0,
...     "metrics-00000-of-00002.tfrecord": 2.0,
...     "metrics-00001-of-00002.tfrecord": 2.1,
...     "beam-temp-metrics-9f3/0a1b.tfrecord": 1.5,
... }
>>> of_last_try(written)
['eval_config.json', 'metrics-00000-of-00002.tfrecord', 'metrics-00001-of-00002.tfrecord']
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

_TEMPORARY = "beam-temp-"
_NUMBERED = re.compile(r"(.+)-\d{5}-of-(\d{5})(\..+)?")


def of_last_try(written: Mapping[str, float]) -> list[str]:
    """The files of the last whole try, sorted.

    Args:
      written: when each was changed, in seconds, by its name relative to the output path.

    Raises:
      RuntimeError: no try has written all files of a result.
    """
    tries: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in written:
        if name.startswith(_TEMPORARY):
            continue
        numbered = _NUMBERED.fullmatch(name)
        if numbered:
            tries[f"{numbered[1]}{numbered[3] or ''}"][int(numbered[2])].append(name)
        else:
            tries[name][1].append(name)
    found = []
    for result, by_count in tries.items():
        whole = [names for count, names in by_count.items() if len(names) == count]
        if not whole:
            raise RuntimeError(f"TFMA left {result} in part")
        found += max(whole, key=lambda names: max(written[name] for name in names))
    return sorted(found)
