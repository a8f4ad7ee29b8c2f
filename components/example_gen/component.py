"""ImageExampleGen, the TFX component.

>>> from components.example_gen.config import DataConfig
>>> node = ImageExampleGen(DataConfig(name="digits"), fingerprint="5f2a", span=1, code="9c1b")
>>> sorted(node.outputs)
['examples', 'index', 'quarantine']
"""

from __future__ import annotations

from typing import Any, ClassVar

from tfx.types import standard_artifacts

from components.artifacts import ImageIndex, Quarantine
from components.component import BeamStep, Types
from components.example_gen.config import DataConfig
from components.example_gen.executor import Executor


class ImageExampleGen(BeamStep):
    """Turns any source of images with classes into `examples`, one split per slice.

    It also writes the `index` of the images and the `quarantine` of the rejected ones. TFX's own
    ExampleGens read files or queries; none reads tfds (tensorflow/tfx#2027).
    """

    EXECUTOR = Executor
    PROPERTIES: ClassVar[dict[str, Any]] = {
        "data": str,
        "fingerprint": str,
        "span": int,
        "code": str,
    }
    OUTPUTS: ClassVar[Types] = {
        "examples": standard_artifacts.Examples,
        "index": ImageIndex,
        "quarantine": Quarantine,
    }

    def __init__(self, data: DataConfig, fingerprint: str, span: int, code: str):
        """Makes the node.

        Args:
          data: the data set and its slices.
          fingerprint: `Source.fingerprint` of the data as it is now; part of the cache key.
          span: number of this data in the pipeline (`pipeline.inputs.span`).
          code: digest of the modules that the step runs and of the libraries that they use.
        """
        self._make({}, data=data.of_examples(), fingerprint=fingerprint, span=span, code=code)
