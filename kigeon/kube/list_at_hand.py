"""Holds the Events of a list that is being read, and returns them in batches, with the version to resume from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kigeon.kube.ordering import ListedEvents, in_batches
from kigeon.kube.resume_anchor import ResumeAnchors, write_anchor
from kigeon.kube.waiting import MAX_BATCH_EVENTS, Received


class ListAtHand:
    """Holds the Events of a list and of the watch beside it; for ``by_namespace`` see :mod:`~kigeon.kube.ordering`.

    An Event comes with its namespace and when it happened, in nanoseconds since the epoch.
    """

    def __init__(self, by_namespace: bool = False) -> None:
        self._events = ListedEvents(by_namespace)
        self._anchors = ResumeAnchors()
        self._resume_from = ""

    def begin(self, resume_from: str = "") -> None:
        """Begin another list; should it break off, a watch resumes at *resume_from*, or lists again for ""."""
        self._resume_from = resume_from
        self._events.clear()
        self._anchors.clear()

    def add(self, namespace: str, timestamp: int, received: Received) -> None:
        """Hold an Event of the list."""
        self._events.add(namespace, timestamp, received)

    def add_watched(self, namespace: str, timestamp: int, received: Received) -> None:
        """Hold an Event of the watch beside the list."""
        self._events.add_watched(namespace, timestamp, received)

    def listed(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """Note the objects of a page; a resumed watch is to find the last object of the list again."""
        self._anchors.listed(objects)

    def changed(self, objects: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Note the types and objects of lines of the watch beside the list."""
        self._anchors.changed(objects)

    @property
    def is_full(self) -> bool:
        """Whether all held Events have to go although the list goes on."""
        return self._events.is_full

    def ready(self) -> Iterator[list[Received]]:
        """Take the Events that may go although the list goes on."""
        return self._in_batches(self._events.ready())

    def take(self, version: str = "") -> Iterator[list[Received]]:
        """Take all Events; where the list has come to its end, the last Event carries the list's own *version*."""
        batches = self._in_batches(self._events.take())
        last = next(batches, [])
        for batch in batches:
            yield last
            last = batch
        if last and version:
            last[-1] = last[-1]._replace(resource_version=version, anchor=write_anchor(self._anchors.latest))
        yield last

    def _in_batches(self, chunks: Iterable[Sequence[Received]]) -> Iterator[list[Received]]:
        """Yield the Events of *chunks* in batches, with the version to resume from should the list break off there."""
        for batch in in_batches(chunks, MAX_BATCH_EVENTS):
            version = self._resume_from
            yield [event._replace(resource_version=version) for event in batch] if version else batch
