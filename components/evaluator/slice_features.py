"""Features to slice by that Transform makes.

>>> slice_features("/out/artifacts/Transform/transform_graph/4", ("image_side",)).stage_name
'ExtractSliceFeatures'
"""

from __future__ import annotations

from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_model_analysis as tfma
import tensorflow_transform as tft


def slice_features(transform_graph: str, names: tuple[str, ...]) -> tfma.extractors.Extractor:
    """An extractor that adds the transform graph's slice features to the examples' own.

    Args:
      transform_graph: folder of the Transform step's output.
      names: which, of `SLICE_FEATURES`.
    """

    @beam.ptransform_fn
    def add(extracts: beam.PCollection) -> beam.PCollection:
        return extracts | "Transform" >> beam.ParDo(_AddFeatures(transform_graph, names))

    return tfma.extractors.Extractor(stage_name="ExtractSliceFeatures", ptransform=add())


class _AddFeatures(beam.DoFn):
    def __init__(self, transform_graph: str, names: tuple[str, ...]):
        self._path = transform_graph
        self._names = names

    def setup(self) -> None:
        """Beam's hook: loads the graph once a worker."""
        graph = tft.TFTransformOutput(self._path)
        layer, spec = graph.transform_features_layer(), graph.raw_feature_spec()

        # One graph around it, so that what only the image needs is never computed.
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def transform(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
            features = layer(tf.io.parse_example(serialized, spec))
            return {name: features[name] for name in self._names}

        self._transform = transform

    def process(self, batch: dict[str, Any]) -> Any:
        """Beam's hook: one batch of extracts."""
        made = self._transform(tf.constant(list(batch[tfma.INPUT_KEY])))
        features = {name: np.asarray(value).reshape(-1, 1) for name, value in made.items()}
        yield {**batch, tfma.FEATURES_KEY: {**batch[tfma.FEATURES_KEY], **features}}
