"""The streams and the bucket that hold all durable state, and how they are declared.

====================== ============================== =========================================================
stream                 subjects                       holds
====================== ============================== =========================================================
``kigeon-events``      ``kigeon.events``              envelopes, by eventsMaxAge and eventsMaxBytes
``kigeon-seen``        ``kigeon.seen``                digests alone, as long as an event is remembered
``kigeon-retry``       ``kigeon.retry.<sender>``      events that wait for their destination or their hook
``kigeon-dead-letter`` ``kigeon.dead-letter.<sender>.<number>``  events that can never be delivered, one a message
``kigeon-outcomes``    ``kigeon.outcomes.<sender>``   why events were not sent, as long as the queue keeps any
``KV_kigeon-state``    key-value bucket               each sender's position; how far digests are compacted; the
                                                      labels of namespaces
====================== ============================== =========================================================

Declaring is idempotent: it creates what is missing, changes what differs, and recovers a stream whose metadata on
disk was damaged (the server then finds its messages again).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from nats.aio.client import Client
from nats.js import JetStreamContext, api
from nats.js.errors import BadRequestError, NotFoundError

from kigeon.backoff import persistently
from kigeon.config.settings import QueueSettings
from kigeon.events.mark import MOST_LIFETIME
from kigeon.queue.connection import queue_errors

log = logging.getLogger(__name__)

EVENTS = "kigeon-events"
SEEN = "kigeon-seen"
RETRY = "kigeon-retry"
DEAD_LETTER = "kigeon-dead-letter"
OUTCOMES = "kigeon-outcomes"
STATE = "kigeon-state"

EVENTS_SUBJECT = "kigeon.events"
SEEN_SUBJECT = "kigeon.seen"
RETRY_SUBJECT = "kigeon.retry"
DEAD_LETTER_SUBJECT = "kigeon.dead-letter"
OUTCOMES_SUBJECT = "kigeon.outcomes"

POSITION_KEY = "position"
"""The key of a sender's position in the bucket is this, a dot, and the sender's name."""

LABELS_KEY = "namespaces.labels"
"""The key of the namespaces' labels in the bucket: all senders' with a filter."""

OBSERVED = "kigeon-observed-lifetime"
"""In the metadata of the seen stream: for how many seconds the cluster was seen to keep its Events."""

STREAM_NAME_IN_USE = 10058
"""What JetStream answers when a stream exists with another configuration."""

_SEEN_BYTES = 256 * 1024**2
_STATE_BYTES = 64 * 1024**2


def remembered(lifetime: float) -> float:
    """Return for how many seconds a digest is kept where Events live for *lifetime*: as long as etcd may exceed it.

    The API server shares one lease among the Events of a minute (or of 5 % of the lifetime), so an Event may be
    listed that much longer than its lifetime.
    """
    return lifetime + max(120.0, lifetime * 0.05)


def remembered_for(settings: QueueSettings) -> float:
    """Return for how many seconds a digest is kept as it is configured."""
    return remembered(settings.kubernetes_events_max_lifetime)


def file_store_bytes(settings: QueueSettings) -> int:
    """Return the server's own limit: twice what the streams are limited to.

    Where a stream exists already, declaring it again is accounted for once more before the server notices.
    """
    return 2 * (sum(int(config.max_bytes or 0) for config in stream_configs(settings)) + _STATE_BYTES)


def stream_configs(settings: QueueSettings) -> list[api.StreamConfig]:
    """Return what each stream is to look like."""
    return [
        _stream(EVENTS, EVENTS_SUBJECT, settings.events_max_bytes, max_age=settings.events_max_age),
        _stream(SEEN, SEEN_SUBJECT, _SEEN_BYTES, max_age=remembered_for(settings)),
        # Nothing may leave it unseen: its sender ends each event of it, by age too. Full, it refuses more.
        _stream(RETRY, f"{RETRY_SUBJECT}.*", settings.events_max_bytes, discard=api.DiscardPolicy.NEW),
        # A subject for each event: parking it twice replaces it.
        _stream(
            OUTCOMES,
            f"{OUTCOMES_SUBJECT}.*",
            settings.events_max_bytes // 10,
            max_age=max(settings.events_max_age, remembered_for(settings)),
        ),
        _stream(DEAD_LETTER, f"{DEAD_LETTER_SUBJECT}.*.*", settings.events_max_bytes // 10, per_subject=1),
    ]


def _stream(
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
        allow_direct=True,
    )


async def declare(client: Client, settings: QueueSettings) -> None:
    """Create or update every stream and the bucket; :class:`~kigeon.errors.QueueError` when the queue is away."""
    with queue_errors("declaring the streams"):
        await _declare(client.jetstream(), settings)


def declaring(settings: QueueSettings) -> Callable[[Client], Awaitable[None]]:
    """Return what declares the streams when a connection comes back: the server may have lost their metadata."""

    async def declare_again(client: Client) -> None:
        await persistently("declaring the streams", lambda: declare(client, settings))

    return declare_again


async def remember_observed(client: Client, settings: QueueSettings, lifetime: float) -> None:
    """Have digests kept for as long as Events that live for *lifetime* seconds need, after a restart too.

    That is never less than what is configured.
    """
    (config,) = (config for config in stream_configs(settings) if config.name == SEEN)
    with queue_errors("remembering events for as long as they live"):
        js = client.jetstream()
        await js.update_stream(await _as_observed(js, config, lifetime))


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
    if remembered(lifetime) <= (config.max_age or 0):
        return config.evolve(metadata={OBSERVED: "0"}) if metadata.get(OBSERVED) else config
    return config.evolve(max_age=remembered(lifetime), metadata={OBSERVED: f"{lifetime:.0f}"})


async def _declare(js: JetStreamContext, settings: QueueSettings) -> None:
    for config in stream_configs(settings):
        try:
            await js.add_stream(config)
        except BadRequestError as error:
            if error.err_code != STREAM_NAME_IN_USE:
                raise
            await js.update_stream(await _as_observed(js, config) if config.name == SEEN else config)
    try:
        await js.key_value(STATE)
    except NotFoundError:
        if (await js.stream_info(EVENTS)).state.last_seq:
            log.error("the senders' positions were lost: whatever is in the queue is sent again")
        await js.create_key_value(api.KeyValueConfig(bucket=STATE, history=1, max_bytes=_STATE_BYTES))
