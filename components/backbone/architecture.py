"""The BiT architecture as data: the name and shape of every weight, from depth and width alone.

ResNet-v2 with GroupNorm and weight-standardised convolutions (Kolesnikov et al. 2020, "Big
Transfer (BiT)", arXiv 1912.11370, section 3; He et al. 2016, "Identity Mappings in Deep Residual
Networks"). Names follow the published `.npz` files of google-research/big_transfer. Nothing here
allocates a tensor.

    >>> r50x1 = PUBLISHED["R50x1"]
    >>> r50x1.embedding_size, r50x1.parameter_count()
    (2048, 23500352)
    >>> r50x1.weight_shapes()[ROOT_KERNEL]
    (7, 7, 3, 64)
    >>> infer(r50x1.weight_shapes()) == r50x1
    True
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

STAGE_WIDTHS = (64, 128, 256, 512)
"""Bottleneck channels of the four stages of a ResNet with width factor 1."""

ROOT_KERNEL = "root_block/standardized_conv2d/kernel"

EXPANSION = 4
"""Output channels of a bottleneck unit per inner channel (He et al. 2016)."""

PAPER_GROUPS = 32
"""Groups of every GroupNorm in the published networks."""


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
      depths: number of units in each stage, for at most four stages.
      widths: bottleneck channels of each stage.
      root_channels: channels of the root convolution.
      groups: groups of every GroupNorm; must divide the channel count of each.
    """

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    root_channels: int
    groups: int = PAPER_GROUPS

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
        """All units, in the order of the forward pass."""
        channels_in = self.root_channels
        for stage, (depth, channels) in enumerate(zip(self.depths, self.widths, strict=True), 1):
            for index in range(1, depth + 1):
                # The root has reduced the image by four, so the first stage has no stride.
                stride = 2 if stage > 1 and index == 1 else 1
                yield Unit(f"block{stage}/unit{index:02d}", channels_in, channels, stride)
                channels_in = EXPANSION * channels

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of each weight before the head; kernels are [height, width, in, out]."""
        shapes: dict[str, tuple[int, ...]] = {ROOT_KERNEL: (7, 7, 3, self.root_channels)}
        for unit in self.units():
            shapes |= _unit_shapes(unit)
        return shapes | _group_norm_shapes("group_norm", self.embedding_size)

    def parameter_count(self, num_classes: int = 0) -> int:
        """Number of parameters; with `num_classes`, including a linear head with bias."""
        backbone = sum(math.prod(shape) for shape in self.weight_shapes().values())
        return backbone + num_classes * (self.embedding_size + 1)

    def possible_groups(self) -> list[int]:
        """Group counts that divide all normalised channel counts: 32 first, then descending."""
        units = list(self.units())
        channels = [*(unit.channels for unit in units), *(unit.channels_in for unit in units)]
        common = math.gcd(*channels, self.embedding_size)
        divisors = [groups for groups in range(common, 0, -1) if common % groups == 0]
        return sorted(divisors, key=lambda groups: groups != PAPER_GROUPS)


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


_NUMBERED = re.compile(r"(standardized_conv2d|group_norm)_\d+(?=/)")


def canonical_names(stored: Iterable[str]) -> dict[str, str]:
    """Maps the names in `weight_shapes` to the names of the weights in a file or module.

    A common prefix (`resnet/` in the published files), the `:0` of a variable and the numbers that
    Keras appends (`standardized_conv2d_3`, in some published files too) are removed. Other weights
    get names that are not in `weight_shapes`.

    Returns:
      Canonical name -> stored name.

    Raises:
      ValueError: there is not exactly one root kernel, or two names stand for one weight.
    """
    plain = {name: _NUMBERED.sub(r"\1", name.removesuffix(":0")) for name in stored}
    roots = [name for name in plain.values() if f"/{name}".endswith(f"/{ROOT_KERNEL}")]
    if len(roots) != 1:
        raise ValueError(f"{len(roots)} weights are named {ROOT_KERNEL}")
    prefix = roots[0].removesuffix(ROOT_KERNEL)
    canonical: dict[str, str] = {}
    for name, text in plain.items():
        short = text.removeprefix(prefix)
        if short in canonical:
            raise ValueError(f"{canonical[short]} and {name} are the same weight")
        canonical[short] = name
    return canonical


def infer(shapes: Mapping[str, tuple[int, ...]], groups: int = PAPER_GROUPS) -> Architecture:
    """The architecture with exactly these weights.

    Args:
      shapes: canonical name -> shape.
      groups: of the GroupNorms, which the shapes do not determine.

    Raises:
      ValueError: there is none; the message lists missing, unknown and misshapen weights.
    """
    depths: list[int] = []
    widths: list[int] = []
    while (first := _middle_kernel(len(depths) + 1, 1)) in shapes:
        depth = 1
        while _middle_kernel(len(depths) + 1, depth + 1) in shapes:
            depth += 1
        depths.append(depth)
        widths.append(shapes[first][-1])
    if not depths:
        raise ValueError(f"there is no {_middle_kernel(1, 1)}")
    architecture = Architecture(tuple(depths), tuple(widths), shapes[ROOT_KERNEL][-1], groups)
    expected = architecture.weight_shapes()
    wrong = [f"{name} is missing" for name in expected if name not in shapes]
    wrong += [f"{name} is unknown" for name in shapes if name not in expected]
    wrong += [
        f"{name} is {list(shapes[name])} instead of {list(shape)}"
        for name, shape in expected.items()
        if name in shapes and tuple(shapes[name]) != shape
    ]
    if wrong:
        rest = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ValueError(", ".join(wrong[:3]) + rest)
    return architecture


def _middle_kernel(stage: int, index: int) -> str:
    return f"block{stage}/unit{index:02d}/b/standardized_conv2d/kernel"


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
"""The shipped backbone: the same units, narrow and shallow enough for training on a CPU."""
