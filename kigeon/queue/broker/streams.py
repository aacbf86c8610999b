"""The streams and the bucket that hold all durable state, and how they are declared; with ``queue.name`` as it is.

====================== ============================== =========================================================
stream                 subjects                       holds
====================== ============================== =========================================================
``kigeon-events``      ``kigeon.events``              envelopes, by eventsMaxAge and eventsMaxBytes
``kigeon-seen``        ``kigeon.seen``                digests alone, as long as an event is remembered
``kigeon-retry-…``     ``kigeon.retry.<sender>.<key>``   events of one sender that wait for a destination or a hook
``kigeon-dead-letter`` ``kigeon.dead-letter.<sender>.<offset>``  events that can never be delivered, one a message
``kigeon-outcomes``    ``kigeon.outcomes.<sender>``   why events were not sent, as long as the queue keeps any
``KV_kigeon-state``    key-value bucket               each sender's position; how far digests are compacted; the
                                                      labels of namespaces
====================== ============================== =========================================================

Declaring is idempotent: it creates what is missing, changes what differs, and recovers a stream whose metadata on
disk was damaged (the server then finds its messages again). A sender's retry stream is its own, and declared by it.
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
from kigeon.throttle import Limited

log = logging.getLogger(__name__)
few = Limited(log)

POSITION_KEY = "position"
"""The key of a sender's position in the bucket is this, a dot, and the sender's name."""

LABELS_KEY = "namespaces.labels"
"""The key of the namespaces' labels in the bucket: all senders' with a filter."""

OBSERVED = "kigeon-observed-lifetime"
"""In the metadata of the seen stream: for how many seconds the cluster was seen to keep its Events."""

SEQUENCE_GAP = 1000
"""Sequences that a retry stream which was made anew leaves out: more than were given out after the last booked one."""

FILE_STORE_BYTES = 2**50
"""The server's own limit, which nothing reaches: every stream has its own. There may be any number of senders."""

_SEEN_BYTES = 256 * 1024**2
_STATE_BYTES = 64 * 1024**2


def digest_ttl(lifetime: float) -> float:
    """Return the TTL of a digest in seconds: the Events' own *lifetime*, and the slack of etcd's leases.

    The API server shares one lease among the Events of a minute (or of 5 % of the lifetime), so a list may show an
    Event for that much longer than its lifetime.
    """
    return lifetime + max(120.0, lifetime * 0.05)


def digest_ttl_of(settings: QueueSettings) -> float:
    """Return the TTL of a digest in seconds, for the lifetime that is configured."""
    return digest_ttl(settings.kubernetes_events_max_lifetime)


def file_store_bytes(settings: QueueSettings) -> int:
    """Return the server's own limit: more than the streams of any number of senders are limited to, by *settings*."""
    return max(FILE_STORE_BYTES, settings.events_max_bytes)


def stream_configs(settings: QueueSettings, address: QueueAddress) -> list[api.StreamConfig]:
    """Return what each stream is to look like, but the bucket and the senders' retry streams."""
    names = address.names
    return [
        _stream(address, names.events, names.events_subject, settings.events_max_bytes, settings.events_max_age),
        _stream(address, names.seen, names.seen_subject, _SEEN_BYTES, digest_ttl_of(settings)),
        _stream(
            address,
            names.outcomes,
            f"{names.outcomes_subjects}.*",
            settings.events_max_bytes // 10,
            max(settings.events_max_age, digest_ttl_of(settings)),
        ),
        # A subject for each event: parking it twice replaces it. Full, it refuses others.
        _stream(
            address,
            names.dead_letter,
            f"{names.dead_letter_subjects}.*.*",
            settings.events_max_bytes // 10,
            per_subject=1,
            discard=api.DiscardPolicy.NEW,
        ),
    ]


def bucket_config(address: QueueAddress) -> api.KeyValueConfig:
    """Return what the bucket is to look like."""
    return api.KeyValueConfig(bucket=address.names.state, history=1, max_bytes=_STATE_BYTES, replicas=address.replicas)


def records_config(address: QueueAddress) -> api.StreamConfig:
    """Return what the stream of the bucket is to look like, as nats-py makes one of :func:`bucket_config`."""
    return api.StreamConfig(
        name=address.names.state_stream,
        subjects=[address.names.record_subject(">")],
        retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.NEW,
        max_bytes=_STATE_BYTES,
        max_msgs_per_subject=1,
        duplicate_window=120.0,
        allow_rollup_hdrs=True,
        allow_msg_ttl=True,
        deny_delete=True,
        num_replicas=address.replicas,
    )


def retry_config(settings: QueueSettings, address: QueueAddress, sender: str) -> api.StreamConfig:
    """Return what a sender's retry stream is to look like.

    Nothing may leave it unseen: its sender ends each event of it, by age too. Full, it refuses more.
    """
    names = address.names
    return _stream(
        address,
        names.retry_stream(sender),
        f"{names.retry_subjects}.{sender}.*",
        settings.events_max_bytes,
        discard=api.DiscardPolicy.NEW,
    )


def former_retry_config(settings: QueueSettings, address: QueueAddress) -> api.StreamConfig:
    """Return what the retry stream looked like that all senders shared; none is made in an external JetStream."""
    names = address.names
    return _stream(
        address,
        names.retry,
        f"{names.retry_subjects}.*",
        settings.events_max_bytes,
        discard=api.DiscardPolicy.NEW,
    )


def _stream(
    address: QueueAddress,
    name: str,
    subject: str,
    max_bytes: int,
    max_age: float = 0,
    per_subject: int = -1,
    discard: api.DiscardPolicy = api.DiscardPolicy.OLD,
) -> api.StreamConfig:
    return api.StreamConfig(
        name=name,
        subjects=[subject],
        retention=api.RetentionPolicy.LIMITS,
        storage=api.StorageType.FILE,
        discard=discard,
        max_bytes=max_bytes,
        max_age=max_age,
        max_msgs_per_subject=per_subject,
        # Kigeon publishes no message ids: the smallest window that the server takes.
        duplicate_window=0.1,
        # Nothing is read by it: a replica that lags behind would answer, too.
        allow_direct=True,
        num_replicas=address.replicas,
    )


def config_of(stream: str, settings: QueueSettings, address: QueueAddress) -> api.StreamConfig:
    """Return what the *stream* of the queue at *address* is to look like; raises :class:`ValueError` for another."""
    names = address.names
    if stream == names.retry:
        return former_retry_config(settings, address)
    if stream.startswith(f"{names.retry}-"):
        return retry_config(settings, address, stream.removeprefix(f"{names.retry}-"))
    for config in (*stream_configs(settings, address), records_config(address)):
        if config.name == stream:
            return config
    raise ValueError(f"{stream} is no stream of {names.name}")


async def declare(client: Client, settings: QueueSettings, sender: str = "") -> None:
    """Create or update every stream and the bucket, and the retry stream of *sender*.

    Raises :class:`~kigeon.errors.QueueError` when the queue is away, :class:`~kigeon.errors.QueueMoved` for good.
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
    """Return what declares the streams when a connection comes back: the server may have lost their metadata."""

    async def declare_again(client: Client) -> None:
        await persistently("declaring the streams", lambda: declare(client, settings, sender))

    return declare_again


async def remember_observed(client: Client, settings: QueueSettings, lifetime: float) -> None:
    """Have digests kept for as long as Events that live for *lifetime* seconds need, after a restart too.

    That is never less than what is configured.
    """
    address = address_of(client)
    (config,) = (config for config in stream_configs(settings, address) if config.name == address.names.seen)
    with queue_errors("remembering events for as long as they live"):
        js = client.jetstream()
        found = (await js.stream_info(config.name or "")).config
        await js.update_stream(adapted(found, await _as_observed(js, config, lifetime))[0])


async def _as_observed(js: JetStreamContext, config: api.StreamConfig, lifetime: float = 0.0) -> api.StreamConfig:
    """Return *config* with the age that was observed, now or earlier, where that is longer than the configured one."""
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
    """Declare the bucket in an external JetStream; a cluster that elects is not taken for one that has lost it."""
    state = await stream_state(js, address.names.state_stream)
    events = await stream_state(js, address.names.events)
    lost = state is None and events is not None and events.last_seq > 0
    if lasts(client, "there is no bucket of the senders' positions", lost):
        log.error("the senders' positions were lost: whatever is in the queue is sent again")
    await _declare_stream(js, records_config(address), address)


async def _adapt_stream(js: JetStreamContext, config: api.StreamConfig, address: QueueAddress) -> None:
    """Declare a stream where others may have one of its name."""
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
        log.info("a stream is changed as configured", extra={"stream": config.name, "changes": changes})
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
    """Declare a sender's retry stream; what is booked under a sequence never comes again under the same.

    So a stream that is new, or was lost and made anew, begins after what the sender's position has booked, and after
    the stream that all senders shared: which of a sequence's two streams is meant is then no question.
    """
    js, address = client.jetstream(), address_of(client)
    names = address.names
    name = names.retry_stream(sender)
    if address.external is None and await stream_state(js, name) is None:
        # Declaring it recovers it where its metadata were damaged.
        await _declare_stream(js, former_retry_config(settings, address), address)
    await _declare_stream(js, retry_config(settings, address, sender), address)
    former, state = await stream_state(js, names.retry), (await js.stream_info(name)).state
    if former is not None and not former.messages:
        await js.delete_stream(names.retry)
    before = max(former.last_seq if former is not None else 0, await _booked_in_retry(js, names, sender))
    if not state.messages and state.last_seq < before:
        await js.purge_stream(name, seq=before + SEQUENCE_GAP)


async def stream_state(js: JetStreamContext, name: str) -> api.StreamState | None:
    """Return the state of a stream; None where there is none."""
    try:
        return (await js.stream_info(name)).state
    except NotFoundError:
        return None


async def _booked_in_retry(js: JetStreamContext, names: StreamNames, sender: str) -> int:
    """Return up to which sequence of its retry stream a sender has booked; 0 where it can't be told."""
    try:
        record = await read_record(js, names, f"{POSITION_KEY}.{sender}")
        return max(int(orjson.loads(record.value or b"")["retrySequence"]), 0)
    except (NotFoundError, ValueError, KeyError, TypeError):
        return 0
