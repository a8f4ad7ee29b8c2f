"""The BiT-HyperRule: what to fine-tune with, from the number of images and their size alone.

Kolesnikov et al. 2020, "Big Transfer (BiT)", arXiv 1912.11370, section 3.3 and appendix A. Numbers
are for batch 512; `schedule.py` makes steps of them for any batch.
"""

from __future__ import annotations

from dataclasses import dataclass

SMALL, MEDIUM = 20_000, 500_000
"""A task below the first number of training images is small, below the second medium."""

LOW_RESOLUTION_AREA = 96 * 96
"""Images of fewer pixels are low-resolution ones."""


@dataclass(frozen=True)
class HyperRule:
    """Steps at batch 512, and the strength of MixUp.

    Attributes:
      warmup: steps over which the rate rises from zero.
      boundaries: steps after which the rate is divided by ten.
      end: steps in all.
      mixup: alpha of MixUp's Beta distribution; 0 is no MixUp.
    """

    warmup: int
    boundaries: tuple[int, ...]
    end: int
    mixup: float


def hyperrule(num_images: int) -> HyperRule:
    """The rule for a task of so many training images.

    Raises:
      ValueError: there is none.
    """
    if num_images < 1:
        raise ValueError(f"a task has training images; {num_images} is no number of them")
    if num_images < SMALL:
        return HyperRule(warmup=100, boundaries=(200, 300, 400), end=500, mixup=0.0)
    if num_images < MEDIUM:
        return HyperRule(warmup=500, boundaries=(3_000, 6_000, 9_000), end=10_000, mixup=0.1)
    return HyperRule(warmup=500, boundaries=(6_000, 12_000, 18_000), end=20_000, mixup=0.1)


def mixup_alpha(given: float | None, num_images: int) -> float:
    """Alpha of MixUp: the given one, or the rule's where it is None."""
    return hyperrule(num_images).mixup if given is None else given


def resolution(height: int, width: int) -> tuple[int, int]:
    """Sides in pixels that images of this size are resized to, and cropped to, for training.

    In evaluation images take the crop's side at once (google-research/big_transfer
    `bit_tf2/input_pipeline_tf2_or_jax.py`).
    """
    return (160, 128) if height * width < LOW_RESOLUTION_AREA else (512, 480)
