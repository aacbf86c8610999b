"""Copies one stream to the other end, and compares two."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from nats.aio.client import Client
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError

from kigeon.errors import MoveRefused
from kigeon.move.archive import ArchiveState, ArchiveWriter, StoredMessage
from kigeon.move.reading import stored_messages
from kigeon.move.renaming import Renaming
from kigeon.move.restoring import Restoring
from kigeon.queue.broker.connection import queue_errors
from kigeon.queue.broker.error_codes import ErrorCode
from kigeon.queue.broker.scan import stream_state

Told = Callable[[int], None]
"""What is told of how many bytes have been read."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What both ends hold of a stream: so many messages, the first and the last sequence, and their digest."""

    messages: int
    first: int
    last: int
    digest: str


async def copy_stream(
    source: Client, name: str, target: Client, config: Mapping[str, Any], renaming: Renaming, told: Told
) -> None:
    """Restore the stream *name* of *source* as *config* says at *target*, where there is none; raises as Restoring."""
    state = await stream_state(source, name)
    messages = _moved(source, name, renaming)
    async with aclosing(messages):
        first = await anext(messages, None)
        begin = first.sequence if first is not None else state.last_seq + 1
        # Of what is left behind nobody knows how much it is, before all has been read.
        most = min(state.messages, state.last_seq - begin + 1)
        wanted = ArchiveState(begin, state.last_seq, most, state.bytes)
        asked = {"messages": wanted.messages, "bytes": wanted.bytes, "first_seq": wanted.first, "last_seq": wanted.last}
        writer = ArchiveWriter(wanted)
        async with Restoring(target, config, asked) as restoring:
            if first is not None:
                await _send(writer, restoring, first, told)
                async for message in messages:
                    await _send(writer, restoring, message, told)
            writer.end()
            for chunk in writer.chunks(all_of_it=True):
                await restoring.send(chunk)
            await restoring.finish()


async def _moved(client: Client, name: str, renaming: Renaming) -> AsyncGenerator[StoredMessage, None]:
    """Yield the messages of the source that are moved, as they are to be at the target."""
    async with aclosing(stored_messages(client, name)) as messages:
        async for found in messages:
            if not renaming.is_left_behind(found.subject):
                yield StoredMessage(
                    found.sequence, renaming.subject(found.subject), found.time, found.headers, found.payload
                )


async def _send(writer: ArchiveWriter, restoring: Restoring, message: StoredMessage, told: Told) -> None:
    writer.add(message)
    told(message.size)
    for chunk in writer.chunks():
        await restoring.send(chunk)


async def compare_stream(source: Client, name: str, target: Client, renaming: Renaming, told: Told) -> Compared:
    """Return what both ends hold of the stream *name*; raises :class:`Differs`.

    What the source has lost to its age since it was copied may still be at the target.
    """
    other = renaming.stream(name)
    digest, count, first, extra = blake2b(digest_size=16), 0, 0, 0
    wanted, held = _moved(source, name, renaming), stored_messages(target, other)
    async with aclosing(wanted), aclosing(held):
        async for message in wanted:
            found = await _next(held, message.sequence)
            extra = max(extra, found.skipped)
            if found.message != message:
                raise Differs(f"message {message.sequence} of {other} is not that of {name}")
            _digest(digest, message)
            told(message.size)
            count, first = count + 1, first or message.sequence
        async for more in held:
            extra = more.sequence
    before, after = await stream_state(source, name), await stream_state(target, other)
    if before.last_seq != after.last_seq:
        raise Differs(f"{name} ends with message {before.last_seq}, {other} with {after.last_seq}")
    if extra and extra >= before.first_seq:
        raise Differs(f"{other} holds message {extra}, and {name} does not")
    return Compared(count, first or before.last_seq + 1, before.last_seq, digest.hexdigest())


class Differs(MoveRefused):
    """The copy of a stream is not what the source holds."""


@dataclass(frozen=True, slots=True)
class _Next:
    message: StoredMessage | None
    skipped: int = 0


async def _next(held: AsyncIterator[StoredMessage], sequence: int) -> _Next:
    """Return the first message from *sequence* on, and the sequence of the last one before it that was passed over."""
    skipped = 0
    async for message in held:
        if message.sequence >= sequence:
            return _Next(message, skipped)
        skipped = message.sequence
    return _Next(None, skipped)


def _digest(digest: Any, message: StoredMessage) -> None:
    for part in (message.subject.encode(), message.headers, message.payload):
        digest.update(b"%d:%d:%d:" % (message.sequence, message.time, len(part)))
        digest.update(part)


async def delete_stream(js: JetStreamContext, name: str) -> None:
    """Delete a stream, whole or in part; that there is none is no error."""
    with queue_errors(f"deleting {name}"):
        try:
            await js.delete_stream(name)
        except NotFoundError as error:
            if error.err_code != ErrorCode.STREAM_NOT_FOUND:
                raise


def as_request(config: api.StreamConfig) -> dict[str, Any]:
    """Return *config* as JetStream's API takes it."""
    return {key: value for key, value in config.as_dict().items() if value is not None}
