r"""PostgreSQL as ML Metadata's store: two things that ML Metadata does wrong there.

*Backslashes.* ML Metadata takes the first and last letter off what libpq's PQescapeLiteral returns,
for its quotes; a text with a backslash comes as ` E'...'`, and the statement is refused ("syntax
error at or near"). TFX's own properties have some (JSON in JSON). On its way to the database a
backslash is U+E05C, a character for private use, and a backslash again on its way back.

    >>> from ml_metadata.proto import metadata_store_pb2
    >>> value = metadata_store_pb2.Value(string_value=r'a\b')
    >>> replace(value, BACKSLASH, SUBSTITUTE)
    >>> ascii(value.string_value)
    "'a\\ue05cb'"

*Long texts.* It indexes every property that is a text, and PostgreSQL refuses an index row of more
than 2,704 bytes, which a step's settings soon have. No query of TFX or of ours searches properties
by their text: `drop_text_indexes` drops those indexes.
"""

from __future__ import annotations

import functools
from collections.abc import MutableMapping
from typing import Any

from google.protobuf.message import Message

from components.errors import UserError
from pipeline.run.database import Server

BACKSLASH, SUBSTITUTE = "\\", "\ue05c"
_TEXT_INDEXES = tuple(
    f"idx_{kind}_property_string" for kind in ("artifact", "execution", "context")
)
_TIMEOUT_S = 30.0


def drop_text_indexes(server: Server, password: str) -> None:
    """Drops the indexes that limit texts, if ML Metadata has made them.

    Raises:
      UserError: the user does not own the tables.
    """
    import pg8000.exceptions
    import pg8000.native

    statement = f"DROP INDEX IF EXISTS {', '.join(_TEXT_INDEXES)}"
    connection = pg8000.native.Connection(
        server.user,
        host=server.host,
        port=server.port,
        database=server.database,
        password=password,
        timeout=_TIMEOUT_S,
    )
    try:
        connection.run(statement)
    except pg8000.exceptions.DatabaseError as error:
        said = error.args[0]["M"]  # The message's field of a server's error.
        raise UserError(
            f"{server.where} cannot be used: the database {server.database} has indexes that "
            f"refuse long texts, and the user {server.user} cannot drop them ({said}). Drop them "
            f"once as the owner of its tables: psql -h {server.host} -p {server.port} -U postgres "
            f"{server.database} -c '{statement}'"
        ) from error
    finally:
        connection.close()


def mend_store() -> None:
    """Makes every MetadataStore of this process write and read backslashes; once is enough."""
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
