"""What a number of images needs on so many slots: hours, memory, storage; arithmetic alone.

A slot is one core with a Python worker and its task manager. Its inputs are measured
(`benchmarks.scale` takes them from the runs of `benchmarks.engines`).

>>> step = StepCost(part=1.0, fixed_s=30.0, image_s=0.004, gain=0.9)
>>> round(step.seconds(images=1_000_000, slots=1, shard_images=1_000))
4030
>>> round(step.seconds(images=1_000_000, slots=11, shard_images=1_000))
430
>>> one_machine = Engine({"ExampleGen": StepCost(1.0, 2.0, 0.003, 1.0)})
>>> cluster = Engine({"ExampleGen": step})
>>> round(pays_from(cluster, one_machine, slots=2) or 0)
31294
>>> pays_from(cluster, one_machine, slots=1)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

IMAGES = 10_000_000
"""Of the bill in docs/how-to/beam.md."""
EVAL_PART = 0.1
"""Of all images, in that bill."""


@dataclass(frozen=True)
class StepCost:
    """What a step takes.

    Attributes:
      part: of all images that the step goes over, 0 to 1.
      fixed_s: time of its job whatever the size: upload, start of the workers, their imports.
      image_s: time of an image on the first slot.
      gain: what each further slot adds, as a part of the first.
    """

    part: float
    fixed_s: float
    image_s: float
    gain: float

    def seconds(self, images: int, slots: int, shard_images: float) -> float:
        """Time of the step's job.

        A shard is the work of one slot: the slots that have a shard more than the others are
        waited for, and those without a shard do nothing.

        Args:
          images: of the data set.
          slots: of the engine.
          shard_images: images in a shard.
        """
        mine = images * self.part
        shards = math.ceil(mine / shard_images)
        working = min(slots, shards)
        # As if the last round were full.
        rounds = math.ceil(shards / working) * working / shards
        return self.fixed_s + mine * self.image_s * rounds / self.speed(working)

    def speed(self, slots: int) -> float:
        """How many times the first slot so many are."""
        return 1 + (slots - 1) * self.gain


@dataclass(frozen=True)
class Memory:
    """Peaks in megabytes.

    Attributes:
      slot_mb: a worker and its task manager.
      cluster_mb: job manager and job server.
      step_mb: the step's own process, on few images.
      step_image_mb: by how much that grows with an image: it lists all files.
    """

    slot_mb: float
    cluster_mb: float
    step_mb: float
    step_image_mb: float

    def step_gb(self, images: int) -> float:
        """Of the step's process."""
        return (self.step_mb + images * self.step_image_mb) / 1_000

    def cluster_gb(self, slots: int) -> float:
        """Of everything else."""
        return (self.cluster_mb + slots * self.slot_mb) / 1_000


@dataclass(frozen=True)
class Engine:
    """The steps of one engine.

    Attributes:
      steps: cost by name, in their order.
      memory: None where it is not asked for.
    """

    steps: Mapping[str, StepCost]
    memory: Memory | None = field(default=None)

    def hours(self, images: int, slots: int, shard_images: float) -> dict[str, float]:
        """Time of each step's job, by name."""
        return {
            name: step.seconds(images, slots, shard_images) / 3600
            for name, step in self.steps.items()
        }


def pays_from(engine: Engine, other: Engine, slots: int) -> float | None:
    """From how many images on the steps of an engine together take less time than another's.

    The other has one slot: a machine as it is. None if it never does.
    """
    fixed_s = sum(step.fixed_s for step in engine.steps.values())
    fixed_s -= sum(step.fixed_s for step in other.steps.values())
    image_s = sum(step.part * step.image_s / step.speed(slots) for step in engine.steps.values())
    gained_s = sum(step.part * step.image_s for step in other.steps.values()) - image_s
    return max(fixed_s / gained_s, 0.0) if gained_s > 0 else None
