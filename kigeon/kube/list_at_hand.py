"""The list that is being read, and what a watch beside it tells: in batches, with the version to resume from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kigeon.kube.ordering import ListedEvents, in_batches
from kigeon.kube.resume_anchor import ResumeAnchors, write_anchor
from kigeon.kube.waiting import MAX_BATCH_EVENTS, Received


class ListAtHand:
    """Holds what was read of the list; ``by_namespace`` as in :class:`~kigeon.kube.ordering.ListedEvents`.

    An Event comes with its namespace and when it happened, in nanoseconds since the epoch.
    """

    def __init__(self, by_namespace: bool = False) -> None:
        self._events = ListedEvents(by_namespace)
        self._anchors = ResumeAnchors()
        self._resume_from = ""

    def begin(self, resume_from: str = "") -> None:
        """Begin another list; until it has come to its end, the watch resumes at *resume_from*; "": it lists again."""
        self._resume_from = resume_from
        self._events.clear()
        self._anchors.clear()

    def add(self, namespace: str, timestamp: int, received: Received) -> None:
        """Hold an Event of the list."""
        self._events.add(namespace, timestamp, received)

    def add_watched(self, namespace: str, timestamp: int, received: Received) -> None:
        """Hold an Event that was watched beside it."""
        self._events.add_watched(namespace, timestamp, received)

    def listed(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """Note the objects of a page: the last one of all is what a resumed watch is to find again."""
        self._anchors.listed(objects)

    def changed(self, objects: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Note the types and objects of lines that were watched beside it."""
        self._anchors.changed(objects)

    @property
    def is_full(self) -> bool:
        """Whether all that is held has to go, although the list goes on."""
        return self._events.is_full

    def ready(self) -> Iterator[list[Received]]:
        """Take what may go although the list goes on."""
        return self._in_batches(self._events.ready())

    def take(self, version: str = "") -> Iterator[list[Received]]:
        """Take everything; with the last Event goes the list's own *version*, where it has come to its end."""
        batches = self._in_batches(self._events.take())
        last = next(batches, [])
        for batch in batches:
            yield last
            last = batch
        if last and version:
            last[-1] = last[-1]._replace(resource_version=version, anchor=write_anchor(self._anchors.latest))
        yield last

    def _in_batches(self, chunks: Iterable[Sequence[Received]]) -> Iterator[list[Received]]:
        """Yield what *chunks* hold, all of it with the version to resume from should the list end there."""
        for batch in in_batches(chunks, MAX_BATCH_EVENTS):
            version = self._resume_from
            yield [event._replace(resource_version=version) for event in batch] if version else batch
