"""The dead-letter stream holds events that can never be delivered, one in each message, packed as in an envelope.

===================== ===================================================
``Kigeon-Format``     ``1``
``Kigeon-Reason``     why the event can't be delivered
``Kigeon-Sequence``   the sequence of the event's envelope
``Kigeon-Time``       when the event was parked, RFC 3339
===================== ===================================================

A message's subject ends in the *name* of the letter: an event's offset, ``e<sequence>`` for a whole envelope,
``r<sequence>`` for a whole message of the retry stream. Each subject holds one message: parking an event again
replaces it. The stream discards nothing: when it is full, it refuses further events, which wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from nats.aio.client import Client
from nats.js.errors import APIError, NotFoundError

from kigeon.errors import QueueFull, UnreadableEnvelope, shorten
from kigeon.events.envelope import natural, pack, unpack
from kigeon.queue.broker.connection import names_of, queue_errors, writing
from kigeon.queue.broker.error_codes import ErrorCode
from kigeon.queue.broker.scan import headers_of, scan

LETTER_FORMAT = "1"

NOTE = b"{}"
"""Parked in place of an event that could not be read again."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter: ``since`` is RFC 3339, ``payload`` as it was stored."""

    name: str
    reason: str
    since: str
    sequence: int
    payload: bytes

    @property
    def offset(self) -> int | None:
        """The offset of its event; None for a letter that holds no single event."""
        return natural(self.name)

    def event(self) -> bytes | None:
        """Return the raw event; None where the letter holds no single readable event."""
        try:
            events = unpack(self.payload)
        except UnreadableEnvelope:
            return None
        return events[0] if self.offset is not None and len(events) == 1 and events[0] != NOTE else None


class DeadLetterSummary(NamedTuple):
    """A letter without its content of ``size`` bytes; ``sequence`` is the letter's own in the dead-letter stream."""

    sequence: int
    name: str
    reason: str
    size: int


class DeadLetterStore:
    """One sender's part of the dead-letter stream. Methods raise :class:`QueueError` when the queue is away.

    To park raises :class:`QueueFull` when the stream is full.
    """

    def __init__(self, client: Client, sender: str, timeout: float = 5.0) -> None:
        self._client = client
        self._names = names_of(client)
        self._js = client.jetstream(timeout=timeout)
        self._subject = f"{self._names.dead_letter_subjects}.{sender}"

    async def park(self, offset: int, sequence: int, event: bytes, reason: str) -> None:
        """Keep one event with the *reason* why it can't be delivered."""
        await self._store(str(offset), sequence, pack([event], b"").payload, reason)

    async def park_envelope(self, sequence: int, payload: bytes, reason: str) -> None:
        """Keep a whole envelope that can't be read, as it was found."""
        await self._store(f"e{sequence}", sequence, payload, reason)

    async def park_retry(self, sequence: int, payload: bytes, reason: str) -> None:
        """Keep a whole message of the retry stream that can't be read, as it was found."""
        await self._store(f"r{sequence}", sequence, payload, reason)

    async def summaries(self) -> AsyncIterator[DeadLetterSummary]:
        """Yield this sender's letters, oldest first, without their content."""
        async for message in scan(self._client, self._names.dead_letter, f"{self._subject}.*", 1, headers_only=True):
            yield DeadLetterSummary(
                message.sequence,
                message.subject.rpartition(".")[2],
                message.headers.get("Kigeon-Reason", ""),
                natural(message.headers.get("Nats-Msg-Size", "")) or 0,
            )

    async def at(self, sequence: int) -> DeadLetter | None:
        """Return the letter at *sequence* of the dead-letter stream; None when it is gone."""
        with queue_errors("reading the dead-letter stream"):
            try:
                message = await self._js.get_msg(self._names.dead_letter, sequence)
            except NotFoundError:
                return None
        return _letter(message.subject or "", headers_of(message), message.data or b"")

    async def all(self) -> list[DeadLetter]:
        """Return all letters of this sender, oldest first."""
        return [
            _letter(message.subject, message.headers, message.payload)
            async for message in scan(self._client, self._names.dead_letter, f"{self._subject}.*", 1)
        ]

    async def load(self, name: str) -> DeadLetter | None:
        """Return the letter *name*; None when there is none."""
        with queue_errors("reading the dead-letter stream"):
            try:
                message = await self._js.get_last_msg(self._names.dead_letter, f"{self._subject}.{name}")
            except NotFoundError:
                return None
        return _letter(message.subject or "", headers_of(message), message.data or b"")

    async def delete(self, name: str) -> None:
        """Delete the letter *name*; a missing letter is no error."""
        with writing(self._client, "deleting from the dead-letter stream"):
            await self._js.purge_stream(self._names.dead_letter, subject=f"{self._subject}.{name}")

    async def _store(self, name: str, sequence: int, payload: bytes, reason: str) -> None:
        headers = {
            "Kigeon-Format": LETTER_FORMAT,
            "Kigeon-Reason": shorten(reason),
            "Kigeon-Sequence": str(sequence),
            "Kigeon-Time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        with writing(self._client, "parking an event"):
            try:
                await self._js.publish(
                    f"{self._subject}.{name}", payload, headers=headers, stream=self._names.dead_letter
                )
            except APIError as error:
                if error.err_code != ErrorCode.STREAM_STORE_FAILED:
                    raise
                # A letter that is there already stays parked, with the reason of its first time.
                if await self.load(name) is None:
                    raise QueueFull("the dead-letter stream is full") from error


def _letter(subject: str, headers: Mapping[str, str], payload: bytes) -> DeadLetter:
    sequence = headers.get("Kigeon-Sequence", "")
    return DeadLetter(
        subject.rpartition(".")[2],
        headers.get("Kigeon-Reason", ""),
        headers.get("Kigeon-Time", ""),
        natural(sequence) or 0,
        payload,
    )
