"""Reads records, which are values under keys of the bucket.

A record is read from the stream's leader, and not by nats-py's key-value API, which may read any replica: a replica
that lags behind would answer with an older value.
"""

from __future__ import annotations

from dataclasses import dataclass

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from kigeon.queue.broker.error_codes import ErrorCode
from kigeon.queue.broker.names import StreamNames

WRITER = "Kigeon-Writer"


@dataclass(frozen=True, slots=True)
class Record:
    """The value of a key and its revision; None and 0 while the key has no value."""

    value: bytes | None = None
    revision: int = 0
    writer: str = ""
    """The object that wrote the value, since another owner may have written the same value."""


async def read_record(js: JetStreamContext, names: StreamNames, key: str) -> Record:
    """Return the record under *key*. Raises nats-py's exceptions, :class:`NotFoundError` where there is no bucket."""
    # This request comes first, so that a write which its former owner has given up is stored by then.
    await js.stream_info(names.state_stream)
    try:
        message = await js.get_last_msg(names.state_stream, names.record_subject(key))
    except NotFoundError as error:
        if error.err_code != ErrorCode.NO_MESSAGE_FOUND:
            raise
        return Record()
    if (message.headers or {}).get("KV-Operation"):
        return Record(None, message.seq or 0)  # The record was deleted.
    return Record(message.data or b"", message.seq or 0, (message.headers or {}).get(WRITER, ""))
