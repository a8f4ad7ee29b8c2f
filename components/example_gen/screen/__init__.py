"""The screen: which images can be trained on, and why the others cannot.

>>> from components.example_gen.config import ScreenConfig
>>> from components.example_gen.screen import screen
>>> screen(b"no image", ScreenConfig()).sentence
"text and not an image; it begins with 'no image'; remove it from the data"
"""

from typing import Any

__all__ = ["Accepted", "Reason", "Refused", "check_label", "screen"]


def __getattr__(name: str) -> Any:
    """Imports the names above when they are asked for: most of the room's modules need less."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from components.example_gen.screen import acceptance

    return getattr(acceptance, name)
