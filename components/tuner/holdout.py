"""Which images of the train split trials are judged on.

>>> held_out_count(count=100, share=0.15, classes=5)
15
>>> int(hold_out(count=100, held_out=15, seed=42).sum())
15
"""

from __future__ import annotations

import numpy as np

from components.errors import UserError


def held_out_count(count: int, share: float, classes: int) -> int:
    """How many images are held out.

    Args:
      count: images of the train split.
      share: `search.holdout`.
      classes: of the data set.

    Raises:
      UserError: none would be, or too few would be left to learn from.
    """
    held_out = round(share * count)
    if held_out == 0:
        raise UserError(
            f"search.holdout {share} of {count} training images is less than one image to evaluate "
            "trials on: give a larger part, or more images."
        )
    if count - held_out < classes:
        raise UserError(
            f"search.holdout {share} leaves {count - held_out} of {count} training images to learn "
            f"{classes} classes from: give a smaller part, or more images."
        )
    return held_out


def hold_out(count: int, held_out: int, seed: int) -> np.ndarray:
    """Draws the images that are held out; bool [count], by place in the split."""
    chosen = np.zeros(count, bool)
    chosen[np.random.default_rng(seed).permutation(count)[:held_out]] = True
    return chosen
