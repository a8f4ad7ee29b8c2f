"""The `serving` section, and the settings of ModelCheck.

>>> ServingConfig(max_latency_ms=200).max_memory_mb is None
True
"""

from __future__ import annotations

from pydantic import Field

from components.section import Names, Section


class ServingConfig(Section):
    """What a model must do to be served; ModelCheck measures it before the push."""

    max_latency_ms: float | None = Field(
        None,
        gt=0,
        description="The longest time that the model may take for one image, in milliseconds: the "
        "99th percentile of 50 requests on the machine that runs ModelCheck. null measures it "
        "without a limit.",
    )
    min_confidence: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="The least probability of the first class with which the model names a class; "
        "below it `class_index` is -1 and `class_name` is empty. It is part of the model: another "
        "value trains again. null always names one.",
    )
    max_memory_mb: float | None = Field(
        None,
        gt=0,
        description="The most memory that a process with TensorFlow and the model may take, in MB, "
        "for a request of 64 images. null measures it without a limit.",
    )


class ModelCheckSettings(Section):
    """The settings of ModelCheck.

    Attributes:
      serving: the section of the configuration.
      split: the split that the Evaluator judged, from which the images are taken.
      class_names: names by class index.
      side: of the images that the network sees, in pixels.
      pipeline: the name by which a server knows the model.
    """

    serving: ServingConfig
    split: str
    class_names: Names
    side: int
    pipeline: str
