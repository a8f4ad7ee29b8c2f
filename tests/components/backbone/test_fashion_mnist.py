"""tfds's fashion_mnist from Debian's files, the data that bit-mini was trained on."""

import numpy as np
import pytest

from components.backbone.bit_mini.fashion_mnist import DEBIAN_FILES, fashion_mnist


@pytest.mark.slow
@pytest.mark.skipif(not DEBIAN_FILES.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_all_images_are_read_without_a_network(tmp_path):
    builder = fashion_mnist(str(tmp_path))
    assert builder.info.full_name == "fashion_mnist/3.0.1"
    sizes = {name: split.num_examples for name, split in builder.info.splits.items()}
    assert sizes == {"train": 60_000, "test": 10_000}
    labels = [int(label) for _, label in builder.as_dataset("test", as_supervised=True)]
    assert np.bincount(labels).tolist() == [1_000] * 10
    # Prepared once: the files are not needed again.
    assert fashion_mnist(str(tmp_path), files=tmp_path / "absent").is_prepared()


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte\.gz"):
        fashion_mnist(str(tmp_path), files=tmp_path)
