"""The streams and the bucket that hold all durable state, and how they are declared.

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
from hashlib import blake2b

import orjson
from nats.aio.client import Client
from nats.js import JetStreamContext, api
from nats.js.errors import BadRequestError, KeyNotFoundError, NotFoundError

from kigeon.backoff import persistently
from kigeon.config.settings import QueueSettings
from kigeon.events.checkpoint import MOST_LIFETIME
from kigeon.queue.broker.connection import queue_errors
from kigeon.queue.broker.error_codes import ErrorCode

log = logging.getLogger(__name__)

EVENTS = "kigeon-events"
SEEN = "kigeon-seen"
RETRY = "kigeon-retry"
"""What the name of a sender's retry stream begins with; the name of the one that all senders once shared."""

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


def stream_configs(settings: QueueSettings) -> list[api.StreamConfig]:
    """Return what each stream is to look like."""
    return [
        _stream(EVENTS, EVENTS_SUBJECT, settings.events_max_bytes, max_age=settings.events_max_age),
        _stream(SEEN, SEEN_SUBJECT, _SEEN_BYTES, max_age=digest_ttl_of(settings)),
        _stream(
            OUTCOMES,
            f"{OUTCOMES_SUBJECT}.*",
            settings.events_max_bytes // 10,
            max_age=max(settings.events_max_age, digest_ttl_of(settings)),
        ),
        # A subject for each event: parking it twice replaces it. Full, it refuses others.
        _stream(
            DEAD_LETTER,
            f"{DEAD_LETTER_SUBJECT}.*.*",
            settings.events_max_bytes // 10,
            per_subject=1,
            discard=api.DiscardPolicy.NEW,
        ),
    ]


def retry_stream(sender: str) -> str:
    """Return the name of a sender's retry stream."""
    return f"{RETRY}-{sender}"


def retry_subject(sender: str, key: str) -> str:
    """Return the subject of what waits for *key*, which may be any text: a hash of it ends the subject."""
    return f"{RETRY_SUBJECT}.{sender}.{blake2b(key.encode(), digest_size=8).hexdigest()}"


def retry_config(settings: QueueSettings, sender: str) -> api.StreamConfig:
    """Return what a sender's retry stream is to look like.

    Nothing may leave it unseen: its sender ends each event of it, by age too. Full, it refuses more.
    """
    return _stream(
        retry_stream(sender),
        f"{RETRY_SUBJECT}.{sender}.*",
        settings.events_max_bytes,
        discard=api.DiscardPolicy.NEW,
    )


def former_retry_config(settings: QueueSettings) -> api.StreamConfig:
    """Return what the retry stream looked like that all senders shared."""
    return _stream(RETRY, f"{RETRY_SUBJECT}.*", settings.events_max_bytes, discard=api.DiscardPolicy.NEW)


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


async def declare(client: Client, settings: QueueSettings, sender: str = "") -> None:
    """Create or update every stream and the bucket, and the retry stream of *sender*.

    Raises :class:`~kigeon.errors.QueueError` when the queue is away.
    """
    with queue_errors("declaring the streams"):
        await _declare(client.jetstream(), settings)
        if sender:
            await _declare_retry(client.jetstream(), settings, sender)


def declaring(settings: QueueSettings, sender: str = "") -> Callable[[Client], Awaitable[None]]:
    """Return what declares the streams when a connection comes back: the server may have lost their metadata."""

    async def declare_again(client: Client) -> None:
        await persistently("declaring the streams", lambda: declare(client, settings, sender))

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
    if digest_ttl(lifetime) <= (config.max_age or 0):
        return config.evolve(metadata={OBSERVED: "0"}) if metadata.get(OBSERVED) else config
    return config.evolve(max_age=digest_ttl(lifetime), metadata={OBSERVED: f"{lifetime:.0f}"})


async def _declare(js: JetStreamContext, settings: QueueSettings) -> None:
    for config in stream_configs(settings):
        await _declare_stream(js, config)
    try:
        await js.key_value(STATE)
    except NotFoundError:
        if (await js.stream_info(EVENTS)).state.last_seq:
            log.error("the senders' positions were lost: whatever is in the queue is sent again")
        await js.create_key_value(api.KeyValueConfig(bucket=STATE, history=1, max_bytes=_STATE_BYTES))


async def _declare_stream(js: JetStreamContext, config: api.StreamConfig) -> None:
    try:
        await js.add_stream(config)
    except BadRequestError as error:
        if error.err_code != ErrorCode.STREAM_NAME_EXIST:
            raise
        await js.update_stream(await _as_observed(js, config) if config.name == SEEN else config)


async def _declare_retry(js: JetStreamContext, settings: QueueSettings, sender: str) -> None:
    """Declare a sender's retry stream; what is booked under a sequence never comes again under the same.

    So a stream that is new, or was lost and made anew, begins after what the sender's position has booked, and after
    the stream that all senders shared: which of a sequence's two streams is meant is then no question.
    """
    name = retry_stream(sender)
    if await stream_state(js, name) is None:
        # Declaring it recovers it where its metadata were damaged.
        await _declare_stream(js, former_retry_config(settings))
    await _declare_stream(js, retry_config(settings, sender))
    former, state = await stream_state(js, RETRY), (await js.stream_info(name)).state
    if former is not None and not former.messages:
        await js.delete_stream(RETRY)
    before = max(former.last_seq if former is not None else 0, await _booked_in_retry(js, sender))
    if not state.messages and state.last_seq < before:
        await js.purge_stream(name, seq=before + SEQUENCE_GAP)


async def stream_state(js: JetStreamContext, name: str) -> api.StreamState | None:
    """Return the state of a stream; None where there is none."""
    try:
        return (await js.stream_info(name)).state
    except NotFoundError:
        return None


async def _booked_in_retry(js: JetStreamContext, sender: str) -> int:
    """Return up to which sequence of its retry stream a sender has booked; 0 where it can't be told."""
    try:
        entry = await (await js.key_value(STATE)).get(f"{POSITION_KEY}.{sender}")
        return max(int(orjson.loads(entry.value or b"")["retrySequence"]), 0)
    except (KeyNotFoundError, NotFoundError, ValueError, KeyError, TypeError):
        return 0
