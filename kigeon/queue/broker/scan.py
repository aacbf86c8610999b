"""Reading a stream from some sequence to its end, as fast as it comes, through a consumer that holds no state."""

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
"""Seconds that one fetch waits for messages; the reference measured that longer ones hide a lost consumer."""

DELETE_CONSUMER = "$JS.API.CONSUMER.DELETE"

ANSWER_IN_CLUSTER = 2.0
"""Seconds for a consumer of a cluster to be made, or to answer: it may be on a server that is lost, another is not."""

LAG = 0.02
"""Seconds until a replica that lags behind is looked at again."""

AT_ONCE = 256
"""Messages that a scan reads at once, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """A message of a stream: ``timestamp`` is when it was stored, seconds since the epoch."""

    sequence: int
    subject: str
    timestamp: float
    headers: Mapping[str, str]
    payload: bytes
    delivery: int
    """The consumer's sequence of it, from 1; a gap means that a delivery was lost."""


M = TypeVar("M", bound=StreamMessage)


def _consumer(start: int, headers_only: bool) -> api.ConsumerConfig:
    """Return a consumer from *start* on: no acknowledgements, in memory, gone soon after its reader is."""
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
    """Begin to read what *stream* holds under *subject* from sequence *start* on; :func:`leave` ends it."""
    config = _consumer(start, headers_only)
    js = client.jetstream() if address_of(client).external is None else client.jetstream(timeout=ANSWER_IN_CLUSTER)
    return await js.pull_subscribe(subject, stream=stream, config=config)


async def leave(client: Client, subscription: JetStreamContext.PullSubscription) -> None:
    """Have the server forget a reader; it takes a thousand of a stream, and keeps one that is not used for a minute.

    Nobody waits for that: the connection may be lost, and the reader with it.
    """
    # nats-py made the name up, and tells it nowhere.
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
    """Return a message that a consumer delivered."""
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
    """Return the headers of a message that was asked for on its own, as text.

    nats-py parses them as those of a mail: a value that is not ASCII comes as a :class:`email.header.Header`, which
    is no text and whose own ``str`` has lost every character of it.
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
    """Return the first sequence that *stream* holds, one more than its last where it is empty; raises as that does."""
    return int((await stream_state(client, stream)).first_seq)


async def stream_state(client: Client, stream: str) -> api.StreamState:
    """Return what *stream* holds, in numbers; raises as :func:`last_sequence` does."""
    with queue_errors(f"asking for the state of {stream}"):
        return (await client.jetstream().stream_info(stream)).state


async def _holds_more(client: Client, stream: str, subject: str, start: int, end: int) -> bool:
    """Return whether a reader that has come to its end lacks something from *start* to *end*.

    A consumer reads the replica of its own server, which may lag behind the leader that told the end.
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
    """Yield what *stream* holds under *subject* from sequence *start* to the end that it has now.

    *most* messages are in memory at once.

    Raises :class:`QueueError` when the queue does not answer; start again from the last one seen.
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
                # The end may lie under another subject, or be evicted or deleted: no fetch needs to wait for it then.
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
