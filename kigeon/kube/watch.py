"""Opens watches, and reads their lines as they come."""

from __future__ import annotations

import logging
import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import urllib3

from kigeon.errors import KubernetesError, UnreadableEvent, shorten
from kigeon.kube.access import ClusterAccess
from kigeon.kube.answers import READ_ERRORS
from kigeon.kube.chunks import WatchBody
from kigeon.kube.lines import LineSplitter, Page, WatchEvent, parse_line, parse_page

log = logging.getLogger(__name__)

SILENCE = 60.0
"""Seconds without a byte after which a watch counts as half-open and is opened again."""

WATCH_SECONDS = (240, 360)
"""Bounds of a watch's random timeoutSeconds, so that watches that began together do not end together."""

AT_ONCE = 0.001
"""Seconds for a read of bytes that have come already."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A collection to list and watch, with its path and a query that narrows it down; ``parse`` reads a page of it."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    parse: Callable[[bytes], Page] = parse_page


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """Bounds of the timeoutSeconds that the server is asked for, and the seconds for which a watch may be silent."""

    seconds: tuple[int, int] = WATCH_SECONDS
    silence: float = SILENCE


class WatchReader:
    """Reads watches of one resource, also several at a time, each in a thread.

    *heard* is called when the API server gives a sign of life, *unreadable* with the number of skipped lines and why.
    *rest* says for how many seconds nobody needs further lines, once all that had come were handed on: for so long, or
    until many have come, none are read.
    """

    def __init__(
        self,
        access: ClusterAccess,
        resource: Resource,
        is_interrupted: Callable[[], bool],
        heard: Callable[[], None],
        unreadable: Callable[[int, str], None],
        rest: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._access = access
        self._resource = resource
        self._is_interrupted = is_interrupted
        self._heard = heard
        self._unreadable = unreadable
        self._rest = rest
        self._open: set[urllib3.BaseHTTPResponse] = set()
        self.watches = 0
        """How many watches were opened."""
        self.beat = time.monotonic()
        """When the API server gave its last sign of life, on the steady clock."""

    @property
    def is_watching(self) -> bool:
        """Whether a watch is open."""
        return bool(self._open)

    def lines(
        self,
        version: str,
        limits: WatchLimits,
        is_over: Callable[[], bool] = lambda: False,
        opened: Callable[[], None] = lambda: None,
    ) -> Iterator[list[WatchEvent]]:
        """Watch from *version* on; yield lines as they come, until the watch is closed. *opened* is called first.

        Raises :class:`KubernetesError` where the watch is refused or lost, unless it *is_over* or was interrupted.
        """
        query = {
            **self._resource.query,
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(random.randint(*limits.seconds)),  # noqa: S311 - spread, not a secret
        }
        response = self._access.get(self._resource.path, query, limits.silence)
        self._heard()
        self.watches += 1
        self._open.add(response)
        opened()
        try:
            # An interruption while the watch was being opened had no connection to cut.
            if not (self._is_interrupted() or is_over()):
                yield from self._read(response)
        except (urllib3.exceptions.ReadTimeoutError, TimeoutError):
            log.debug("the watch was silent, kigeon opens another", extra={"path": self._resource.path})
        except READ_ERRORS as error:
            if not (self._is_interrupted() or is_over()):
                raise KubernetesError(f"the watch was lost: {shorten(str(error))}") from error
        finally:
            self._open.discard(response)
            response.close()

    def cut(self) -> None:
        """End the reads that wait in other threads."""
        for response in list(self._open):
            sock = getattr(getattr(response, "connection", None), "sock", None)
            if sock is not None:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _read(self, response: urllib3.BaseHTTPResponse) -> Iterator[list[WatchEvent]]:
        splitter = LineSplitter()
        body = WatchBody(response)
        asked = time.monotonic()
        for piece in body:
            if self._is_interrupted():
                return
            self.beat = time.monotonic()
            self._heard()
            is_drained = self.beat - asked > AT_ONCE or body.is_drained
            lines = self._parse(splitter.feed(piece))
            if splitter.too_long:
                self._unreadable(splitter.too_long, "a line of a watch is too long")
                splitter.too_long = 0
            if lines:
                yield lines
                if is_drained:
                    body.rest(self._rest())
            asked = time.monotonic()

    def _parse(self, lines: Sequence[bytes]) -> list[WatchEvent]:
        """Parse *lines* up to the first ERROR; unreadable lines are counted and left out."""
        parsed = []
        for line in lines:
            try:
                parsed.append(parse_line(line))
            except UnreadableEvent as error:
                self._unreadable(1, str(error))
                continue
            if parsed[-1].type == "ERROR":
                break
        return parsed
