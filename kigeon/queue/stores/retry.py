"""Each sender's retry stream holds events that can't be sent now, packed as in an envelope. Headers of a message:

===================== ============================================================================================
``Kigeon-Format``     ``1``
``Kigeon-Key``        what the events wait for: a destination, ``hook``, or (for nothing) ``replay``
``Kigeon-Numbers``    the offset of each event, comma-separated
``Kigeon-Stored-At``  when the oldest was stored in the queue, seconds since the epoch: its age limits the waiting
===================== ============================================================================================

The events of each key have a subject of their own, so that the next ones are found without reading the others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

from nats.aio.client import Client
from nats.js.errors import APIError, NotFoundError

from kigeon.errors import QueueFull, UnreadableEnvelope, shorten
from kigeon.events.checkpoint import MOST_TIME
from kigeon.events.envelope import natural, pack
from kigeon.queue.broker.connection import names_of, reading, writing
from kigeon.queue.broker.error_codes import NOTHING_TO_DELETE, ErrorCode
from kigeon.queue.broker.scan import headers_of, last_sequence, scan
from kigeon.queue.stores import former
from kigeon.queue.stores.former import Adopted

RETRY_FORMAT = "1"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message of the retry stream; ``payload`` is empty where only headers were asked for."""

    sequence: int
    key: str
    offsets: tuple[int, ...]
    stored_at: float
    problem: str = ""
    """Why its headers can't be read; the other fields are unknown then."""
    payload: bytes = b""


class RetryStore:
    """One sender's retry stream. Every method raises :class:`QueueError` when the queue is away."""

    def __init__(self, client: Client, sender: str, timeout: float = 5.0) -> None:
        self._client = client
        self._names = names_of(client)
        self._js = client.jetstream(timeout=timeout)
        self._sender = sender
        self._stream = self._names.retry_stream(sender)

    async def put(self, key: str, events: Sequence[bytes], offsets: Sequence[int], stored_at: float) -> int:
        """Store *events* and return the message's sequence. A full stream refuses: :class:`QueueFull`."""
        headers = {
            "Kigeon-Format": RETRY_FORMAT,
            "Kigeon-Key": key,
            "Kigeon-Numbers": ",".join(map(str, offsets)),
            "Kigeon-Stored-At": f"{stored_at:.6f}",
        }
        payload, subject = pack(events, b"").payload, self._names.retry_subject(self._sender, key)
        with writing(self._client, "moving events to the retry stream"):
            try:
                ack = await self._js.publish(subject, payload, headers=headers, stream=self._stream)
            except APIError as error:
                if error.err_code != ErrorCode.STREAM_STORE_FAILED:
                    raise
                raise QueueFull(f"the retry stream of {self._sender} is full (queue.eventsMaxBytes)") from error
        return int(ack.seq)

    async def waiting(self, after: int = 0) -> AsyncIterator[Waiting]:
        """Yield the messages after sequence *after*, oldest first, without their events."""
        subject = f"{self._names.retry_subjects}.{self._sender}.*"
        async for message in scan(self._client, self._stream, subject, after + 1, headers_only=True):
            yield _read(message.sequence, dict(message.headers), message.timestamp)

    async def booked(self, booked: int) -> AsyncIterator[Waiting]:
        """Yield the messages that a position has booked up to *booked*, from the stream that holds them."""
        if await former.holds(self._client, self._sender, booked):
            subject = f"{self._names.retry_subjects}.{self._sender}"
            async for found in scan(self._client, self._names.retry, subject, 1, headers_only=True):
                if found.sequence <= booked:
                    yield _read(found.sequence, dict(found.headers), found.timestamp)
        elif await former.is_there(self._client, self._stream):
            async for message in self.waiting():
                if message.sequence > booked:
                    return
                yield message

    async def next(self, key: str, start: int) -> Waiting | None:
        """Return the first message that waits for *key* from sequence *start* on; None where there is none."""
        subject = self._names.retry_subject(self._sender, key)
        with reading(self._client, "reading the retry stream"):
            try:
                found = await self._js.get_msg(self._stream, max(start, 1), subject, next=True)
            except NotFoundError as error:
                if error.err_code == ErrorCode.STREAM_NOT_FOUND:
                    raise
                return None
        return _read(found.seq or 0, headers_of(found), 0.0, found.data or b"")

    async def payload(self, sequence: int) -> bytes:
        """Return a message's payload as it is stored; empty when it is gone."""
        with reading(self._client, "reading the retry stream"):
            try:
                return (await self._js.get_msg(self._stream, sequence)).data or b""
            except APIError as error:
                if error.err_code not in NOTHING_TO_DELETE:
                    raise
                return b""

    async def delete(self, sequence: int) -> None:
        """Delete a message; a missing message is no error."""
        with writing(self._client, "deleting from the retry stream"):
            try:
                await self._js.delete_msg(self._stream, sequence)
            except APIError as error:
                if error.err_code not in NOTHING_TO_DELETE:
                    raise

    async def booked_at_most(self) -> int:
        """Return the sequence up to which all messages count as booked where the position is lost."""
        in_former = await former.last_of(self._client, self._sender)
        return in_former or await last_sequence(self._client, self._stream)

    async def adopt(self, booked: int, marked: Collection[int]) -> Adopted | None:
        """Copy the messages that the sender has booked, up to *booked*, from the stream that all senders shared.

        Return None where there are none. The copies count as soon as the position says so; then the originals can be
        deleted (:meth:`forget_former`). The result has the new sequences of *marked* messages.
        """
        return await former.adopt(self._client, self._sender, booked, marked)

    async def forget_former(self) -> None:
        """Delete this sender's messages in the stream that all senders shared, and that stream when it is empty."""
        await former.forget(self._client, self._sender)


def _read(sequence: int, headers: dict[str, str], timestamp: float, payload: bytes = b"") -> Waiting:
    try:
        key, offsets, stored_at = _read_waiting(sequence, headers)
    except UnreadableEnvelope as error:
        return Waiting(sequence, "", (), timestamp, str(error), payload)
    return Waiting(sequence, key, offsets, stored_at, "", payload)


def _read_waiting(sequence: int, headers: dict[str, str]) -> tuple[str, tuple[int, ...], float]:
    try:
        if headers["Kigeon-Format"] != RETRY_FORMAT:
            raise ValueError(f"format {headers['Kigeon-Format']!r}")
        offsets = tuple(_number(offset) for offset in headers["Kigeon-Numbers"].split(","))
        stored_at = float(headers["Kigeon-Stored-At"])
        if not 0 <= stored_at < MOST_TIME:
            raise ValueError(f"{stored_at} is no time")
        return headers["Kigeon-Key"], offsets, stored_at
    except (KeyError, ValueError) as error:
        raise UnreadableEnvelope(
            f"message {sequence} of the retry stream has no readable headers: {shorten(repr(error), 200)}"
        ) from error


def _number(text: str) -> int:
    found = natural(text)
    if not found:
        raise ValueError(f"{text[:40]!r} is no offset")
    return found
