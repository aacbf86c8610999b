"""Durable records beside the streams: one key-value bucket, every write a compare-and-set.

A record's revision is the fence: an owner that does not know the latest revision has been replaced.
"""

from __future__ import annotations

from uuid import uuid4

from nats.aio.client import Client
from nats.js import api
from nats.js.errors import BadRequestError

from kigeon.errors import Fenced, QueueError
from kigeon.queue.broker.connection import lasts, names_of, queue_errors, writing
from kigeon.queue.broker.error_codes import ErrorCode
from kigeon.queue.broker.records import WRITER, Record, read_record


class StateRecord:
    """One key of the bucket; its owner reads it once, and then only this owner writes it."""

    def __init__(self, client: Client, key: str, timeout: float = 5.0) -> None:
        self._client = client
        self._names = names_of(client)
        self._js = client.jetstream(timeout=timeout)
        self._key = key
        self._revision = 0
        self._writer = uuid4().hex

    async def read(self) -> bytes | None:
        """Return the stored value, None where there is none, and take ownership of its revision."""
        with queue_errors(f"reading the record {self._key}"):
            record = await self._fetch()
        self._revision = record.revision
        return record.value

    async def is_current(self) -> bool:
        """Whether nobody has written since this owner last read or wrote."""
        with queue_errors(f"reading the record {self._key}"):
            return (await self._fetch()).revision == self._revision

    async def write(self, value: bytes) -> None:
        """Replace the value. :class:`QueueError` when it is not known to be stored: write again.

        :class:`Fenced` when somebody else wrote since this owner last did.
        """
        headers = {api.Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(self._revision), WRITER: self._writer}
        with writing(self._client, f"writing the record {self._key}"):
            try:
                ack = await self._js.publish(self._names.record_subject(self._key), value, headers=headers)
                self._revision = ack.seq
            except BadRequestError as error:
                if error.err_code != ErrorCode.STREAM_WRONG_LAST_SEQUENCE:
                    raise
                self._revision = await self._revision_of(value)

    async def _revision_of(self, value: bytes) -> int:
        """Return the stored revision if it comes from an earlier write of this owner, whose answer was lost."""
        record = await self._fetch()
        if record.value is None and self._revision:
            # Nobody wrote the record, it was lost: its owner writes it anew, still fenced against another owner.
            self._revision = record.revision
            raise QueueError(f"the record {self._key} was lost")
        # A leader that was just elected may not know yet what the last one has acknowledged.
        lasts(self._client, f"the record {self._key} is as it was before", record.revision < self._revision)
        if record.value != value or record.writer != self._writer:
            raise Fenced(f"another kigeon wrote the record {self._key}: it is the owner now")
        return record.revision

    async def _fetch(self) -> Record:
        return await read_record(self._js, self._names, self._key)
