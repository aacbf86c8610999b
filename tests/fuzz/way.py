"""The way of a batch, from the outbox to the body of a push; what arrives is compared with what was told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import orjson

from kigeon.clock import SteadyClock
from kigeon.events.checkpoint import WatcherCheckpoint, read_checkpoint, write_checkpoint
from kigeon.events.envelope import Envelope, Headers, read_headers, unpack, write_headers
from kigeon.events.fields import namespace_of
from kigeon.events.occurrence import DIGEST_SIZE, identity_of
from kigeon.kube.outbox import Batch
from kigeon.kube.pods import pod_key_of
from kigeon.queue.dedup.digests import DigestMemory
from kigeon.queue.dedup.index import Deduplication
from kigeon.senders.delivery.lane import Item, Lane
from kigeon.senders.loki.body import HEADERS, body_of
from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from kigeon.senders.loki.settings import ENCODINGS, LokiSettings
from kigeon.senders.loki.sink import LokiSink
from kigeon.senders.progress.envelope import EnvelopeProgress
from kigeon.senders.steps import Event, Preparer
from tests.fuzz.oracle import Kind, Opinion
from tests.support.loki.request import parse

MAX_LABEL_BYTES = 2048
MAX_MESSAGE = 8 * 1024 * 1024 - 64 * 1024
"""Bytes of a message that JetStream takes, less what its headers may have."""


def _is_label(value: str) -> bool:
    """Whether Loki takes it."""
    return 0 < len(value.encode()) <= MAX_LABEL_BYTES and "\ufffd" not in value


class Way:
    """``expected`` is what was told and has not come yet; ``wrong`` is what should not have been."""

    def __init__(self, expected: Callable[[], Opinion | None]) -> None:
        self._expected = expected
        self._memory = Deduplication(DigestMemory(1e9), SteadyClock())
        self._sink = LokiSink(LokiSettings("http://loki", "fuzz", {"cluster": "fuzz"}))
        self._preparer = Preparer(self._sink, self._judge)
        self._known: set[bytes] = set()
        self._in_step = True
        self.checkpoint = WatcherCheckpoint()
        self.arrived = self.stored = self.pushes = 0
        self.wrong: list[str] = []

    def take(self, batch: Batch) -> None:
        """Pass *batch* on, all the way."""
        raw = unpack(batch.envelope.payload) if batch.envelope.count else []
        digests = [
            batch.envelope.digests[start : start + DIGEST_SIZE]
            for start in range(0, len(batch.envelope.digests), DIGEST_SIZE)
        ]
        for text, digest in zip(raw, digests, strict=True):
            self._compare(text, digest)
        self.arrived += len(raw)
        examined = self._memory.examine(batch.batch_seq, batch.envelope)
        self.checkpoint = self.checkpoint.after(batch.delta, examined.repeated)
        new = dict.fromkeys(digest for digest in digests if digest not in self._known)
        if (examined.envelope.count if examined.envelope else 0) != len(new):
            self._say(f"{len(new)} of a batch are new, and not {examined}")
        self._known.update(new)
        if examined.envelope is not None:
            self._send(examined.envelope)
        self._memory.stored(batch.batch_seq)

    def _compare(self, text: bytes, digest: bytes) -> None:
        opinion = self._expected() if self._in_step else Opinion(Kind.EVENT, exact=False)
        if opinion is None:
            self._say(f"what was never told: {text[:200]!r}")
        elif opinion.exact and orjson.loads(text) != opinion.event:
            # From here on all would be compared with what it is not.
            self._in_step = False
            self._say(f"{opinion.line[:3000]!r} was told, {text[:3000]!r} came")
        elif opinion.exact and identity_of(opinion.event) != digest:
            self._say(f"another identity: {text[:2000]!r}")

    def _send(self, envelope: Envelope) -> None:
        """Store *envelope*, read it back, and push what is in it."""
        headers = write_headers(envelope, self.stored + 1, "writer", self.checkpoint)
        size = len(envelope.payload) + sum(len(key) + len(value.encode()) for key, value in headers.items())
        if size > MAX_MESSAGE:
            self._say(f"an envelope of {size} bytes")
        if any(not value.isprintable() for value in headers.values()):
            self._say(f"a header that can't be written: {headers}")
        found = read_headers(headers)
        version, first = envelope.resource_version, self.stored + 1
        mark = read_checkpoint(write_checkpoint(self.checkpoint))
        if found != Headers(envelope.count, first, envelope.digests, version, "writer", mark):
            self._say(f"headers are {found}, they were {headers}")
        events = unpack(envelope.payload)
        steps = self._preparer.prepare(events)
        entries = [step for step in steps if isinstance(step, LokiEntry)]
        if len(entries) != envelope.count:
            self._say(f"{envelope.count} events have {len(entries)} entries")
        for event, entry in zip(events, entries, strict=False):
            self._check_entry(event, entry)
        self._push(entries)
        self.stored += envelope.count

    def _push(self, entries: list[LokiEntry]) -> None:
        lane = Lane(LokiDestination("http://loki"))
        page = EnvelopeProgress(1, 1, len(entries))
        lane.add(Item(page, index, b"", entry) for index, entry in enumerate(entries))
        left = deque(entries)
        while push := lane.take():
            self.pushes += 1
            taken = [item.entry for item in push if item.entry is not None]
            wanted = sorted(left.popleft().line for _ in taken)
            for encoding in ENCODINGS:
                streams = parse("", HEADERS[encoding], body_of(taken, encoding))
                if sorted(line.line for stream in streams for line in stream.lines) != wanted:
                    self._say(f"a body in {encoding} has other lines than its entries")

    def _check_entry(self, event: bytes, entry: LokiEntry) -> None:
        found, line = orjson.loads(event), orjson.loads(entry.line)
        reason, message = found.get("reason"), found.get("message")
        if (isinstance(reason, str) and line.get("reason", "") != reason) or (
            isinstance(message, str) and line.get("message", "") != message
        ):
            self._say(f"{event[:2000]!r} became {entry.line[:2000]}")
        if not entry.stream or not all(_is_label(value) for _, value in entry.stream):
            self._say(f"labels that Loki refuses: {entry.stream}")
        if entry.timestamp < 0 or line["count"] < 1:
            self._say(f"a time or a count below zero: {entry.line[:2000]}")

    def _judge(self, events: Sequence[Event]) -> list[bool | None]:
        for event in events:
            namespace_of(event)
            pod_key_of(event)
        return [True] * len(events)

    def _say(self, what: str) -> None:
        if len(self.wrong) < 20:
            self.wrong.append(what)
