"""The schema that data are held against: a curated one, or one inferred and written to curate."""

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
"""TFX's name of a schema."""

_HEADER = """\
# Inferred from {examples}, and written once: edit it, it is never overwritten. What is changed here
# counts from the next run on.
#
#   data.curated_schema: {path}
#
# holds data against it. As long as data.write_schema names this file, that does so too.
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
    """The curated schema that this run holds its data against; None where it infers one.

    Raises:
      UserError: it cannot be read, is no schema, or could not be written.
    """
    if data.curated_schema is not None:
        shipped = SCHEMAS / f"{data.curated_schema}.pbtxt"
        path = shipped if shipped.exists() else as_path(data.curated_schema)
        return _keep("data.curated_schema", path, layout)
    if data.write_schema is None:
        return None
    path = as_path(data.write_schema)
    if _is_there(path):
        _say(f"Schema: {path} is there, and is used as it is")
        return _keep("data.write_schema", path, layout)
    _check_folder(path)
    return None


def write_inferred(data: DataConfig, outputs: Mapping[str, Any], num_classes: int) -> None:
    """Writes the schema that a run inferred to `data.write_schema`, if nothing is there.

    Args:
      data: the section of the configuration.
      outputs: artifacts of the run by `<node>.<output>`; without a schema nothing is written.
      num_classes: labels are below it.
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
        # The run is worth more than a file that the next one can write.
        _say(f"Schema: {path} could not be written: {_reason(error)}")
        return
    _say(f"Schema: written to {path}; runs that find it there hold their data against it")


def for_curation(inferred: str, num_classes: int, data: DataConfig, path: str) -> str:
    """A schema as TFDV inferred it, with what is known of image and label, as text proto.

    TFDV takes what it saw for all that there can be, and says of an image what it guesses.

    Args:
      inferred: text proto.
      num_classes: labels are below it.
      data: where the examples come from.
      path: where the file will be.
    """
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    known = _DESCRIBED.format(image=IMAGE, label=LABEL, last=num_classes - 1)
    schema = text_format.Parse(inferred, schema_pb2.Schema())
    described = text_format.Parse(known, schema_pb2.Schema())
    others = [feature for feature in schema.feature if feature.name not in (IMAGE, LABEL)]
    del schema.feature[:]
    schema.feature.extend([*described.feature, *others])
    # Of the labels TFDV leaves one that no feature names.
    named = {feature.domain for feature in schema.feature}
    domains = [domain for domain in schema.string_domain if domain.name in named]
    del schema.string_domain[:]
    schema.string_domain.extend(domains)
    examples = data.name or data.folder or "TFRecords"
    header = _HEADER.format(examples=examples, path=path)
    return f"{header}{text_format.MessageToString(schema, as_utf8=True)}"


def _keep(key: str, path: AnyPath, layout: Layout) -> AnyPath:
    """Copies a schema under a name made of its digest.

    ImportSchemaGen's cache key holds the file's name and not its content.
    """
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    try:
        content = path.read_bytes()
        text_format.Parse(content, schema_pb2.Schema())
    except io_errors() as error:
        raise UserError(f"{key} {path} cannot be read: {_reason(error)}.") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise UserError(f"{key} {path} is no TFMD schema as text proto: {error}.") from error
    kept = layout.schemas / hashlib.sha256(content).hexdigest()[:16] / FILE
    # Whole: another run may be reading it.
    write_whole(kept, content.decode("utf-8"))
    return kept


def _is_there(path: AnyPath) -> bool:
    try:
        return path.exists()
    except io_errors() as error:
        raise UserError(f"data.write_schema {path} cannot be read: {_reason(error)}.") from error


def _check_folder(path: AnyPath) -> None:
    """Tells before a run of hours what its end would find out."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try_writing(path.parent)
    except io_errors() as error:
        raise UserError(f"data.write_schema {path} cannot be written: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _say(text: str) -> None:
    report(text, event="note", text=text)
