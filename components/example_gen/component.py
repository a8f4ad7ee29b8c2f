"""ImageExampleGen, the TFX component."""

from __future__ import annotations

from typing import Any, ClassVar

from tfx.types import standard_artifacts

from components.artifacts import ImageIndex, Quarantine
from components.component import BeamStep, Types
from components.example_gen.config import DataConfig
from components.example_gen.executor import Executor

_NOT_READ = {"curated_schema", "write_schema"}
"""Keys of `data` that change no example."""


class ImageExampleGen(BeamStep):
    """Any source of images with classes, as `examples` with a split a slice.

    Beside them the `index` of the images, and the `quarantine` of those that were set aside. TFX's
    own ExampleGens read files or queries; none knows tfds (tensorflow/tfx#2027).
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
          data: which data set, which slices.
          fingerprint: `Source.fingerprint` of the data as it is now; new data is a new key.
          span: number of that data in this pipeline (`pipeline.inputs.span`).
          code: digest of the modules that the step runs and of the libraries below them.
        """
        text = data.model_dump_json(exclude=_NOT_READ)
        self._make({}, data=text, fingerprint=fingerprint, span=span, code=code)
