"""Makes a backbone from the published weights of BiT.

    bit-tfx weights BiT-M-R50x1.npz DIRECTORY

Reads a `.npz` file of google-research/big_transfer (storage.googleapis.com/bit_models), leaves its
head out, and writes a SavedModel that `backbone.handle` takes. The published networks take images
in [-1, 1]; what is written takes [0, 1], as google/bit on TF Hub does.

    >>> import tempfile
    >>> small = Architecture(depths=(1, 1), widths=(32, 64), root_channels=32)
    >>> shapes = small.weight_shapes()
    >>> published = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "weights.npz")
    ...     np.savez(file, **published)
    ...     architecture, weights = read_weights(file)
    >>> architecture == small, len(weights) == len(published)
    (True, True)
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from components.backbone.architecture import (
    PAPER_GROUPS,
    PUBLISHED,
    Architecture,
    canonical_names,
    infer,
)
from components.digests import digest_of_file, digest_of_folder
from components.durable import rename, sync_tree, unfinished_folder
from components.errors import UserError

HEAD = ("head/conv2d/kernel", "head/conv2d/bias")
"""The classifier of what the network was trained on; our models get one of their own."""
_DAMAGE = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What NumPy and zipfile raise for a damaged file; RuntimeError if it looks encrypted."""


def convert(
    file: Path, directory: Path, sha256: str | None = None, groups: int = PAPER_GROUPS
) -> Architecture:
    """Writes the SavedModel, whole or not at all.

    Args:
      file: the `.npz` file.
      directory: a folder that does not exist yet.
      sha256: digest that the file must have; None takes any.
      groups: of every GroupNorm; not stored in the file.

    Raises:
      UserError: a digest, name, shape, type or value is not right, or `directory` exists.
    """
    if directory.exists():
        raise UserError(f"{directory} is there already: remove it, or give another directory.")
    _check_file(file, sha256)
    architecture, weights = read_weights(file, groups)
    # TensorFlow takes seconds to import; mistakes are reported before.
    import tensorflow as tf

    from components.backbone.bit import BiT, export_hub_module

    variables = {name: tf.Variable(value, name=name) for name, value in weights.items()}
    with unfinished_folder(directory.parent, ".npz-") as folder:
        written = folder / "module"
        export_hub_module(BiT(architecture, weights=variables), str(written))
        sync_tree(written)
        rename(written, directory)
    return architecture


def read_weights(
    file: Path, groups: int = PAPER_GROUPS
) -> tuple[Architecture, dict[str, np.ndarray]]:
    """The architecture that a file's weights make up, and each of them but the head's, once.

    Raises:
      UserError: a name, shape, type or value is not right, which it names.
    """
    try:
        values = _arrays_in(file)
    except _DAMAGE as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{file} is no .npz file of arrays, or is damaged: {reason}. Download it again."
        ) from error
    try:
        names = canonical_names(values)
        head = {name: values[names.pop(name)] for name in HEAD if name in names}
        shapes = {name: values[old].shape for name, old in names.items()}
        architecture = infer(shapes, groups)
        _check_head(head, architecture)
    except ValueError as error:
        raise UserError(f"{file} does not hold the weights of one BiT: {error}.") from error
    if groups not in architecture.possible_groups():
        raise UserError(
            f"--groups {groups} does not divide the channels of {file}: they divide by "
            f"{', '.join(map(str, sorted(architecture.possible_groups())))}."
        )
    weights = {name: values[names[name]] for name in architecture.weight_shapes()}
    for name, value in weights.items():
        if value.dtype != np.float32:
            raise UserError(f"{file}: {names[name]} is {value.dtype} instead of float32.")
        if not np.isfinite(value).all():
            raise UserError(f"{file}: {names[name]} holds NaN or infinity.")
    return architecture, weights


def _arrays_in(file: Path) -> dict[str, np.ndarray]:
    stored = np.load(file, allow_pickle=False)
    if isinstance(stored, np.ndarray):
        raise ValueError("it is one array, a .npy file")
    with stored:
        return {name: stored[name] for name in stored.files}


def _check_file(file: Path, sha256: str | None) -> None:
    if not file.is_file():
        raise UserError(f"{file}: there is no such file.")
    if sha256 and (found := digest_of_file(file)) != sha256.lower():
        raise UserError(f"--sha256 is {sha256}, and {file} has {found}: it is a different file.")


def _check_head(head: Mapping[str, np.ndarray], architecture: Architecture) -> None:
    """A whole head or none: a file with half of one holds something else."""
    if not head:
        return
    if missing := [name for name in HEAD if name not in head]:
        raise ValueError(f"{missing[0]} is missing")
    kernel, bias = (head[name] for name in HEAD)
    if bias.ndim != 1 or kernel.shape != (1, 1, architecture.embedding_size, bias.size):
        raise ValueError(
            f"{HEAD[0]} is {list(kernel.shape)} and {HEAD[1]} {list(bias.shape)}, above "
            f"{architecture.embedding_size} pre-logits"
        )


def describe(architecture: Architecture, directory: Path) -> str:
    """What was written, and the `backbone` section that takes it, as YAML."""
    known = [name for name, published in PUBLISHED.items() if published == architecture]
    count = architecture.parameter_count()
    return f"""{known[0] if known else architecture}: {count:,} weights, \
{architecture.embedding_size} pre-logits, in {directory}.

backbone:
  handle: {directory.resolve()}
  mode: full
  sha256: {digest_of_folder(directory)}
  trainable_parameters: {count}"""
