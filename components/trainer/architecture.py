"""The BiT architecture as data: every weight's name and shape, from depth and width alone.

ResNet-v2 with GroupNorm and weight-standardised convolutions (Kolesnikov et al. 2020, "Big
Transfer (BiT)", arXiv 1912.11370, section 3; He et al. 2016, "Identity Mappings in Deep Residual
Networks"). Names follow the published `.npz` files of google-research/big_transfer, so that a
weight is found by the name that its authors gave it. Nothing here allocates a tensor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

STAGE_WIDTHS = (64, 128, 256, 512)
"""Bottleneck channels of the four stages of a ResNet at width factor 1."""

EXPANSION = 4
"""A bottleneck unit puts out this many times its inner channels (He et al. 2016)."""


@dataclass(frozen=True)
class Unit:
    """One pre-activation bottleneck: 1x1 reduce, 3x3 (carries the stride), 1x1 expand."""

    name: str
    channels_in: int
    channels: int
    stride: int

    @property
    def channels_out(self) -> int:
        """Channels of the unit's output."""
        return EXPANSION * self.channels

    @property
    def projects(self) -> bool:
        """Whether the shortcut needs a convolution to match the unit's output."""
        return self.stride != 1 or self.channels_in != self.channels_out


@dataclass(frozen=True)
class Architecture:
    """Depth and width of one BiT.

    Attributes:
      depths: units in each stage, at most four stages.
      widths: bottleneck channels of each stage; as many as `depths`.
      root_channels: channels of the root convolution.
      groups: groups of every GroupNorm; each normalised channel count must be a multiple.
    """

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    root_channels: int
    groups: int = 32

    @classmethod
    def resnet(cls, depths: tuple[int, ...], width_factor: int) -> Architecture:
        """The paper's R<depth>x<width_factor>."""
        widths = tuple(width * width_factor for width in STAGE_WIDTHS)
        return cls(depths=depths, widths=widths, root_channels=64 * width_factor)

    @property
    def embedding_size(self) -> int:
        """Length of the pre-logits vector."""
        return EXPANSION * self.widths[-1]

    def units(self) -> Iterator[Unit]:
        """Every unit in the order of the forward pass."""
        channels_in = self.root_channels
        for stage, (depth, channels) in enumerate(zip(self.depths, self.widths, strict=True), 1):
            for index in range(1, depth + 1):
                # The root has already shrunk the image by four: the first stage keeps its size.
                stride = 2 if stage > 1 and index == 1 else 1
                yield Unit(f"block{stage}/unit{index:02d}", channels_in, channels, stride)
                channels_in = EXPANSION * channels

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Each weight up to the pre-logits: name -> shape; kernels are [height, width, in, out]."""
        shapes: dict[str, tuple[int, ...]] = {
            "root_block/standardized_conv2d/kernel": (7, 7, 3, self.root_channels)
        }
        for unit in self.units():
            shapes |= _unit_shapes(unit)
        return shapes | _group_norm_shapes("group_norm", self.embedding_size)

    def parameter_count(self, num_classes: int = 0) -> int:
        """Number of weights; with `num_classes`, those of a linear head with bias are included."""
        backbone = sum(math.prod(shape) for shape in self.weight_shapes().values())
        return backbone + num_classes * (self.embedding_size + 1)


def _unit_shapes(unit: Unit) -> dict[str, tuple[int, ...]]:
    kernels = {
        "a": (1, 1, unit.channels_in, unit.channels),
        "b": (3, 3, unit.channels, unit.channels),
        "c": (1, 1, unit.channels, unit.channels_out),
    }
    shapes: dict[str, tuple[int, ...]] = {}
    for letter, kernel in kernels.items():
        shapes |= _group_norm_shapes(f"{unit.name}/{letter}/group_norm", kernel[2])
        shapes[f"{unit.name}/{letter}/standardized_conv2d/kernel"] = kernel
    if unit.projects:
        projection = (1, 1, unit.channels_in, unit.channels_out)
        shapes[f"{unit.name}/a/proj/standardized_conv2d/kernel"] = projection
    return shapes


def _group_norm_shapes(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}/gamma": (channels,), f"{name}/beta": (channels,)}


PUBLISHED = {
    "R50x1": Architecture.resnet((3, 4, 6, 3), 1),
    "R50x3": Architecture.resnet((3, 4, 6, 3), 3),
    "R101x1": Architecture.resnet((3, 4, 23, 3), 1),
    "R101x3": Architecture.resnet((3, 4, 23, 3), 3),
    "R152x2": Architecture.resnet((3, 8, 36, 3), 2),
    "R152x4": Architecture.resnet((3, 8, 36, 3), 4),
}
"""The networks of the paper (section 3.1 and big_transfer's model zoo)."""

BIT_MINI = Architecture(depths=(1, 1, 1), widths=(24, 48, 96), root_channels=24, groups=8)
"""The shipped backbone: the same units, narrow and shallow enough to train on a laptop's CPU."""
