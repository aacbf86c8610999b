"""What lies under a key of the bucket.

It is asked of the stream's leader, and not by nats-py's key-value API, which may ask any replica: one that lags behind
would answer with what has been replaced.
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
    """The value of a key and its revision; no value and revision 0 when there is nothing yet."""

    value: bytes | None = None
    revision: int = 0
    writer: str = ""
    """Which object wrote it: another owner may have come to the same value."""


async def read_record(js: JetStreamContext, names: StreamNames, key: str) -> Record:
    """Return what lies under *key*. Raises what nats-py does: :class:`NotFoundError` where there is no bucket."""
    # Asked first, so that a write which its owner has given up, being replaced, is there by then.
    await js.stream_info(names.state_stream)
    try:
        message = await js.get_last_msg(names.state_stream, names.record_subject(key))
    except NotFoundError as error:
        if error.err_code != ErrorCode.NO_MESSAGE_FOUND:
            raise
        return Record()
    if (message.headers or {}).get("KV-Operation"):
        return Record(None, message.seq or 0)  # It was deleted.
    return Record(message.data or b"", message.seq or 0, (message.headers or {}).get(WRITER, ""))
