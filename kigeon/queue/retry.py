"""Where events wait that can't go now: the retry stream. It holds packed events, as envelopes do. Headers:

===================== ============================================================================================
``Kigeon-Format``     ``1``
``Kigeon-Key``        what the events wait for: a destination, ``hook``, or nothing: ``replay``
``Kigeon-Numbers``    the running number of each event, comma-separated: its origin
``Kigeon-Stored-At``  when the oldest was stored in the queue, seconds since the epoch: it waits no longer than that
===================== ============================================================================================
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from nats.aio.client import Client
from nats.js.errors import APIError

from kigeon.errors import UnreadableEnvelope, shorten
from kigeon.events.envelope import natural, pack, unpack
from kigeon.queue.connection import reading, writing
from kigeon.queue.scan import scan
from kigeon.queue.streams import RETRY, RETRY_SUBJECT

FORMAT = "1"
MOST = 1e11
"""Seconds since the epoch: the year 5138."""

NO_MESSAGE = (10037, 10043, 10057)
"""What JetStream answers when a message that is to be deleted is not there."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message of the retry stream, without its events."""

    sequence: int
    key: str
    numbers: tuple[int, ...]
    stored_at: float
    problem: str = ""
    """Why its headers can't be read; nothing else is known of it then."""


class RetryStore:
    """One sender's part of the retry stream. Every method raises :class:`QueueError` when the queue is away."""

    def __init__(self, client: Client, sender: str, timeout: float = 5.0) -> None:
        self._client = client
        self._js = client.jetstream(timeout=timeout)
        self._subject = f"{RETRY_SUBJECT}.{sender}"

    async def put(self, key: str, events: Sequence[bytes], numbers: Sequence[int], stored_at: float) -> int:
        """Store *events* and return the message's sequence. A full stream refuses: :class:`QueueError`."""
        headers = {
            "Kigeon-Format": FORMAT,
            "Kigeon-Key": key,
            "Kigeon-Numbers": ",".join(map(str, numbers)),
            "Kigeon-Stored-At": f"{stored_at:.6f}",
        }
        with writing(self._client, "moving events to the retry stream"):
            ack = await self._js.publish(self._subject, pack(events, b"").payload, headers=headers, stream=RETRY)
        return int(ack.seq)

    async def waiting(self, after: int = 0) -> list[Waiting]:
        """Return the messages of this sender after sequence *after*, oldest first."""
        return [message async for message in self.each(after)]

    async def each(self, after: int = 0) -> AsyncIterator[Waiting]:
        """Yield what :meth:`waiting` returns, one by one."""
        async for message in scan(self._client, RETRY, self._subject, after + 1, headers_only=True):
            try:
                yield _read_waiting(message.sequence, dict(message.headers))
            except UnreadableEnvelope as error:
                yield Waiting(message.sequence, "", (), message.timestamp, str(error))

    async def load(self, sequence: int) -> list[bytes]:
        """Return the events of a message; :class:`UnreadableEnvelope` when it is damaged or gone."""
        return unpack(await self._get(sequence))

    async def payload(self, sequence: int) -> bytes:
        """Return a message as it is stored; nothing when it is gone."""
        try:
            return await self._get(sequence)
        except UnreadableEnvelope:
            return b""

    async def _get(self, sequence: int) -> bytes:
        with reading(self._client, "reading the retry stream"):
            try:
                message = await self._js.get_msg(RETRY, sequence)
            except APIError as error:
                if error.err_code not in NO_MESSAGE:
                    raise
                raise UnreadableEnvelope(f"message {sequence} of the retry stream is gone") from error
        return message.data or b""

    async def delete(self, sequence: int) -> None:
        """Delete a message; one that is gone already is no error."""
        with writing(self._client, "deleting from the retry stream"):
            try:
                await self._js.delete_msg(RETRY, sequence)
            except APIError as error:
                if error.err_code not in NO_MESSAGE:
                    raise


def _read_waiting(sequence: int, headers: dict[str, str]) -> Waiting:
    try:
        if headers["Kigeon-Format"] != FORMAT:
            raise ValueError(f"format {headers['Kigeon-Format']!r}")
        numbers = tuple(_number(number) for number in headers["Kigeon-Numbers"].split(","))
        stored_at = float(headers["Kigeon-Stored-At"])
        if not 0 <= stored_at < MOST:
            raise ValueError(f"{stored_at} is no time")
        return Waiting(sequence, headers["Kigeon-Key"], numbers, stored_at)
    except (KeyError, ValueError) as error:
        raise UnreadableEnvelope(
            f"message {sequence} of the retry stream has no readable headers: {shorten(repr(error), 200)}"
        ) from error


def _number(text: str) -> int:
    found = natural(text)
    if not found:
        raise ValueError(f"{text[:40]!r} is no running number")
    return found
