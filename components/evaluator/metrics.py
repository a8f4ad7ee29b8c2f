"""Metrics for TFMA that follow `components.evaluator.ranking`.

Keras's own count equal probabilities at the k-th place as a hit, and NaN as class 0.

    >>> TopK(k=5, name="top_5_accuracy").get_config()
    {'k': 5, 'name': 'top_5_accuracy'}
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types, metric_util

from components.evaluator.ranking import label_ranks, losses, predicted_classes

Score = Callable[[np.ndarray, np.ndarray], float]
"""The score of one image, of its label int64 [1] and its probabilities float [1, C]."""

_Sum = tuple[float, int]
"""The sum of the scores, and the number of images."""


class TopK(metric_types.Metric):
    """Share of images whose label is among the k most probable classes; for k = 1 the accuracy."""

    def __init__(self, k: int, name: str):
        super().__init__(metric_util.merge_per_key_computations(_top_k), k=k, name=name)


class CrossEntropy(metric_types.Metric):
    """The mean loss in nats; NaN where an image has no answer."""

    def __init__(self, name: str):
        super().__init__(metric_util.merge_per_key_computations(_cross_entropy), name=name)


# TFMA passes those of its values that the arguments name.
def _top_k(
    k: int, name: str, eval_config: Any, model_name: str, output_name: str, example_weighted: bool
) -> Any:
    key = _key(name, model_name, output_name, example_weighted)
    return _mean_of(functools.partial(_in_top, k=k), key, eval_config)


def _cross_entropy(
    name: str, eval_config: Any, model_name: str, output_name: str, example_weighted: bool
) -> Any:
    return _mean_of(_loss, _key(name, model_name, output_name, example_weighted), eval_config)


def _in_top(label: np.ndarray, probabilities: np.ndarray, k: int) -> float:
    return float(label_ranks(label, probabilities)[0] < k)


def _loss(label: np.ndarray, probabilities: np.ndarray) -> float:
    return float(losses(probabilities[0, label], predicted_classes(probabilities))[0])


def _key(name: str, model_name: str, output_name: str, example_weighted: bool) -> Any:
    return metric_types.MetricKey(
        name=name,
        model_name=model_name,
        output_name=output_name,
        example_weighted=example_weighted,
    )


def _mean_of(score: Score, key: Any, eval_config: Any) -> Any:
    combiner = _Mean(score, key, eval_config)
    return [metric_types.MetricComputation(keys=[key], preprocessors=None, combiner=combiner)]


class _Mean(beam.CombineFn):
    """The mean of the scores of all images."""

    def __init__(self, score: Score, key: Any, eval_config: Any):
        self._score = score
        self._key = key
        self._eval_config = eval_config

    def create_accumulator(self) -> _Sum:
        return 0.0, 0

    def add_input(self, accumulator: _Sum, element: Any) -> _Sum:
        label, probabilities, _ = next(
            metric_util.to_label_prediction_example_weight(
                element,
                eval_config=self._eval_config,
                model_name=self._key.model_name,
                output_name=self._key.output_name,
                flatten=False,
            )
        )
        score = self._score(label.reshape(1), probabilities.reshape(1, -1))
        return accumulator[0] + score, accumulator[1] + 1

    def merge_accumulators(self, accumulators: Iterable[_Sum]) -> _Sum:
        sums, counts = zip(*accumulators, strict=True)
        return sum(sums), sum(counts)

    def extract_output(self, accumulator: _Sum) -> dict[Any, float]:
        total, count = accumulator
        return {self._key: total / count if count else float("nan")}
