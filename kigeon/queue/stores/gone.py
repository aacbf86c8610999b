"""Keeps the retry streams of senders that left the configuration for ``queue.eventsMaxAge``, then deletes them.

A sender that comes back within that time goes on with its waiting events. The stream's metadata note since when its
sender is gone (in the stream that all senders shared, under the sender's name). Declaring a sender's stream removes
the note.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import orjson
from nats.aio.client import Client
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError

from kigeon.config.settings import QueueSettings
from kigeon.events.envelope import natural
from kigeon.queue.broker.connection import names_of, writing
from kigeon.queue.broker.records import read_record
from kigeon.queue.broker.scan import scan
from kigeon.queue.broker.streams import POSITION_KEY, stream_state

log = logging.getLogger(__name__)

GONE_SINCE = "kigeon-gone-since"
"""The key in the metadata; in the shared stream a dash and the sender's name follow. The value is in Unix seconds."""

LOOK_EVERY = 3600.0
SOON = 5.0
"""Seconds until the next look where a stream disappeared during a look."""


@dataclass(frozen=True, slots=True)
class Part:
    """The messages of one sender in one stream: the whole stream, or one subject of it."""

    stream: str
    sender: str
    subject: str
    note: str


class GoneSenders:
    """Looks after the retry streams of senders that are not among *configured*; owned by one task."""

    def __init__(
        self,
        client: Client,
        settings: QueueSettings,
        configured: Collection[str],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._names = names_of(client)
        self._max_age = settings.events_max_age
        self._configured = frozenset(configured)
        self._now = now
        self._looked_at = -math.inf

    @property
    def is_due(self) -> bool:
        """Whether it is time to look again."""
        return time.monotonic() - self._looked_at >= LOOK_EVERY

    async def look(self) -> None:
        """Note senders that are gone, forget notes of those that are back, delete what is old; raises QueueError."""
        self._looked_at = time.monotonic()
        with writing(self._client, "looking after the retry streams of senders that are gone"):
            try:
                await self._look()
            except NotFoundError:
                # A stream came or went meanwhile, as happens at the start: look again soon.
                self._looked_at -= LOOK_EVERY - SOON

    async def _look(self) -> None:
        js = self._client.jetstream()
        for info in await _retry_streams(self._client, js):
            for part in await _parts(self._client, js, info):
                await self._look_after(js, info.config, part)

    async def _look_after(self, js: JetStreamContext, config: api.StreamConfig, part: Part) -> None:
        notes = dict(config.metadata or {})
        since = _time(notes.get(part.note))
        if part.sender in self._configured:
            if since is not None:
                del notes[part.note]
                await _note(js, config, notes)
        elif since is None or since > self._now():
            notes[part.note] = f"{self._now():.0f}"
            await _note(js, config, notes)
            log.info("a sender left the configuration, its waiting events are kept", extra={"sender": part.sender})
        elif self._now() - since > self._max_age:
            events = await self._waiting(part)
            await self._delete(js, part)
            context = {"sender": part.sender, "events": events, "since": since}
            log.warning("a sender did not come back, its waiting events are deleted", extra=context)

    async def _waiting(self, part: Part) -> int:
        """Return how many events wait, which are those that have not ended by the sender's position."""
        ended = await self._ended(part.sender)
        events = 0
        async for message in scan(self._client, part.stream, part.subject, 1, headers_only=True):
            offsets = message.headers.get("Kigeon-Numbers", "").split(",")
            bits = ended.get(str(message.sequence), 0) & ((1 << len(offsets)) - 1)
            events += sum(bool(natural(offset)) for offset in offsets) - bits.bit_count()
        return events

    async def _ended(self, sender: str) -> Mapping[str, int]:
        try:
            record = await read_record(self._client.jetstream(), self._names, f"{POSITION_KEY}.{sender}")
            return {key: int(bits, 16) for key, bits in orjson.loads(record.value or b"")["retry"].items()}
        except (NotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    async def _delete(self, js: JetStreamContext, part: Part) -> None:
        if part.stream != self._names.retry:
            await js.delete_stream(part.stream)
            return
        await js.purge_stream(self._names.retry, subject=part.subject)
        state = await stream_state(js, self._names.retry)
        if state is not None and not state.messages:
            await js.delete_stream(self._names.retry)


async def _retry_streams(client: Client, js: JetStreamContext) -> list[api.StreamInfo]:
    found: list[api.StreamInfo] = []
    offset, retry = 0, names_of(client).retry
    while page := await js.streams_info(offset):
        offset += len(page)
        # Not whatever begins with it: in a JetStream of many, that may be of a kigeon with a longer name.
        found += [info for info in page if f"{info.config.name}-".startswith(f"{retry}-")]
    return found


async def _parts(client: Client, js: JetStreamContext, info: api.StreamInfo) -> list[Part]:
    """Return the senders' parts of a retry stream."""
    names = names_of(client)
    name = info.config.name or ""
    if name != names.retry:
        sender = name.removeprefix(f"{names.retry}-")
        return [Part(name, sender, f"{names.retry_subjects}.{sender}.*", GONE_SINCE)]
    subjects = (await js.stream_info(names.retry, subjects_filter=f"{names.retry_subjects}.*")).state.subjects or {}
    senders = [subject.removeprefix(f"{names.retry_subjects}.") for subject in sorted(subjects)]
    return [
        Part(names.retry, sender, f"{names.retry_subjects}.{sender}", f"{GONE_SINCE}-{sender}") for sender in senders
    ]


async def _note(js: JetStreamContext, config: api.StreamConfig, notes: dict[str, str]) -> None:
    config.metadata = notes
    await js.update_stream(config)


def _time(text: str | None) -> float | None:
    found = natural(text or "")
    return float(found) if found else None
