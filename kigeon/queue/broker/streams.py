"""Declares the streams and the bucket that hold all durable state (:mod:`kigeon.queue.broker.stream_configs`).

Declaring is idempotent: it creates missing streams, changes settings that differ, and recovers a stream whose metadata
on disk was damaged (the server then finds its messages again). Each sender declares its own retry stream.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import orjson
from nats.aio.client import Client
from nats.js import JetStreamContext, api
from nats.js.errors import BadRequestError, NotFoundError

from kigeon.backoff import persistently
from kigeon.config.settings import QueueSettings
from kigeon.errors import QueueError, QueueMoved
from kigeon.events.checkpoint import MOST_LIFETIME
from kigeon.queue.broker.adapting import adapted, incompatible
from kigeon.queue.broker.address import QueueAddress
from kigeon.queue.broker.connection import QueueClient, address_of, lasts, queue_errors
from kigeon.queue.broker.cures import cure_of
from kigeon.queue.broker.error_codes import ErrorCode
from kigeon.queue.broker.mark import mark_in, why_unusable
from kigeon.queue.broker.names import StreamNames
from kigeon.queue.broker.records import read_record
from kigeon.queue.broker.stream_configs import (
    bucket_config,
    digest_ttl,
    former_retry_config,
    records_config,
    retry_config,
    stream_configs,
)
from kigeon.throttle import Limited

log = logging.getLogger(__name__)
few = Limited(log)

POSITION_KEY = "position"
"""The prefix of the key of a sender's position in the bucket; a dot and the sender's name follow."""

LABELS_KEY = "namespaces.labels"
"""The key of the namespaces' labels in the bucket, which all senders with a filter share."""

OBSERVED = "kigeon-observed-lifetime"
"""The key in the seen stream's metadata of the seconds for which the cluster was seen to keep its Events."""

SEQUENCE_GAP = 1000
"""Sequences that a retry stream leaves out when it was lost, more than were given out after the last booked one."""


async def declare(client: Client, settings: QueueSettings, sender: str = "") -> None:
    """Create or update every stream and the bucket, and the retry stream of *sender*.

    Raises :class:`~kigeon.errors.QueueError` when the queue is silent, :class:`~kigeon.errors.QueueMoved` for good.
    """
    try:
        with queue_errors("declaring the streams"):
            await _declare(client, settings)
            if sender:
                await _declare_retry(client, settings, sender)
    except QueueMoved as error:
        few.error("the queue is not to be used here, it was moved or is being moved", extra={"error": str(error)})
        _note(client, str(error))
        raise
    _note(client, "")


def _note(client: Client, moved: str) -> None:
    if isinstance(client, QueueClient):
        client.moved = moved


def declaring(settings: QueueSettings, sender: str = "") -> Callable[[Client], Awaitable[None]]:
    """Return a function that declares the streams when a connection comes back, since the server may have lost them."""

    async def declare_again(client: Client) -> None:
        await persistently("declaring the streams", lambda: declare(client, settings, sender))

    return declare_again


async def remember_observed(client: Client, settings: QueueSettings, lifetime: float) -> None:
    """Have the server keep digests for as long as Events that live for *lifetime* seconds need, also after a restart.

    The server never keeps digests for less than the configured lifetime needs.
    """
    address = address_of(client)
    (config,) = (config for config in stream_configs(settings, address) if config.name == address.names.seen)
    with queue_errors("remembering events for as long as they live"):
        js = client.jetstream()
        found = (await js.stream_info(config.name or "")).config
        await js.update_stream(adapted(found, await _as_observed(js, config, lifetime))[0])


async def _as_observed(js: JetStreamContext, config: api.StreamConfig, lifetime: float = 0.0) -> api.StreamConfig:
    """Return *config* with the age for the observed lifetime, where that is longer than the configured lifetime."""
    metadata = (await js.stream_info(config.name or "")).config.metadata or {}
    try:
        observed = float(metadata.get(OBSERVED, 0))
        if not 0 <= observed <= MOST_LIFETIME:
            raise ValueError(observed)
        lifetime = lifetime or observed
    except ValueError:
        log.warning("the observed lifetime of Events can't be read", extra={"found": metadata[OBSERVED]})
    if digest_ttl(lifetime) <= (config.max_age or 0):
        return config.evolve(metadata={OBSERVED: "0"}) if metadata.get(OBSERVED) else config
    return config.evolve(max_age=digest_ttl(lifetime), metadata={OBSERVED: f"{lifetime:.0f}"})


async def _declare(client: Client, settings: QueueSettings) -> None:
    js, address = client.jetstream(), address_of(client)
    for config in stream_configs(settings, address):
        await _declare_stream(js, config, address)
    if address.external is not None:
        await _declare_records(client, js, address)
        return
    try:
        await js.key_value(address.names.state)
    except NotFoundError:
        if (await js.stream_info(address.names.events)).state.last_seq:
            log.error("the senders' positions were lost: whatever is in the queue is sent again")
        await js.create_key_value(bucket_config(address))


async def _declare_records(client: Client, js: JetStreamContext, address: QueueAddress) -> None:
    """Declare the bucket in an external JetStream; a cluster that elects a leader does not count as having lost it."""
    state = await stream_state(js, address.names.state_stream)
    events = await stream_state(js, address.names.events)
    lost = state is None and events is not None and events.last_seq > 0
    if lasts(client, "there is no bucket of the senders' positions", lost):
        log.error("the senders' positions were lost: whatever is in the queue is sent again")
    await _declare_stream(js, records_config(address), address)


async def _adapt_stream(js: JetStreamContext, config: api.StreamConfig, address: QueueAddress) -> None:
    """Declare a stream in an external JetStream, where others may have made one of the same name."""
    try:
        found = (await js.stream_info(config.name or "")).config
    except NotFoundError:
        await js.add_stream(config)
        return
    if problem := incompatible(found, config):
        raise QueueError(f"{problem} ({cure_of(problem)})")
    said, cure = why_unusable(mark_in(found.metadata), shared=True)
    if said:
        raise QueueMoved(f"{said} ({cure})")
    wanted = await _as_observed(js, config) if config.name == address.names.seen else config
    changed, changes = adapted(found, wanted)
    if changes:
        log.info("changing a stream to its configuration", extra={"stream": config.name, "changes": changes})
        await js.update_stream(changed)


async def _declare_stream(js: JetStreamContext, config: api.StreamConfig, address: QueueAddress) -> None:
    if address.external is not None:
        await _adapt_stream(js, config, address)
        return
    try:
        await js.add_stream(config)
    except BadRequestError as error:
        if error.err_code != ErrorCode.STREAM_NAME_EXIST:
            raise
        await js.update_stream(await _as_observed(js, config) if config.name == address.names.seen else config)


async def _declare_retry(client: Client, settings: QueueSettings, sender: str) -> None:
    """Declare a sender's retry stream, in which no sequence that the sender has booked is given out again.

    So a stream that is new, or was lost, begins after the sequences that the sender's position has booked, and after
    those of the stream that all senders once shared, so that a sequence belongs to one of the two streams only.
    """
    js, address = client.jetstream(), address_of(client)
    names = address.names
    name = names.retry_stream(sender)
    if address.external is None and await stream_state(js, name) is None:
        # Declaring the shared stream recovers it where its metadata were damaged.
        await _declare_stream(js, former_retry_config(settings, address), address)
    await _declare_stream(js, retry_config(settings, address, sender), address)
    former, state = await stream_state(js, names.retry), (await js.stream_info(name)).state
    if former is not None and not former.messages:
        await js.delete_stream(names.retry)
    before = max(former.last_seq if former is not None else 0, await _booked_in_retry(js, names, sender))
    if not state.messages and state.last_seq < before:
        await js.purge_stream(name, seq=before + SEQUENCE_GAP)


async def stream_state(js: JetStreamContext, name: str) -> api.StreamState | None:
    """Return the state of the stream *name*; None where it does not exist."""
    try:
        return (await js.stream_info(name)).state
    except NotFoundError:
        return None


async def _booked_in_retry(js: JetStreamContext, names: StreamNames, sender: str) -> int:
    """Return the last sequence of its retry stream that a sender has booked; 0 where that is not known."""
    try:
        record = await read_record(js, names, f"{POSITION_KEY}.{sender}")
        return max(int(orjson.loads(record.value or b"")["retrySequence"]), 0)
    except (NotFoundError, ValueError, KeyError, TypeError):
        return 0
