"""The BiT-HyperRule: hyper-parameters from the number of training images and their size alone.

Kolesnikov et al. 2020, "Big Transfer (BiT)", arXiv 1912.11370, section 3.3 and appendix A. Steps
are for batch 512; `schedule.py` converts them to any batch size.

    >>> hyperrule(50_000)  # CIFAR-10
    HyperRule(warmup=500, boundaries=(3000, 6000, 9000), end=10000, mixup=0.1)
    >>> resolution(height=32, width=32)
    (160, 128)
"""

from __future__ import annotations

from dataclasses import dataclass

SMALL, MEDIUM = 20_000, 500_000
"""Limits of small and of medium tasks, in training images."""

LOW_RESOLUTION_AREA = 96 * 96
"""Images with fewer pixels are of low resolution."""


@dataclass(frozen=True)
class HyperRule:
    """Steps at batch 512, and the strength of MixUp.

    Attributes:
      warmup: steps over which the rate rises from zero.
      boundaries: steps after which the rate is divided by ten.
      end: total number of steps.
      mixup: alpha of MixUp's Beta distribution; 0 is no MixUp.
    """

    warmup: int
    boundaries: tuple[int, ...]
    end: int
    mixup: float


def hyperrule(num_images: int) -> HyperRule:
    """The rule for a task with this number of training images.

    Raises:
      ValueError: the number is below 1.
    """
    if num_images < 1:
        raise ValueError(f"the number of training images must be at least 1, not {num_images}")
    if num_images < SMALL:
        return HyperRule(warmup=100, boundaries=(200, 300, 400), end=500, mixup=0.0)
    if num_images < MEDIUM:
        return HyperRule(warmup=500, boundaries=(3_000, 6_000, 9_000), end=10_000, mixup=0.1)
    return HyperRule(warmup=500, boundaries=(6_000, 12_000, 18_000), end=20_000, mixup=0.1)


def mixup_alpha(given: float | None, num_images: int) -> float:
    """Alpha of MixUp: the given one, or the rule's if it is None."""
    return hyperrule(num_images).mixup if given is None else given


def resolution(height: int, width: int) -> tuple[int, int]:
    """Sides in pixels to resize to and to crop to, in training on images of this size.

    In evaluation, images are resized to the crop's side (google-research/big_transfer
    `bit_tf2/input_pipeline_tf2_or_jax.py`).
    """
    return (160, 128) if height * width < LOW_RESOLUTION_AREA else (512, 480)
