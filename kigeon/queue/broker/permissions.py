"""The subjects that kigeon's user of an external JetStream needs, and harmless messages that test the permissions.

The messages change nothing: JetStream's API refuses a request that is damaged JSON, and a stream refuses a message
that expects another stream. A server reports at once which subjects it denies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nats.js import api

from kigeon.queue.broker.names import StreamNames

NO_JSON = b"{check"
"""Damaged JSON, which begins as JSON does: JetStream takes any other request to purge for one to purge everything."""

_OF_STREAM = ("STREAM.INFO", "STREAM.CREATE", "STREAM.UPDATE", "STREAM.PURGE", "STREAM.MSG.GET", "STREAM.MSG.DELETE")


def publishes(names: StreamNames, senders: Sequence[str]) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Yield the subjects to which kigeon publishes, each with the payload and headers of a message without effect."""
    yield "$JS.API.STREAM.LIST", NO_JSON, {}
    for stream in _streams(names, senders):
        for request in _OF_STREAM:
            yield f"$JS.API.{request}.{stream}", NO_JSON, {}
        yield f"$JS.API.CONSUMER.CREATE.{stream}.check", NO_JSON, {}
        for request in ("CONSUMER.INFO", "CONSUMER.MSG.NEXT", "CONSUMER.DELETE"):
            yield f"$JS.API.{request}.{stream}.check", NO_JSON, {}
    elsewhere = {api.Header.EXPECTED_STREAM.value: "none"}
    for subject in (names.events_subject, names.seen_subject, names.record_subject("check")):
        yield subject, b"", elsewhere
    for sender in senders:
        yield names.retry_subject(sender, "check"), b"", elsewhere
        yield f"{names.dead_letter_subjects}.{sender}.check", b"", elsewhere
        yield f"{names.outcomes_subjects}.{sender}", b"", elsewhere
        yield names.operate_subject(sender), b"{}", {}


def restores(names: StreamNames, senders: Sequence[str]) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Yield, as :func:`publishes` does, the subjects that only the move of a queue needs."""
    for stream in _streams(names, senders):
        yield f"$JS.API.STREAM.DELETE.{stream}", NO_JSON, {}
        yield f"$JS.API.STREAM.RESTORE.{stream}", NO_JSON, {}
        yield f"$JS.SNAPSHOT.RESTORE.{stream}.check", b"", {}


def _streams(names: StreamNames, senders: Sequence[str]) -> list[str]:
    retries = [names.retry_stream(sender) for sender in senders]
    return [names.events, names.seen, names.outcomes, names.dead_letter, names.state_stream, *retries]


def subscribes(names: StreamNames, senders: Sequence[str]) -> list[str]:
    """Return the subjects to which kigeon subscribes."""
    return [names.operate_subject(sender) for sender in senders]
