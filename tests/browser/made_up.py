"""Made-up reports of any number of classes, with pictures as large as real thumbnails."""

import io
import math

import numpy as np
import pyarrow as pa
from PIL import Image

from components.data_gate.checks import Check
from components.evaluator.abstention import Abstention
from components.evaluator.gates import Gate
from components.example_gen.counts import SplitCounts
from components.pictures.grid import Line, Tile, draw_grid, smaller
from components.report.content import (
    BLESSED,
    FAILED,
    REJECTED,
    CalibrationBin,
    ClassRow,
    Confusion,
    FeatureRow,
    LineageRow,
    Number,
    Picture,
    Report,
    SliceRow,
    StepRow,
    Temperature,
)
from components.report.images import describe

EVIL = ("<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>")
"""Names that a page must show and not run."""
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ALL_SECTIONS = [
    "verdict", "metrics", "serving", "classes", "slices", "confusion", "calibration", "training",
    "samples", "mistakes", "data", "rejects", "config", "lineage", "steps",
]  # fmt: skip


def thumbnail(random, side=64, format="JPEG"):
    """A picture with as much detail as a photograph, so that it compresses as one does."""
    coarse = random.integers(0, 255, (6, 6, 3)).astype(np.uint8)
    pixels = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))
    noisy = np.clip(pixels + random.normal(0, 12, pixels.shape), 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noisy).save(stream, format)
    return stream.getvalue()


def failed_report():
    """A run that broke before there was anything to judge."""
    steps = (StepRow("ImageExampleGen", "complete", 4.2), StepRow("Trainer", "failed", 61.0))
    reason = "Trainer: ValueError: no images are left (see /runs/x/logs/1/Trainer.log)"
    return Report("flowers", "7", "2025-03-01T12:30:05", FAILED, (reason,), steps=steps)


def empty_report():
    """The least that a report can be."""
    return Report("flowers", "8", "2025-03-01T12:30:05", BLESSED)


def names_of(classes):
    """Digits for ten classes, and otherwise names as long as ImageNet's, two of them evil."""
    if classes == len(DIGITS):
        return DIGITS
    names = [
        f"{'species of a long name' if i % 9 == 4 else 'kind'} {i:03d}" for i in range(classes)
    ]
    names[1:3] = EVIL[: classes - 1]
    return tuple(names)


def full_report(classes=10, verdict=REJECTED, side=64, seed=0):
    """A report with every section.

    Its confusion matrix comes from 100 images a class (20 where there are many classes), of which
    up to a third are taken for another class.
    """
    random = np.random.default_rng(seed)
    names = names_of(classes)
    matrix = _matrix(classes, random)
    pictures, positions = _cell_pictures(matrix, random, side)
    samples = tuple(range(len(pictures), len(pictures) + 24))
    pictures += [Picture(thumbnail(random, side), int(i % classes)) for i in range(24)]
    mistakes = tuple(spot for (t, p), spots in positions.items() if t != p for spot in spots)[:24]
    pictures[mistakes[-1]] = Picture(b"", 0, 1, 0.5, None)
    return Report(
        pipeline="bit-on-tfx",
        run_id="2025-03-01T12-30-05",
        finished="2025-03-01T12:30:05.123456+01:00",
        verdict=verdict,
        reasons=() if verdict == BLESSED else ("accuracy 0.8421 is below the limit 0.9000",),
        gates=_gates(names, verdict),
        model_check={
            "images": 64,
            "p50_ms": 9.13,
            "p99_ms": 16.2,
            "images_per_s": 205.4,
            "load_s": 1.34,
            "memory_mb": 812.5,
        },
        metrics={
            "accuracy": Number(0.8421, 0.8211, 0.8604, 0.8312),
            "loss": Number(0.4312, 0.4, 0.47, 0.41234),
            "top_5_accuracy": Number(0.9921, 0.98, 0.997, None),
            "example_count": Number(float(matrix.sum())),
            "auc": Number(math.nan),
        },
        has_baseline=True,
        class_names=names,
        classes=_class_rows(names, matrix, random),
        slices=(
            SliceRow("side: small", 120, Number(0.71, 0.66, 0.76, 0.75)),
            SliceRow("side: large", 1080, Number(0.86, 0.84, 0.88, 0.85)),
        ),
        confusion=Confusion(
            tuple((int(t), int(p), int(matrix[t, p])) for t, p in np.argwhere(matrix)), positions
        ),
        calibration=tuple(
            CalibrationBin(i / 10, (i + 1) / 10, 5 * i * i, i / 10 + 0.05, (i / 10) ** 1.1)
            for i in range(2, 10)
        ),
        calibration_error=0.0312,
        temperature=Temperature(
            1.4142,
            1_200,
            0.0871,
            0.0298,
            tuple(
                CalibrationBin(i / 15, (i + 1) / 15, 4 * i * i, i / 15 + 0.03, (i / 15) ** 1.6)
                for i in range(3, 15)
            ),
        ),
        abstention=Abstention(0.6, 1_200, 1_050, 0.9143),
        history=_history(),
        pictures=tuple(pictures),
        samples=samples,
        mistakes=mistakes,
        images=images(classes),
        stored_images=sheet(names, 3, 200),
        trained_images=sheet(names, 5, 160),
        **_about_the_run(),
    )


def _about_the_run():
    """What does not depend on the classes."""
    return dict(  # noqa: C408  # Reads as the call that it is for.
        statistics=(
            FeatureRow(
                "train",
                "image",
                "bytes",
                4000,
                0,
                {"average length": "12,345 bytes", "formats": "jpeg 3,900, png 100"},
            ),
            FeatureRow("train", "label", "int", 4000, 0, {"min": "0", "max": "9", "mean": "4.5"}),
            FeatureRow("eval", "image", "bytes", 1200, 0, {"average length": "12,001 bytes"}),
            FeatureRow("eval", "label", "int", 1200, 2, {"min": "0", "max": "9", "mean": "4.4"}),
        ),
        anomalies=("label: values out of domain",),
        counts={
            "train": SplitCounts(4004, 4000, {"truncated": 3, "too_many_pixels": 1}),
            "eval": SplitCounts(1201, 1200, {"truncated": 1}),
        },
        checks=(
            Check(
                "data_gate.max_reject_fraction",
                "images read",
                True,
                True,
                0.00096,
                0.01,
                "5 of 5,205 images were set aside",
            ),
            Check(
                "data_gate.duplicates",
                "eval split",
                False,
                False,
                3.0,
                None,
                "3 images of the eval split are in the train split too: roses/1.jpg, roses/2.jpg",
            ),
            Check(
                "data_gate.max_imbalance",
                "train split",
                False,
                True,
                12.5,
                10.0,
                "the largest class has 12.5 images for one of the smallest",
            ),
        ),
        config={
            "data": {"source": "tfds", "name": EVIL[1], "splits": {"train": "train[:80%]"}},
            "training": {"batch_size": 32, "base_learning_rate": 1e-3, "seed": None},
        },
        lineage=(
            LineageRow("Data", "digits", "/data/tfds/digits/1.0.0", "1.0.0"),
            LineageRow("Backbone", "bit-mini", "/backbones/bit-mini", "sha256:" + "4f" * 32),
            LineageRow("Code", "git", "", "9fceb02d0ae598e95dc970b74767f19372d61af8"),
            LineageRow("Model", "Trainer.model", "/runs/bit-on-tfx/Trainer/model/7", "41"),
        ),
        steps=(
            StepRow("ImageExampleGen", "cached", 0.0),
            StepRow("Trainer", "complete", 312.4),
            StepRow("Evaluator", "complete", 45.25),
            StepRow("Pusher", "skipped", None),
        ),
        links={"All runs": "../index.html", "Logs": "../../logs/7/"},
    )


def images(classes, seed=0, most=500):
    """Photographs of two splits, some of them small, in classes of which some are rare."""
    random = np.random.default_rng(seed)
    rarity = np.sort(random.pareto(2.5, classes) + 0.3)[::-1]

    def table(count):
        labels = random.choice(classes, count, p=rarity / rarity.sum())
        sides = np.where(random.random(count) < 0.2, random.integers(64, 160, count), most)
        width = (sides * random.uniform(0.7, 1.5, count)).astype(np.int32)
        height = (sides * random.uniform(0.7, 1.5, count)).astype(np.int32)
        return pa.table(
            {
                "label": labels,
                "format": random.choice(["jpeg", "png", "gif"], count, p=[0.9, 0.09, 0.01]),
                "width": width,
                "height": height,
                "num_bytes": (width * height * random.lognormal(-1.2, 0.5, count)).astype(np.int64),
            }
        )

    return describe({"train": table(max(4000, 20 * classes)), "eval": table(1200)}, classes)


def sheet(names, columns, side, seed=0):
    """A picture of the data, as the report takes it."""
    random = np.random.default_rng(seed)
    tiles = []
    for _ in range(columns**2):
        pixels = np.asarray(
            Image.open(io.BytesIO(thumbnail(random, int(random.integers(80, 300)))))
        )
        tiles.append(Tile(pixels, (Line(names[int(random.integers(len(names)))], "87 %"),)))
    return smaller(draw_grid(tiles, columns, side))


def _matrix(classes, random):
    """[true, predicted] counts; most mistakes are made between a class and its neighbours."""
    count = 100 if classes <= 100 else 20
    matrix = np.zeros((classes, classes), int)
    for true in range(classes):
        wrong = int(random.integers(count // 20, count // 3))
        near = (true + random.integers(1, 4, wrong)) % classes
        far = random.integers(0, classes, wrong)
        np.add.at(matrix[true], np.where(random.random(wrong) < 0.7, near, far), 1)
        matrix[true, true] = count - wrong
    return matrix


def _cell_pictures(matrix, random, side, most=2000):
    """Up to three pictures of each wrong cell, of the largest cells first."""
    pictures, positions = [], {}
    wrong = matrix - np.diag(np.diag(matrix))
    for cell in np.argsort(-wrong, axis=None, kind="stable"):
        true, taken = (int(index) for index in np.unravel_index(cell, wrong.shape))
        if not wrong[true, taken] or len(pictures) >= most:
            break
        held = min(3, wrong[true, taken])
        positions[true, taken] = tuple(range(len(pictures), len(pictures) + held))
        pictures += [
            Picture(thumbnail(random, side), true, taken, 0.97, 0.02, f"photos/{true}/{number}.jpg")
            for number in range(held)
        ]
    return pictures, positions


def _class_rows(names, matrix, random):
    rows = []
    for index, name in enumerate(names):
        recall = matrix[index, index] / matrix[index].sum()
        precision = matrix[index, index] / max(1, matrix[:, index].sum())
        f1 = 2 * precision * recall / (precision + recall)
        change = float(random.normal(0, 0.02))
        rows.append(ClassRow(name, int(matrix[index].sum()), precision, recall, f1, change))
    rows[-1] = ClassRow(names[-1], 0, None, None, None, None)
    return tuple(rows)


def _gates(names, verdict):
    limit = 0.9 if verdict == REJECTED else 0.8
    each = "evaluation.min_class_accuracy"
    unknown = "accuracy of class 'x' could not be measured: no such image in the eval split"
    passed = [
        Gate(each, f"accuracy of class {name!r}", True, 0.8, 0.5, None, "reaches")
        for name in names[:-1]
    ]
    overall = Gate(
        "evaluation.min_accuracy", "accuracy", verdict == BLESSED, 0.8421, limit, None, "so it is"
    )
    compared = Gate(
        "evaluation.max_regression", "accuracy", True, 0.8421, 0.8212, 0.8312, "reaches"
    )
    failed = Gate(each, "accuracy of class 'x'", False, None, 0.5, None, unknown)
    return (overall, compared, *passed, *([] if verdict == BLESSED else [failed]))


def _history(epochs=20):
    return tuple(
        {
            "epoch": epoch,
            "learning_rate": 0.003 * 0.9**epoch,
            "accuracy": 1 - 0.6 * math.exp(-epoch / 4),
            "loss": 1.6 * math.exp(-epoch / 5),
            "val_accuracy": 0.86 - 0.5 * math.exp(-epoch / 3) - 0.002 * max(0, epoch - 12),
            "val_loss": 0.42 + 1.1 * math.exp(-epoch / 3) + 0.01 * max(0, epoch - 12),
            "restored": float(epoch == 13),
        }
        for epoch in range(1, epochs + 1)
    )
