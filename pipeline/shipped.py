"""The configurations that come with the package, by name; none of them is read here.

>>> preset_names()[:3]
['cifar10', 'cifar100', 'digits']
"""

from __future__ import annotations

from pathlib import Path

PRESETS = Path(__file__).resolve().parent / "config" / "presets"
SCHEMAS = PRESETS / "schemas"
DEFAULT_PRESET = "digits"


def preset_names() -> list[str]:
    """The shipped presets, sorted."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))
