"""The configuration of the streams and of the bucket that hold all durable state. Pure.

The names below are those of the default ``queue.name``.

====================== ============================== =========================================================
stream                 subjects                       holds
====================== ============================== =========================================================
``kigeon-events``      ``kigeon.events``              envelopes, by eventsMaxAge and eventsMaxBytes
``kigeon-seen``        ``kigeon.seen``                digests alone, for as long as an event is remembered
``kigeon-retry-…``     ``kigeon.retry.<sender>.<key>``   events of one sender that wait for a destination or a hook
``kigeon-dead-letter`` ``kigeon.dead-letter.<sender>.<offset>``  events that can never be delivered, one a message
``kigeon-outcomes``    ``kigeon.outcomes.<sender>``   why events were not sent, for as long as the queue keeps events
``KV_kigeon-state``    key-value bucket               each sender's position; how far digests are compacted; the
                                                      labels of namespaces
====================== ============================== =========================================================
"""

from __future__ import annotations

from nats.js import api

from kigeon.config.settings import QueueSettings
from kigeon.queue.broker.address import QueueAddress

FILE_STORE_BYTES = 2**50
"""The server's own limit, out of reach for any number of senders, since every stream has a limit of its own."""

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
    """Return the server's own limit, which is above the sum of the streams' limits in *settings*."""
    return max(FILE_STORE_BYTES, settings.events_max_bytes)


def stream_configs(settings: QueueSettings, address: QueueAddress) -> list[api.StreamConfig]:
    """Return the configuration of each stream except the bucket's and the senders' retry streams."""
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
    """Return the configuration of the bucket."""
    return api.KeyValueConfig(bucket=address.names.state, history=1, max_bytes=_STATE_BYTES, replicas=address.replicas)


def records_config(address: QueueAddress) -> api.StreamConfig:
    """Return the configuration of the bucket's stream, as nats-py derives it from :func:`bucket_config`."""
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
    """Return the configuration of a sender's retry stream.

    The server may evict nothing from the stream: its sender decides on each event, also on one that is too old. A full
    stream refuses more.
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
    """Return the configuration of the retry stream that all senders once shared; no external JetStream has one."""
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
