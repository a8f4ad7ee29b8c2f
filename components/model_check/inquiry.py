"""Asks a served model in a process of TensorFlow alone, as a server would.

`components.model_check.executor` starts it: with the folder of the model, the job (`Job`, JSON),
the queries (`components.model_check.queries`) and where the findings go. In it:

    from components.model_check.inquiry import Inquiry
    from components.model_check.queries import every_format

    inquiry = Inquiry("serving/1764497700", job, records, list(every_format(image)))
    [check.sentence for check in inquiry.findings().checks if not check.passed]
"""

from __future__ import annotations

import contextlib
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.model_check.answers import Outputs, RefusedError, check_answers, sides
from components.model_check.findings import Check, Findings, write_findings
from components.model_check.job import Expected, Job
from components.model_check.queries import BAD_IMAGE, BATCHES, Query, read_arrays
from components.process import end_with_parent
from components.signatures import (
    ERROR,
    LABELS,
    PREDICT_IMAGE,
    PREDICT_PIXELS,
    PROBABILITIES,
    SERVING_DEFAULT,
    VALID,
    Signature,
    signatures,
)

TOLERANCE = 1e-5
"""By which probabilities may differ from those that the Evaluator stored."""
_LOSSY_TOLERANCE = 1e-3
"""For JPEG, whose decoders may differ by a level."""

_LATENCY_REQUESTS, _LATENCY_S = 50, 5.0
_BUDGET_S = 120.0
"""Seconds that one request may be expected to take; larger batches are left out."""


class Inquiry:
    """One model, asked check by check; a failed check does not stop those after it."""

    def __init__(self, folder: str, job: Job, records: Sequence[bytes], queries: Sequence[Query]):
        self._folder, self._job = folder, job
        self._records, self._queries = records, queries
        self._checks: list[Check] = []
        self._model: Any = None
        self._images: list[bytes] = []
        self._latency_s = (0.0, 0.0)
        self._rate = 0.0
        self._by_name = {each.name: each for each in self._contract()}

    def findings(self) -> Findings:
        """Makes every check, then measures."""
        import tensorflow  # noqa: F401  # Its import is not the model's time.

        started = time.perf_counter()
        self._check("load", self._load)
        load_s = time.perf_counter() - started
        if self._model is None:
            return Findings(tuple(self._checks))
        self._check("signatures", self._signatures)
        if not self._checks[-1].passed:
            return Findings(tuple(self._checks), load_s, _memory_mb())
        self._check("labels", self._labels)
        self._check("answers", self._answers)
        if not self._checks[-1].passed:
            return Findings(tuple(self._checks), load_s, _memory_mb())
        self._check("latency", self._latency)
        if not self._checks[-1].passed:
            return Findings(tuple(self._checks), load_s, _memory_mb())
        self._check("batches", self._batches)
        self._check("predictions", self._predictions)
        self._check("formats", self._formats)
        self._check("bad_image", self._bad_image)
        self._check("empty", self._empty)
        p50, p99 = (1_000 * seconds for seconds in self._latency_s)
        return Findings(
            tuple(self._checks), load_s, _memory_mb(), p50, p99, self._rate, len(self._records)
        )

    def _check(self, name: str, make: Callable[[], str]) -> None:
        try:
            sentence, passed = make(), True
        except RefusedError as refused:
            sentence, passed = str(refused), False
        except Exception as error:  # Whatever a model raises is a finding.
            sentence, passed = f"{name}: {_one_line(error)}", False
        self._checks.append(Check(name, passed, sentence))

    def _load(self) -> str:
        import tensorflow as tf

        if not Path(self._folder, "saved_model.pb").exists():
            raise RefusedError(f"the model does not load: {self._folder} has no saved_model.pb")
        try:
            self._model = tf.saved_model.load(self._folder)
        except Exception as error:
            raise RefusedError(
                f"the model does not load with TensorFlow {tf.__version__} alone: "
                f"{_one_line(error)}"
            ) from error
        return f"the model loads with TensorFlow {tf.__version__} alone"

    def _signatures(self) -> str:
        import tensorflow as tf

        contract = self._contract()
        for each in contract:
            if each.name not in self._model.signatures:
                raise RefusedError(f"the signature {each.name} is missing")
            function = self._model.signatures[each.name]
            _, given = function.structured_input_signature
            for what, ours, theirs in (
                ("input", each.inputs, given),
                ("output", each.outputs, function.structured_outputs),
            ):
                if ours.keys() != theirs.keys():
                    raise RefusedError(
                        f"the signature {each.name} has the {what}s {', '.join(sorted(theirs))}, "
                        f"and not {', '.join(sorted(ours))}"
                    )
                for name, tensor in ours.items():
                    found = theirs[name]
                    shape = tuple(found.shape.as_list()) if found.shape.rank is not None else None
                    dtype = tf.as_dtype(found.dtype).name
                    if (dtype, shape) != (tensor.dtype, tensor.shape):
                        raise RefusedError(
                            f"the {what} {name} of the signature {each.name} is {dtype} "
                            f"{sides(shape)}, and not {tensor.dtype} {sides(tensor.shape)}"
                        )
        return f"it has the signatures {', '.join(each.name for each in contract)}"

    def _contract(self) -> tuple[Signature, ...]:
        return signatures(len(self._job.class_names), self._job.side)

    def _labels(self) -> str:
        names = [name.decode() for name in self._model.signatures[LABELS]()[LABELS].numpy()]
        if names != list(self._job.class_names):
            pairs = zip(names, self._job.class_names, strict=True)
            place = next(place for place, (ours, theirs) in enumerate(pairs) if ours != theirs)
            raise RefusedError(
                f"its column {place} is named {names[place]!r}, and the data's class {place} is "
                f"{self._job.class_names[place]!r}"
            )
        return f"its {len(names):,} columns have the names of the classes"

    def _answers(self) -> str:
        """Asks for one image by both signatures, and remembers the encoded images."""
        import tensorflow as tf

        for record in self._records:
            features = tf.train.Example.FromString(record).features.feature
            self._images.append(features["image"].bytes_list.value[0])
        for name, rows in ((SERVING_DEFAULT, self._records), (PREDICT_IMAGE, self._images)):
            outputs = self._ask(name, rows[:1])
            self._hold_to_contract(name, outputs, 1)
        return (
            "both signatures of encoded images return a result for images of the "
            f"{self._job.split} split"
        )

    def _hold_to_contract(self, name: str, outputs: Outputs, rows: int) -> None:
        job = self._job
        check_answers(self._by_name[name], outputs, rows, job.class_names, job.min_confidence)

    def _latency(self) -> str:
        """p50 and p99 of requests of one image, once the model is warm."""
        for image in self._images[:3]:
            self._ask(PREDICT_IMAGE, [image])
        times: list[float] = []
        ends = time.perf_counter() + _LATENCY_S
        while len(times) < _LATENCY_REQUESTS and (len(times) < 3 or time.perf_counter() < ends):
            started = time.perf_counter()
            self._ask(PREDICT_IMAGE, [self._images[len(times) % len(self._images)]])
            times.append(time.perf_counter() - started)
        self._latency_s = (statistics.median(times), float(np.quantile(times, 0.99)))
        return f"{len(times)} requests of one image, one after another, are answered"

    def _asked_batches(self) -> list[int]:
        return [size for size in BATCHES if size == 1 or self._latency_s[0] * size < _BUDGET_S]

    def _request_of(self, size: int) -> list[bytes]:
        """So many images, again from the first where there are fewer."""
        return [self._images[place % len(self._images)] for place in range(size)]

    def _batches(self) -> str:
        """The same answers whatever else is in the request."""
        few = min(len(self._images), 7)
        alone = np.concatenate(
            [self._ask(PREDICT_IMAGE, [image])[PROBABILITIES] for image in self._images[:few]]
        )
        asked = self._asked_batches()
        for size in asked:
            started = time.perf_counter()
            outputs = self._ask(PREDICT_IMAGE, self._request_of(size))
            self._rate = size / (time.perf_counter() - started)
            self._hold_to_contract(PREDICT_IMAGE, outputs, size)
            same = min(size, few)
            self._compare(
                outputs[PROBABILITIES][:same],
                alone[:same],
                f"predict_image gives an image other probabilities in a request of {size} images",
            )
        return f"requests of {', '.join(map(str, asked))} images have the same answers"

    def _predictions(self) -> str:
        """The Evaluator's answers for these very records, from the table that it stored."""
        expected = self._job.expected
        size = self._asked_batches()[-1]
        for name, rows in ((SERVING_DEFAULT, self._records), (PREDICT_IMAGE, self._images)):
            for start in range(0, len(rows), size):
                outputs = self._ask(name, rows[start : start + size])
                for probabilities, each in zip(
                    outputs[PROBABILITIES], expected[start : start + size], strict=True
                ):
                    self._compare_row(name, probabilities, each)
        return f"its probabilities for {len(expected)} images are the Evaluator's"

    def _compare_row(self, name: str, probabilities: NDArray[Any], expected: Expected) -> None:
        classes = [expected.label, *expected.top_classes]
        wanted = np.array([expected.label_probability, *expected.top_probabilities])
        self._compare(
            probabilities[classes],
            wanted,
            f"{name} gives other probabilities than the Evaluator stored",
        )

    def _formats(self) -> str:
        """Every format gives what its pixels give, as Pillow decodes them."""
        import tensorflow as tf

        side = self._job.side
        for query in self._queries:
            pixels = tf.image.resize(query.pixels, (side, side)) / 255.0
            wanted = self._model.signatures[PREDICT_PIXELS](pixels=pixels[tf.newaxis])
            found = self._ask(PREDICT_IMAGE, [query.image])
            self._hold_to_contract(PREDICT_IMAGE, found, 1)
            self._compare(
                found[PROBABILITIES],
                wanted[PROBABILITIES].numpy(),
                f"predict_image gives a {query.format} other probabilities than predict_pixels "
                "gives its pixels",
                _LOSSY_TOLERANCE if query.format == "JPEG" else TOLERANCE,
            )
        names = ", ".join(query.format for query in self._queries)
        return f"{names}: the same by their bytes and by their pixels"

    def _bad_image(self) -> str:
        """A bad image costs its own row."""
        first, last = self._images[0], self._images[-1]
        outputs = self._ask(PREDICT_IMAGE, [first, BAD_IMAGE, b"", last])
        if outputs[VALID].tolist() != [True, False, False, True]:
            raise RefusedError("a bad image in a request is not the only one without an answer")
        if not all(outputs[ERROR][1:3]):
            raise RefusedError("error says nothing of a bad image")
        if not np.isnan(outputs[PROBABILITIES][1:3]).all():
            raise RefusedError("the probabilities of a bad image are not NaN")
        good = self._ask(PREDICT_IMAGE, [first, last])[PROBABILITIES]
        self._compare(
            outputs[PROBABILITIES][[0, 3]],
            good,
            "predict_image gives other probabilities beside a bad image",
        )
        return "a bad image affects only its own row"

    def _empty(self) -> str:
        import tensorflow as tf

        contract = self._contract()
        for each in contract:
            if not each.inputs:
                continue
            ((name, tensor),) = each.inputs.items()
            shape = [side or 0 for side in tensor.shape]
            empty = (
                tf.constant([], tf.string)
                if tensor.dtype == "string"
                else tf.zeros(shape, tensor.dtype)
            )
            outputs = self._model.signatures[each.name](**{name: empty})
            for key, wanted in each.outputs.items():
                if tuple(outputs[key].shape) != wanted.of(0):
                    raise RefusedError(
                        f"{each.name} gives {key} of the shape {sides(outputs[key].shape)} for no "
                        f"images, and not {sides(wanted.of(0))}"
                    )
        return "an empty request has an empty answer"

    def _ask(self, name: str, rows: Sequence[bytes]) -> Outputs:
        import tensorflow as tf

        signature = self._model.signatures[name]
        (argument,) = signature.structured_input_signature[1]
        outputs = signature(**{argument: tf.constant(list(rows), tf.string)})
        return {key: value.numpy() for key, value in outputs.items()}

    def _compare(
        self, found: NDArray[Any], wanted: NDArray[Any], what: str, tolerance: float = TOLERANCE
    ) -> None:
        apart = float(np.max(np.abs(found - wanted), initial=0.0))
        if not apart <= tolerance:
            raise RefusedError(f"{what}: they differ by up to {apart:.3g}, more than {tolerance:g}")


def _one_line(error: Exception) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {text}"[:300]


def _memory_mb() -> float:
    """The most memory that this process had; its ru_maxrss begins with that of its parent."""
    (line,) = re.findall(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(line) * 1_024 / 1e6


def main(folder: str, job: str, queries: str, findings: str) -> None:
    """Asks the model in `folder`, and writes what was found."""
    records, asked = read_arrays(Path(queries))
    inquiry = Inquiry(folder, Job.read(Path(job)), records, asked)
    with contextlib.redirect_stdout(sys.stderr):
        found = inquiry.findings()
    write_findings(found, Path(findings))


if __name__ == "__main__":
    end_with_parent()
    main(*sys.argv[1:])
