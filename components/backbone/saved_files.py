"""Whether the files of a SavedModel are whole, and which one is not.

>>> from components.backbone.config import SHIPPED
>>> damage_of(str(SHIPPED["bit-mini"]))
''
"""

from __future__ import annotations

import re
import warnings

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from components.storage import SAVED_MODEL, AnyPath, as_path

_PREFIX = "variables/variables"
_READER_ERRORS = (tf.errors.OpError, RuntimeError, IndexError, ValueError)
"""What TensorFlow's reader raises for damaged files: IndexError, for example, if they end early."""
_SHARD = re.compile(r"shard (\d+)|data-(\d+)-of-")


def damage_of(folder: str) -> str:
    """The first file that cannot be read, and why; empty where TensorFlow reads all of them.

    Each variable is read and compared with its stored checksum; no function is built.

    Args:
      folder: of the SavedModel; a path or a URI.
    """
    path = as_path(folder)
    content = (path / SAVED_MODEL).read_bytes()
    # For some damage the proto's reader only warns, and continues with what it has.
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always", RuntimeWarning)
        try:
            saved = saved_model_pb2.SavedModel.FromString(content)
        except DecodeError as error:
            return _says(path / SAVED_MODEL, error)
    if doubts:
        return f"{path / SAVED_MODEL}: {doubts[0].message}"
    if not saved.meta_graphs or not saved.meta_graphs[0].graph_def.ByteSize():
        return f"{path / SAVED_MODEL}: it holds no graph"
    graph = saved.meta_graphs[0]
    for asset in graph.asset_file_def:
        if not (path / "assets" / asset.filename).exists():
            return f"{path / 'assets' / asset.filename}: it is missing"
    kinds = {node.WhichOneof("kind") for node in graph.object_graph_def.nodes}
    return _damage_of_variables(path) if "variable" in kinds or _index(path).exists() else ""


def _damage_of_variables(path: AnyPath) -> str:
    index = _index(path)
    if not index.exists():
        return f"{index}: it is missing"
    try:
        reader = tf.train.load_checkpoint(str(path / _PREFIX))
        names = list(reader.get_variable_to_shape_map())
    except _READER_ERRORS as error:
        return _says(index, error)
    try:
        for name in names:
            reader.get_tensor(name)
    except _READER_ERRORS as error:
        return _says(_shard(path, str(error)), error)
    return ""


def _index(path: AnyPath) -> AnyPath:
    return path / f"{_PREFIX}.index"


def _shard(path: AnyPath, message: str) -> AnyPath:
    """The data file that an error of the reader is about; the first if it names none."""
    found = sorted((path / "variables").glob("variables.data-*"))
    named = _SHARD.search(message)
    number = f"data-{int(named[1] or named[2]):05d}-of-" if named else "data-"
    fitting = [each for each in found if number in each.name]
    return next(iter(fitting), path / "variables" / f"variables.{number}*")


def _says(path: AnyPath, error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{path}: {lines[0][:200]}"
