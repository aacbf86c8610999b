"""Whether Loki holds what was sent, once: each event is prepared again, and looked for where it ought to be.

What it is sent with depends on the hook and on what the hook is shown: where that has changed since (a Pod's labels, a
script), an event is looked for in the wrong place, and said to be missing there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import orjson

from actors.sending import preparer_of, sink_of
from kigeon.config.settings import SenderSettings, Settings
from kigeon.kube.source import ClusterSource
from kigeon.senders.loki.reader import Held, read_lines, selector_of
from kigeon.senders.sink import Destination, Entry

Key = tuple[str, int, int]
"""What tells a line's occurrence apart: uid, count, timestamp."""


class InLoki(StrEnum):
    """What Loki holds of an event that was sent."""

    ONCE = "once"
    MISSING = "missing"
    DOUBLED = "doubled"
    NOT_ASKED = "its destination is not known now"


def look_into_loki(
    sender: SenderSettings, settings: Settings, cluster: ClusterSource | None, raw: Sequence[bytes]
) -> list[InLoki]:
    """Return what the *sender*'s destinations hold of each of the *raw* events; blocks.

    Raises :class:`~kigeon.errors.SenderError` when one does not answer.
    """
    sink = sink_of(sender)
    steps = preparer_of(sender, settings, cluster, sink).prepare(raw)
    entries = [step if isinstance(step, Entry) else None for step in steps]
    ways: dict[Destination, list[Entry]] = {}
    for entry in entries:
        if entry is not None:
            ways.setdefault(entry.destination, []).append(entry)
    held = {destination: _held(destination, found) for destination, found in ways.items()}
    sink.close()
    return [_verdict(entry, held) for entry in entries]


def _held(destination: Destination, entries: Sequence[Entry]) -> Counter[Key]:
    """Return how often each occurrence is held by *destination*, in whatever stream."""
    selector = selector_of(_common(dict(entry.stream) for entry in entries))
    times = [entry.timestamp for entry in entries]
    return Counter(key for held in read_lines(destination, selector, min(times), max(times)) if (key := _key(held)))


def _verdict(entry: Entry | None, held: Mapping[Destination, Counter[Key]]) -> InLoki:
    if entry is None:
        return InLoki.NOT_ASKED
    found = held[entry.destination][_key(Held(entry.timestamp, entry.line, {})) or ("", 0, 0)]
    return InLoki.ONCE if found == 1 else InLoki.DOUBLED if found else InLoki.MISSING


def _key(held: Held) -> Key | None:
    try:
        line = orjson.loads(held.line)
        return str(line["uid"]), int(line["count"]), held.timestamp
    except (ValueError, KeyError, TypeError):
        return None  # A line of somebody else, under the same labels.


def _common(streams: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the labels that all of *streams* have, with the same value."""
    first, *others = streams
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}
