"""The retry stream that all senders once shared, ``kigeon-retry``, and how a sender moves its events out of it.

The sender's booked messages are copied to its own stream. The copies count as soon as the sender's position says so
(sequences of its own stream are all higher than those of the shared one). Then the originals are deleted. A crash
before the position is written leaves copies that nobody booked: the next start deletes them and copies again. A crash
after it leaves originals whose sequences show that they were copied.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from nats.aio.client import Client
from nats.js.errors import NotFoundError

from kigeon.queue.broker.connection import names_of, queue_errors, writing
from kigeon.queue.broker.scan import StreamMessage, last_sequence, scan
from kigeon.queue.broker.streams import stream_state

log = logging.getLogger(__name__)

AT_ONCE = 64
BYTES_AT_ONCE = 4 * 1024 * 1024
"""Bytes of messages that are copied side by side."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """The last sequence of the copies in the sender's own stream; new sequences of marked messages by the old ones."""

    sequence: int
    moved: Mapping[int, int] = field(default_factory=dict)


async def last_of(client: Client, sender: str) -> int:
    """Return the last sequence of the shared stream if *sender* has messages in it, else 0."""
    names = names_of(client)
    with queue_errors("reading the shared retry stream"):
        js = client.jetstream()
        state = await stream_state(js, names.retry)
        try:
            if state is not None:
                await js.get_last_msg(names.retry, f"{names.retry_subjects}.{sender}")
                return int(state.last_seq)
        except NotFoundError:
            pass
        return 0


async def is_there(client: Client, stream: str) -> bool:
    """Whether there is a stream with this name."""
    with queue_errors(f"asking for {stream}"):
        return await stream_state(client.jetstream(), stream) is not None


async def holds(client: Client, sender: str, booked: int) -> bool:
    """Whether the messages that *sender* has booked, up to sequence *booked*, are in the shared stream."""
    return 0 < booked <= await last_of(client, sender)


async def adopt(client: Client, sender: str, booked: int, marked: Collection[int]) -> Adopted | None:
    """Copy the messages that *sender* has booked, as :meth:`kigeon.queue.stores.retry.RetryStore.adopt` says."""
    names = names_of(client)
    last = await last_of(client, sender)
    if not last or booked > last:
        return None
    own = names.retry_stream(sender)
    with writing(client, "deleting copies that were never booked"):
        await client.jetstream().purge_stream(own)
    log.info("waiting events move from the shared retry stream to the sender's own", extra={"sender": sender})
    moved: dict[int, int] = {}
    some: list[StreamMessage] = []
    async for message in scan(client, names.retry, f"{names.retry_subjects}.{sender}", 1):
        if message.sequence > booked:
            break
        some.append(message)
        if len(some) >= AT_ONCE or sum(len(each.payload) for each in some) >= BYTES_AT_ONCE:
            moved |= await _copy(client, sender, some, marked)
            some = []
    moved |= await _copy(client, sender, some, marked)
    return Adopted(await last_sequence(client, own), moved)


async def _copy(client: Client, sender: str, some: list[StreamMessage], marked: Collection[int]) -> dict[int, int]:
    """Copy messages in their order; return the new sequences of those that are *marked*."""
    names = names_of(client)
    js = client.jetstream()
    with writing(client, "copying from the shared retry stream"):
        copies = (
            js.publish(
                names.retry_subject(sender, message.headers.get("Kigeon-Key", "")),
                message.payload,
                headers=dict(message.headers),
                stream=names.retry_stream(sender),
            )
            for message in some
        )
        acks = await asyncio.gather(*copies)
    return {message.sequence: ack.seq for message, ack in zip(some, acks, strict=True) if message.sequence in marked}


async def forget(client: Client, sender: str) -> None:
    """Delete the messages of *sender* in the shared stream, and the stream when it is empty."""
    names = names_of(client)
    with writing(client, "deleting from the shared retry stream"):
        js = client.jetstream()
        if await stream_state(js, names.retry) is None:
            return
        await js.purge_stream(names.retry, subject=f"{names.retry_subjects}.{sender}")
        state = await stream_state(js, names.retry)
        if state is not None and not state.messages:
            await js.delete_stream(names.retry)
