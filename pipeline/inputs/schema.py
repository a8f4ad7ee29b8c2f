"""The schema that data are validated against: a curated one, or an inferred one to be curated.

>>> text = for_curation("", num_classes=3, data=DataConfig(name="digits"), path="s.pbtxt")
>>> print(text[:41])
# Inferred from digits, and written once.
>>> "max: 2" in text
True
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from components.errors import UserError
from components.example_gen.config import DataConfig
from components.progress import report
from components.storage import AnyPath, as_path, io_errors, try_writing, write_whole
from components.transform.features import IMAGE, LABEL
from pipeline.run.layout import Layout
from pipeline.shipped import SCHEMAS

FILE = "schema.pbtxt"
"""TFX's name of a schema file."""

_HEADER = """\
# Inferred from {examples}, and written once. Edit it: it is never overwritten, and the next run
# uses it, with
#
#   data.curated_schema: {path}
#
# in the configuration, or with data.write_schema, as long as that names this file.
"""
_DESCRIBED = """
feature {{
  name: "{image}"
  type: BYTES
  presence {{ min_fraction: 1.0 min_count: 1 }}
  shape {{ dim {{ size: 1 }} }}
  image_domain {{ minimum_supported_image_fraction: 1.0 }}
}}
feature {{
  name: "{label}"
  type: INT
  presence {{ min_fraction: 1.0 min_count: 1 }}
  shape {{ dim {{ size: 1 }} }}
  int_domain {{ min: 0 max: {last} is_categorical: true }}
}}
"""


def settle_schema(data: DataConfig, layout: Layout) -> AnyPath | None:
    """The curated schema that this run validates its data against; None if it infers one.

    Raises:
      UserError: it cannot be read or written, or is not a schema.
    """
    if data.curated_schema is not None:
        shipped = SCHEMAS / f"{data.curated_schema}.pbtxt"
        path = shipped if shipped.exists() else as_path(data.curated_schema)
        return _copied("data.curated_schema", path, layout)
    if data.write_schema is None:
        return None
    path = as_path(data.write_schema)
    if _is_there(path):
        _report(f"Schema: {path} exists, and is used unchanged")
        return _copied("data.write_schema", path, layout)
    _check_folder(path)
    return None


def write_inferred(data: DataConfig, outputs: Mapping[str, Any], num_classes: int) -> None:
    """Writes the schema that a run inferred to `data.write_schema`, if no file exists there.

    Args:
      data: the section of the configuration.
      outputs: artifacts of the run by `<node>.<output>`; without a schema nothing is written.
      num_classes: number of classes.
    """
    schema = outputs.get("SchemaGen.schema")
    if data.write_schema is None or schema is None:
        return
    path = as_path(data.write_schema)
    try:
        if path.exists():
            return
        inferred = (as_path(schema.uri) / FILE).read_text(encoding="utf-8")
        write_whole(path, for_curation(inferred, num_classes, data, str(path)))
    except io_errors() as error:
        # Not worth failing the run: the next one can write the file.
        _report(f"Schema: {path} could not be written: {_reason(error)}")
        return
    _report(f"Schema: written to {path}; later runs validate their data against it")


def for_curation(inferred: str, num_classes: int, data: DataConfig, path: str) -> str:
    """An inferred schema, with what we know about image and label, as text proto.

    TFDV takes the values that it saw for all possible values, and guesses about images.

    Args:
      inferred: text proto.
      num_classes: number of classes.
      data: the `data` section.
      path: of the future file.
    """
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    known = _DESCRIBED.format(image=IMAGE, label=LABEL, last=num_classes - 1)
    schema = text_format.Parse(inferred, schema_pb2.Schema())
    described = text_format.Parse(known, schema_pb2.Schema())
    others = [feature for feature in schema.feature if feature.name not in (IMAGE, LABEL)]
    del schema.feature[:]
    schema.feature.extend([*described.feature, *others])
    # TFDV's domain of the labels is left without a feature.
    named = {feature.domain for feature in schema.feature}
    domains = [domain for domain in schema.string_domain if domain.name in named]
    del schema.string_domain[:]
    schema.string_domain.extend(domains)
    table = data.table.path if data.table else None
    examples = data.name or data.folder or table or "TFRecords"
    header = _HEADER.format(examples=examples, path=path)
    return f"{header}{text_format.MessageToString(schema, as_utf8=True)}"


def _copied(key: str, path: AnyPath, layout: Layout) -> AnyPath:
    """Copies a schema to a path that contains its digest.

    ImportSchemaGen's cache key has the path of the file and not its content.
    """
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    try:
        content = path.read_bytes()
        text_format.Parse(content, schema_pb2.Schema())
    except io_errors() as error:
        raise UserError(f"{key} {path} cannot be read: {_reason(error)}.") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise UserError(
            f"{key} {path} is not a TFMD schema in text proto format: {error}."
        ) from error
    copy = layout.schemas / hashlib.sha256(content).hexdigest()[:16] / FILE
    # Atomically: another run may be reading it.
    write_whole(copy, content.decode("utf-8"))
    return copy


def _is_there(path: AnyPath) -> bool:
    try:
        return path.exists()
    except io_errors() as error:
        raise UserError(f"data.write_schema {path} cannot be read: {_reason(error)}.") from error


def _check_folder(path: AnyPath) -> None:
    """Checks that the schema can be written, before a run of hours ends with that error."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try_writing(path.parent)
    except io_errors() as error:
        raise UserError(f"data.write_schema {path} cannot be written: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _report(text: str) -> None:
    report(text, event="note", text=text)
