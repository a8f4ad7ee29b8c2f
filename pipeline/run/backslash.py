r"""Texts with a backslash, which ML Metadata cannot write to PostgreSQL.

It takes the first and last letter off what libpq's PQescapeLiteral returns, for its quotes; a text
with a backslash comes as ` E'...'`, and the statement is refused ("syntax error at or near"). TFX's
own properties have some (JSON in JSON). On its way to the database a backslash is U+E05C, a
character for private use, and a backslash again on its way back.

    >>> from ml_metadata.proto import metadata_store_pb2
    >>> value = metadata_store_pb2.Value(string_value=r'a\b')
    >>> replace(value, BACKSLASH, SUBSTITUTE)
    >>> ascii(value.string_value)
    "'a\\ue05cb'"
"""

from __future__ import annotations

import functools
from collections.abc import MutableMapping
from typing import Any

from google.protobuf.message import Message

BACKSLASH, SUBSTITUTE = "\\", "\ue05c"


def mend_store() -> None:
    """Makes every MetadataStore of this process write and read such texts; once is enough."""
    from ml_metadata.metadata_store.metadata_store import MetadataStore

    call = MetadataStore._call_method
    if hasattr(call, "__wrapped__"):
        return

    @functools.wraps(call)
    def mended(self: Any, method_name: str, request: Any, response: Any) -> None:
        given = type(request).FromString(request.SerializeToString())
        replace(given, BACKSLASH, SUBSTITUTE)
        call(self, method_name, given, response)
        replace(response, SUBSTITUTE, BACKSLASH)

    MetadataStore._call_method = mended


def replace(message: Any, old: str, new: str) -> None:
    """Replaces `old` in every text of a protocol buffer message, in place."""
    for field, value in message.ListFields():
        if isinstance(value, str):
            setattr(message, field.name, value.replace(old, new))
        elif isinstance(value, Message):
            replace(value, old, new)
        elif isinstance(value, MutableMapping):
            _replace_in_map(value, old, new)
        elif field.type == field.TYPE_STRING:
            value[:] = [each.replace(old, new) for each in value]
        elif field.type == field.TYPE_MESSAGE:
            for each in value:
                replace(each, old, new)


def _replace_in_map(given: MutableMapping, old: str, new: str) -> None:
    for key in list(given):
        name = key.replace(old, new) if isinstance(key, str) else key
        if isinstance(given[key], Message):
            replace(given[key], old, new)
            if name != key:
                given[name].CopyFrom(given[key])
        elif isinstance(given[key], str):
            given[name] = given[key].replace(old, new)
        elif name != key:
            given[name] = given[key]
        if name != key:
            del given[key]
