"""`digits`: scikit-learn's 1,797 scans of handwritten digits as a tfds builder, without a download.

The scans are the test set of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998,
UCI), which scikit-learn ships (sklearn.datasets.load_digits). Importing this module registers it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     builder = tfds.builder("digits", data_dir=folder)
    ...     builder.download_and_prepare()
    ...     builder.info.splits["train"].num_examples
    Downloading and preparing dataset ...
    1797
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

_CITATION = """\
@misc{alpaydin1998optical,
  author = {Alpaydin, E. and Kaynak, C.},
  title = {Optical Recognition of Handwritten Digits},
  year = {1998},
  howpublished = {UCI Machine Learning Repository},
}"""


class Digits(tfds.core.GeneratorBasedBuilder):
    """1,797 grey scans of 8x8 pixels, ten classes, one split."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "As in scikit-learn 1.5."}  # noqa: RUF012

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description="Handwritten digits, 8x8 grey pixels, shipped with scikit-learn.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=[str(digit) for digit in range(10)]),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://archive.ics.uci.edu/dataset/80",
            citation=_CITATION,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
        from sklearn.datasets import load_digits

        scans = load_digits()
        # scikit-learn stores ink as 0..16; an image stores light as 0..255.
        pixels = np.round(scans.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
        for index, (image, label) in enumerate(zip(pixels, scans.target, strict=True)):
            yield f"{index:04d}", {"image": image, "label": int(label)}
