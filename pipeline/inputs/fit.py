"""The values of a configuration that fit a folder or a table of images.

Rules of thumb, each with its reason beside it; `bit-tfx init` writes them down for the user to
change.

    >>> from pipeline.inputs.photos import Photos
    >>> photos = Photos("/photos", ("cat", "dog"), {"train": (0, 1) * 60}, {"jpeg": 120}, (28, 28))
    >>> fitted = fit(photos, in_reach=lambda url: False)
    >>> fitted.values["data"]["splits"], fitted.values["backbone"]["handle"]
    ({'train': 'train[:80%]', 'eval': 'train[80%:]'}, 'bit-mini')
"""

from __future__ import annotations

import math
import os
import re
import shlex
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from components.backbone.hub import is_cached
from components.errors import UserError
from components.example_gen.screen.formats import CONVERTIBLE
from components.example_gen.sources.own_splits import own_slices
from components.storage import is_uri
from components.trainer.hyperrule import LOW_RESOLUTION_AREA, resolution
from pipeline.inputs.photos import Photos

R50X1 = "https://tfhub.dev/google/bit/m-r50x1/1"
BIT_MINI = "bit-mini"
_REACH_TIMEOUT_S = 3

_TRAIN_PERCENT = (85, 80, 75, 70, 60, 50)
"""Shares of the images that train, best first."""
_JUDGED = 20
"""Images that judge, at least: of fewer, one is 5 % of the accuracy."""
_PASSES = 12
"""Over the training images by bit-mini, as the preset digits has it."""
_STEPS = (60, 3000)
"""Least and most steps of bit-mini: minutes on two cores."""


@dataclass(frozen=True)
class Fitted:
    """A configuration for a folder or a table.

    Attributes:
      photos: what it was made for.
      values: plain, as in YAML.
      reasons: why, by the key's path; a sentence without its full stop.
      train: images that train, about.
      judged: images that judge, about.
      chance: accuracy of always naming the largest class.
    """

    photos: Photos
    values: dict[str, Any]
    reasons: dict[str, str]
    train: int
    judged: int
    chance: float

    @property
    def summary(self) -> str:
        """The main values in one line."""
        backbone, mode = (self.values["backbone"][key] for key in ("handle", "mode"))
        floor = self.values["evaluation"]["min_accuracy"]
        return (
            f"{self.photos.count:,} images in {len(self.photos.class_names)} classes; backbone "
            f"{backbone} ({mode}), {self.train:,} for training and {self.judged:,} for evaluation, "
            f"floor {floor} (chance {self.chance:.2f})"
        )


def fit(photos: Photos, in_reach: Callable[[str], bool] | None = None) -> Fitted:
    """Values that fit a folder or a table.

    Args:
      photos: what it holds.
      in_reach: whether a hub URL can be had; None looks into the cache and then at the network.

    Raises:
      UserError: which of its splits trains, or judges, is not clear.
    """
    reasons: dict[str, str] = {}
    splits, train, judged = _splits(photos, reasons)
    values: dict[str, Any] = {
        "pipeline_name": name_of(photos.name),
        "data": {**photos.data, **splits, **_screen(photos, reasons)},
        **recipe((in_reach or reaches)(R50X1), reasons, len(train), photos.size),
        "evaluation": gates(train + judged, len(judged), reasons),
    }
    chance = _chance(train + judged)
    return Fitted(photos, values, reasons, len(train), len(judged), chance)


def fit_name(name: str) -> dict[str, Any]:
    """Values for a data set of tfds, whose images are not looked at."""
    return {
        "pipeline_name": name_of(name.replace("/", "-")),
        "data": {"name": name},
        **recipe(reaches(R50X1), {}),
        # Without a look at the classes no floor is known that is well above chance.
        "evaluation": {"above_chance": True, "max_regression": 0.02},
    }


def name_of(source: str) -> str:
    """A pipeline's name for a source: of a folder, its own name."""
    words = re.sub(r"[^a-z0-9]+", "-", os.path.basename(source.rstrip("/")).lower())
    return words.strip("-")[:63].strip("-") or "images"


def reaches(url: str) -> bool:
    """Whether a hub URL is in the cache, or its host answers."""
    if is_cached(url):
        return True
    try:
        request = urllib.request.Request(url, method="HEAD")
        # Not urlopen, which remembers the proxies of its first call.
        with urllib.request.build_opener().open(request, timeout=_REACH_TIMEOUT_S):
            return True
    except OSError:
        return False


def _splits(
    photos: Photos, reasons: dict[str, str]
) -> tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]]:
    """`data.splits` where the folder has none of its own; labels that train, and that judge."""
    counts = {name: len(labels) for name, labels in photos.splits.items()}
    name = photos.full_name or f"{photos.key}/{photos.name}"
    own = own_slices(counts, lambda split: True, name).slices
    if own["eval"] in photos.splits:
        return {}, photos.splits[own["train"]], photos.splits[own["eval"]]
    source = own["train"].partition("[")[0]
    labels = photos.splits[source]
    # The last choice is taken if none has every class on both sides.
    for percent in _TRAIN_PERCENT:
        at = round(len(labels) * percent / 100)
        train, judged = labels[:at], labels[at:]
        whole = set(train) == set(judged) == set(labels)
        if whole and len(judged) >= min(_JUDGED, len(labels) // 4):
            break
    reasons["data.splits"] = (
        f"no image is in both splits: {len(train):,} for training, {len(judged):,} for evaluation; "
        + ("every class is in both" if whole else "a class is missing in one of them")
    )
    splits = {"train": f"{source}[:{percent}%]", "eval": f"{source}[{percent}%:]"}
    return {"splits": splits}, train, judged


def _screen(photos: Photos, reasons: dict[str, str]) -> dict[str, Any]:
    """`data.screen.convert` for formats that TensorFlow does not decode."""
    found = sorted(kind for kind in photos.formats if kind in CONVERTIBLE)
    has_plugin = find_spec("pillow_heif") is not None
    if not has_plugin:
        _check_heic(photos)
    convert = [kind for kind in found if kind != "heic" or has_plugin]
    if not convert:
        return {}
    reasons["data.screen"] = "TensorFlow does not decode these; they are converted to PNG"
    return {"screen": {"convert": convert}}


def _check_heic(photos: Photos) -> None:
    """Refuses images of which most are HEIC, where nothing decodes it."""
    count, looked_at = photos.formats.get("heic", 0), sum(photos.formats.values())
    if 2 * count <= looked_at:
        return
    says = (
        f"data.{photos.key} {photos.path}: {count} of {looked_at} images looked at are HEIC, which "
        "needs a plug-in. Install it: uv pip install pillow-heif"
    )
    if photos.key == "folder" and not is_uri(photos.path):
        copy = f"{photos.path}-jpeg"
        old, new = shlex.quote(photos.path), shlex.quote(copy)
        says += (
            f". Or convert a copy, by Debian's libheif-examples: cp -r {old} {new} && find {new} "
            f"-iname '*.heic' -exec heif-convert {{}} {{}}.jpg \\; -delete; then give {copy}"
        )
    raise UserError(f"{says}.")


def recipe(
    has_r50x1: bool,
    reasons: dict[str, str],
    train: int | None = None,
    size: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """The sections `preprocessing`, `backbone` and `training`.

    Args:
      has_r50x1: whether BiT-M R50x1 can be had.
      reasons: takes the reason of each value.
      train: training images; None is not known, and counts as many.
      size: median (height, width) in pixels; None counts as photographs.
    """
    batch_size = _batch_size(train)
    if batch_size < 64:
        reasons["training.batch_size"] = f"several batches per pass over {train:,} training images"
    if has_r50x1:
        return _r50x1(reasons, batch_size, size)
    reasons["backbone.handle"] = (
        "shipped, for small images; with a network, or the module in TFHUB_CACHE_DIR, "
        f"{R50X1} is far better for photographs"
    )
    reasons["backbone.mode"] = "this backbone is small enough to train all of it"
    reasons["preprocessing.resize"] = "the side in pixels that bit-mini was trained at"
    reasons["preprocessing.crop"] = (
        "`null` uses whole images; a side in pixels crops them at random"
    )
    reasons["training.base_learning_rate"] = "the rate at which the preset digits trains bit-mini"
    passes = None if train is None else math.ceil(train / batch_size)
    steps = _STEPS[1] // 3 if passes is None else min(max(passes * _PASSES, _STEPS[0]), _STEPS[1])
    reasons["training.schedule"] = (
        "the rate is divided by ten after two thirds and after five sixths of the steps"
        + ("" if passes is None else f"; one pass over the training images is {passes:,} steps")
    )
    return {
        "preprocessing": {"resize": 32, "crop": None},
        "backbone": {"handle": BIT_MINI, "mode": "full"},
        "training": {
            "batch_size": batch_size,
            "base_learning_rate": 0.2,
            "schedule": {"steps": steps, "boundaries": [steps * 2 // 3, steps * 5 // 6]},
        },
    }


def _r50x1(
    reasons: dict[str, str], batch_size: int, size: tuple[int, int] | None
) -> dict[str, Any]:
    reasons["backbone.handle"] = "BiT-M R50x1, 94 MB of weights, trained on 14 million photographs"
    reasons["backbone.mode"] = "only the head: minutes on a CPU; `full` needs a GPU"
    reasons["training.schedule"] = "the keras.io example's; early stopping ends it"
    sides: dict[str, Any] = {}
    if size and size[0] * size[1] < LOW_RESOLUTION_AREA:
        resize, crop = resolution(*size)
        sides = {"preprocessing": {"resize": resize, "crop": crop}}
        reasons["preprocessing.resize"] = f"the paper's, for images of {size[1]} x {size[0]} pixels"
    return {
        **sides,
        "backbone": {"handle": R50X1, "mode": "head_only"},
        "training": {"batch_size": batch_size, "schedule": "keras_io"},
    }


def _batch_size(train: int | None) -> int:
    """64, or a power of two that leaves four batches in a pass over few images."""
    if train is None or train >= 256:
        return 64
    return max(4, 1 << max(0, (train // 4).bit_length() - 1))


def gates(labels: tuple[int, ...], judged: int, reasons: dict[str, str]) -> dict[str, Any]:
    """The section `evaluation`: a floor well above chance, and no model worse by two images.

    Args:
      labels: number of each image's class.
      judged: images that judge.
      reasons: takes the reason of each value.
    """
    chance = _chance(labels)
    reasons["evaluation.min_accuracy"] = (
        f"a quarter of the way from chance ({chance:.2f}, from always naming the largest class) to "
        "1; raise it to what you need"
    )
    reasons["evaluation.max_regression"] = (
        f"how far accuracy may fall below the serving model's, measured on {judged:,} images"
    )
    fall = max(0.02, math.ceil(2000 / max(judged, 1)) / 1000)
    return {"min_accuracy": floor_above(chance), "max_regression": min(fall, 1.0)}


def floor_above(chance: float) -> float:
    """A floor that a model which has learned nothing does not reach."""
    return round(chance + (1 - chance) / 4, 2)


def _chance(labels: tuple[int, ...]) -> float:
    return max(Counter(labels).values()) / len(labels)
