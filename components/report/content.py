"""What a report shows, as plain data; a part that is None or empty has no section.

>>> report = Report(
...     pipeline="flowers", run_id="20261130-101500-000000", finished="2026-11-30T10:20:00",
...     verdict=BLESSED, counts={"train": SplitCounts(5, 4, {"empty": 1})},
... )
>>> report.rejects
{'empty': 1}
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components.example_gen.counts import SplitCounts, total

if TYPE_CHECKING:
    # The Kubeflow SDK's environment has no NumPy, and takes names from here.
    from components.data_gate.checks import Check
    from components.evaluator.abstention import Abstention
    from components.evaluator.gates import Gate

BLESSED, REJECTED, FAILED = "blessed", "rejected", "failed"


@dataclass(frozen=True)
class Number:
    """A metric with its 95 % interval and the baseline's value, where there are any."""

    value: float | None
    lower: float | None = None
    upper: float | None = None
    baseline: float | None = None


@dataclass(frozen=True)
class ClassRow:
    """Figures of one class; a ratio without examples is None.

    Attributes:
      name: the class.
      count: images whose true class it is.
      precision: right among those that were taken for it.
      recall: right among those that are it.
      f1: harmonic mean of the two.
      change: recall minus the baseline's recall; None without a baseline.
      lower: end of the recall's 95 % interval; None without images.
      upper: end of the recall's 95 % interval; None without images.
    """

    name: str
    count: int
    precision: float | None
    recall: float | None
    f1: float | None
    change: float | None = None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class Picture:
    """A thumbnail with what was seen in it.

    Attributes:
      image: JPEG or PNG bytes; empty where the image could not be decoded.
      true: index of the true class.
      predicted: index of the predicted class; None for a picture that only shows the data.
      probability: of the predicted class.
      true_probability: of the true class.
      source: where the image came from, as the image index has it; empty where that is not known.
    """

    image: bytes
    true: int
    predicted: int | None = None
    probability: float | None = None
    true_probability: float | None = None
    source: str = ""


@dataclass(frozen=True)
class Confusion:
    """Counts by class indices, without the zeros.

    Attributes:
      cells: (true, predicted, count).
      pictures: (true, predicted) -> positions in `Report.pictures`; not every cell has some.
    """

    cells: tuple[tuple[int, int, int], ...]
    pictures: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class CalibrationBin:
    """Images whose highest probability is in [lower, upper): how sure, and how often right."""

    lower: float
    upper: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Temperature:
    """What the Trainer fitted so that a probability is a share of right answers.

    Attributes:
      value: divides the logits; 1 changes nothing.
      images: of the eval split, from which it was fitted.
      error_before: expected calibration error on them without it.
      error: the same with it, each half of them by the temperature of the other half.
      before: bins that have images, rising, without it.
    """

    value: float
    images: int
    error_before: float
    error: float
    before: tuple[CalibrationBin, ...] = ()


@dataclass(frozen=True)
class SliceRow:
    """Accuracy on the images with one value of a feature."""

    name: str
    count: int
    accuracy: Number


@dataclass(frozen=True)
class FeatureRow:
    """TFDV's statistics of one feature in one split."""

    split: str
    name: str
    kind: str
    count: int
    missing: int
    details: dict[str, str]


@dataclass(frozen=True)
class Spread:
    """The smallest, the median and the largest of some numbers."""

    least: int
    median: float
    most: int


@dataclass(frozen=True)
class SplitImages:
    """What the images of one split are like.

    Attributes:
      split: its name.
      labels: how many there are of each class, by index.
      formats: how many there are of each format, by name.
      width: in pixels; None where there is no image.
      height: in pixels; None where there is no image.
      num_bytes: of the encoded image; None where there is no image.
      sides: how many have a shorter side in each bin of `Images.side_edges`.
      sizes: how many have so many bytes, in each bin of `Images.size_edges`.
    """

    split: str
    labels: tuple[int, ...]
    formats: dict[str, int]
    width: Spread | None
    height: Spread | None
    num_bytes: Spread | None
    sides: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """Images in it."""
        return sum(self.labels)


@dataclass(frozen=True)
class Images:
    """What the images are like, split by split.

    Attributes:
      splits: in the order of the examples.
      side_edges: of the bins of shorter sides in pixels, rising; empty where all are the same.
      size_edges: of the bins of encoded sizes in bytes, rising; empty where all are the same.
    """

    splits: tuple[SplitImages, ...]
    side_edges: tuple[int, ...] = ()
    size_edges: tuple[int, ...] = ()


@dataclass(frozen=True)
class LineageRow:
    """One artifact or input of the run: `kind` is Data, Backbone, Code, Library or a type.

    `name` is an artifact's output (`Trainer.model`), `where` its URI or path, empty where it
    has none, and `identity` its digest, version, or id and span.
    """

    kind: str
    name: str
    where: str
    identity: str


@dataclass(frozen=True)
class StepRow:
    """A step of the run; `state` is complete, cached, failed or skipped."""

    name: str
    state: str
    seconds: float | None


@dataclass(frozen=True)
class Report:
    """The whole page, in the order in which it shows it.

    Attributes:
      pipeline: the pipeline's name.
      run_id: of this run.
      finished: local time as ISO 8601.
      verdict: BLESSED, REJECTED or FAILED.
      reasons: why it was rejected or failed, in sentences; a failure's name its log.
      warnings: what was found damaged, and what was done without it, in sentences.
      gates: every gate that was applied.
      metrics: overall figures by name: accuracy, loss, top_5_accuracy, ...
      model_check: what ModelCheck measured, by name; {} where it did not ask the model.
      has_baseline: whether there was a model to compare with.
      split: the split that was judged.
      class_names: names by class index.
      classes: one row a class.
      slices: rows of other slices.
      confusion: None before there is an evaluation.
      calibration: bins that have images, rising.
      calibration_error: expected calibration error over these bins.
      temperature: None where the logits are not divided.
      abstention: what `serving.min_confidence` does; None where the model always names a class.
      unanswered: judged images whose probabilities name no class; charts and bins lack them.
      clipped: judged images whose loss is clipped.
      history: one row an epoch: epoch, learning_rate, accuracy, loss, val_accuracy, val_loss,
        restored (1 for the epoch whose weights the model has).
      pictures: thumbnails that the other parts point to by position.
      samples: positions of some training images.
      mistakes: positions of the worst mistakes, the surest first.
      statistics: rows of TFDV.
      anomalies: TFDV's sentences; None where the validator did not run.
      stored_images: some training images as they are stored, in one picture, PNG or JPEG.
      trained_images: some as the network sees them, in one picture.
      images: what the images are like; None where there is no index of them.
      counts: records read, accepted and set aside, by split.
      checks: of the data gate.
      config: the resolved configuration.
      lineage: where everything came from.
      steps: the steps of the run.
      links: text -> path or address relative to the page (the list of runs, the logs, ...).
    """

    pipeline: str
    run_id: str
    finished: str
    verdict: str
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    metrics: dict[str, Number] = field(default_factory=dict)
    model_check: dict[str, float] = field(default_factory=dict)
    has_baseline: bool = False
    split: str = "eval"
    class_names: tuple[str, ...] = ()
    classes: tuple[ClassRow, ...] = ()
    slices: tuple[SliceRow, ...] = ()
    confusion: Confusion | None = None
    calibration: tuple[CalibrationBin, ...] = ()
    calibration_error: float | None = None
    temperature: Temperature | None = None
    abstention: Abstention | None = None
    unanswered: int = 0
    clipped: int = 0
    history: tuple[dict[str, float | None], ...] = ()
    pictures: tuple[Picture, ...] = ()
    samples: tuple[int, ...] = ()
    mistakes: tuple[int, ...] = ()
    statistics: tuple[FeatureRow, ...] = ()
    anomalies: tuple[str, ...] | None = None
    stored_images: bytes = b""
    trained_images: bytes = b""
    images: Images | None = None
    counts: dict[str, SplitCounts] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    lineage: tuple[LineageRow, ...] = ()
    steps: tuple[StepRow, ...] = ()
    links: dict[str, str] = field(default_factory=dict)

    @property
    def rejects(self) -> dict[str, int]:
        """Reason -> number of records that were set aside; empty where there were none."""
        return total(self.counts.values()).rejected
