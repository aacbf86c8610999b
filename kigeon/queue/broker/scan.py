"""Reads a stream from some sequence to its end, as fast as it comes, through an ephemeral consumer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from email.header import Header, decode_header
from typing import TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import api
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from kigeon.errors import QueueError
from kigeon.queue.broker.connection import address_of, queue_errors
from kigeon.queue.broker.error_codes import ErrorCode

log = logging.getLogger(__name__)

FETCH_TIMEOUT = 2.0
"""Seconds that one fetch waits for messages; a longer fetch would hide a lost consumer."""

DELETE_CONSUMER = "$JS.API.CONSUMER.DELETE"

ANSWER_IN_CLUSTER = 2.0
"""Seconds for a cluster to make a consumer, or for the consumer to answer, before another server is asked."""

LAG = 0.02
"""Seconds until a replica that lags behind is looked at again."""

AT_ONCE = 256
"""Messages that a scan reads at once by default."""


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """A message of a stream; ``timestamp`` is the time of its storing, in seconds since the epoch."""

    sequence: int
    subject: str
    timestamp: float
    headers: Mapping[str, str]
    payload: bytes
    delivery: int
    """The message's consumer sequence, from 1; a gap means that a delivery was lost."""


M = TypeVar("M", bound=StreamMessage)


def _consumer(start: int, headers_only: bool) -> api.ConsumerConfig:
    """Return a consumer from *start* on, in memory, without acknowledgements, which ends soon after its reader."""
    return api.ConsumerConfig(
        deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=max(start, 1),
        ack_policy=api.AckPolicy.NONE,
        headers_only=headers_only,
        inactive_threshold=60.0,
        mem_storage=True,
        num_replicas=1,
    )


async def subscribe(
    client: Client, stream: str, subject: str, start: int, headers_only: bool = False
) -> JetStreamContext.PullSubscription:
    """Begin to read *stream* under *subject* from sequence *start* on; :func:`leave` ends the reading."""
    config = _consumer(start, headers_only)
    js = client.jetstream() if address_of(client).external is None else client.jetstream(timeout=ANSWER_IN_CLUSTER)
    return await js.pull_subscribe(subject, stream=stream, config=config)


async def leave(client: Client, subscription: JetStreamContext.PullSubscription) -> None:
    """Have the server delete a reader's consumer, of which it allows a thousand, and keeps an unused one for a minute.

    The request is not waited for: the connection may be lost, and the consumer with it.
    """
    # nats-py made the name up, and has no public way to it.
    name = f"{subscription._stream}.{subscription._consumer}"
    try:
        await subscription.unsubscribe()
        await client.publish(f"{DELETE_CONSUMER}.{name}", reply=client.new_inbox())
    except Exception as error:  # noqa: BLE001 - a subscription of a lost connection: nothing to save
        log.debug("leaving a lost consumer", extra={"error": repr(error)})


async def fetch(subscription: JetStreamContext.PullSubscription, most: int, timeout: float) -> list[StreamMessage]:
    """Return up to *most* messages; an empty list when none came within *timeout* seconds."""
    return [message_of(message) for message in await _fetch(subscription, most, timeout)]


async def _fetch(subscription: JetStreamContext.PullSubscription, most: int, timeout: float) -> list[Msg]:
    try:
        return await subscription.fetch(most, timeout=timeout)
    except TimeoutError:
        return []


def message_of(message: Msg) -> StreamMessage:
    """Return the stream's message in a consumer's delivery."""
    metadata = message.metadata
    return StreamMessage(
        metadata.sequence.stream,
        message.subject,
        metadata.timestamp.timestamp(),
        message.headers or {},
        message.data,
        metadata.sequence.consumer,
    )


def headers_of(message: api.RawStreamMsg) -> dict[str, str]:
    """Return, as text, the headers of a message that was read by its sequence.

    nats-py parses such headers like a mail's: a value that is not ASCII becomes an :class:`email.header.Header`, whose
    ``str`` has lost every character of the value.
    """
    return {name: _text(value) for name, value in (message.headers or {}).items()}


def _text(value: str | Header) -> str:
    if isinstance(value, str):
        return value
    return b"".join(part for part, _ in decode_header(value)).decode(errors="replace")


async def last_sequence(client: Client, stream: str) -> int:
    """Return the last sequence that *stream* gave out; raises :class:`QueueError`."""
    return int((await stream_state(client, stream)).last_seq)


async def first_sequence(client: Client, stream: str) -> int:
    """Return the first sequence of *stream*, one more than its last where it is empty; raises :class:`QueueError`."""
    return int((await stream_state(client, stream)).first_seq)


async def stream_state(client: Client, stream: str) -> api.StreamState:
    """Return the counts and sequences of *stream*; raises :class:`QueueError`."""
    with queue_errors(f"asking for the state of {stream}"):
        return (await client.jetstream().stream_info(stream)).state


async def _holds_more(client: Client, stream: str, subject: str, start: int, end: int) -> bool:
    """Return whether a reader that has come to its end lacks a message from *start* to *end*.

    A consumer reads the replica of its own server, which may lag behind the leader from which the end is known.
    """
    if address_of(client).replicas <= 1:
        return False
    try:
        found = await client.jetstream().get_msg(stream, start, subject, next=True)
    except NotFoundError as error:
        if error.err_code != ErrorCode.NO_MESSAGE_FOUND:
            raise
        return False
    return (found.seq or 0) <= end


def scan(
    client: Client, stream: str, subject: str, start: int, headers_only: bool = False, most: int = AT_ONCE
) -> AsyncGenerator[StreamMessage, None]:
    """Yield the messages of *stream* under *subject* from sequence *start* to the present end.

    At most *most* messages are in memory at once.

    Raises :class:`QueueError` when the queue does not answer; a caller may scan again from the last message it had.
    """
    return scan_as(message_of, client, stream, subject, start, headers_only, most)


async def scan_as(
    read: Callable[[Msg], M],
    client: Client,
    stream: str,
    subject: str,
    start: int,
    headers_only: bool = False,
    most: int = AT_ONCE,
) -> AsyncGenerator[M, None]:
    """Do as :func:`scan` does, with what *read* makes of each message."""
    end = await last_sequence(client, stream)
    if end < start:
        return
    with queue_errors(f"reading {stream}"):
        subscription = await subscribe(client, stream, subject, start, headers_only)
    try:
        reached, deliveries = start - 1, 0
        while reached < end:
            with queue_errors(f"reading {stream}"):
                info = await subscription.consumer_info()
                sent = info.delivered.consumer_seq if info.delivered is not None else 0
                # The last message may have another subject, or be evicted or deleted: then no fetch waits for it.
                if not info.num_pending and sent <= deliveries:
                    if await _holds_more(client, stream, subject, reached + 1, end):
                        await asyncio.sleep(LAG)
                        continue
                    return
                messages = await _fetch(subscription, most, FETCH_TIMEOUT)
            for message in map(read, messages):
                deliveries += 1
                if message.delivery != deliveries:
                    raise QueueError(f"reading {stream}: a message was lost on its way")
                reached = message.sequence
                yield message
            if not messages and sent > deliveries:
                raise QueueError(f"reading {stream}: the last messages were lost on their way")
    finally:
        await leave(client, subscription)
