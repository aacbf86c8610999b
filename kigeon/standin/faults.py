"""The faults that the stand-in API server can be told to show."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition, Event
from typing import Literal

Misbehaviour = int | Literal["garbage", "empty", "silence"]
"""A status; or a 200 whose body is no JSON (garbage) or empty; or no answer at all (silence)."""

Asked = Literal["any", "list", "name", "watch", "get"]
"""The kind of a request: a list, a list of the one object with a name, a watch, or a get of one object."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error in place of the right answer; ``kind`` is list, page (a further page of a list), watch, get or any."""

    status: int
    kind: str = "any"
    retry_after: int | None = None


@dataclass(slots=True)
class OpenWatch:
    """A watch that is being served, and what it is to do next."""

    collection: str
    injected: deque[bytes] = field(default_factory=deque)
    ending: str = ""
    """close (cleanly), drop (half a line, then the connection is cut), expire (an ERROR line with 410)."""


class Faults:
    """The faults of one server. Thread-safe; ``changed`` is the store's condition, so that open watches notice."""

    def __init__(self, changed: Condition) -> None:
        self._changed = changed
        self._failures: deque[Failure] = deque()
        self.watches: list[OpenWatch] = []
        self.answering = Event()
        self.answering.set()
        self.latency = 0.0
        self.clock_ahead = 0.0
        """Seconds by which its clock is ahead of the machine's."""
        self._always: list[tuple[re.Pattern[str], Asked, Misbehaviour]] = []
        self.met: set[tuple[str, Asked]] = set()
        """The faults of :meth:`always` that a client has met: the path's expression, and the kind of the request."""

    def fail_next(self, count: int, status: int, kind: str = "any", retry_after: int | None = None) -> None:
        """Answer the next *count* requests of a *kind* with *status*."""
        with self._changed:
            self._failures.extend([Failure(status, kind, retry_after)] * count)

    def always(self, path: str, how: Misbehaviour, asked: Asked = "any") -> None:
        """Answer each request whose whole path matches the regular expression *path* with *how*, until :meth:`heal`."""
        with self._changed:
            self._always.append((re.compile(path), asked, how))

    def heal(self) -> None:
        """Answer every path, and each of the next requests, as it should be."""
        with self._changed:
            self._always.clear()
            self._failures.clear()
            self._changed.notify_all()

    def on_path(self, path: str, asked: Asked) -> Misbehaviour | None:
        """Return the lasting fault that a request of kind *asked* for *path* meets, if any."""
        with self._changed:
            for pattern, kind, how in self._always:
                if pattern.fullmatch(path) and kind in (asked, "any"):
                    self.met.add((pattern.pattern, kind))
                    return how
        return None

    def wait_for_healing(self, path: str, asked: Asked, is_over: Callable[[], bool]) -> None:
        """Return when *path* is answered again, or when the server stops."""
        with self._changed:
            self._changed.wait_for(lambda: is_over() or self.on_path(path, asked) is None)

    def take(self, kind: str) -> Failure | None:
        """Return the failure that a request of *kind* is to meet, if any."""
        with self._changed:
            for failure in self._failures:
                if failure.kind in (kind, "any"):
                    self._failures.remove(failure)
                    return failure
        return None

    def end_watches(self, how: str) -> None:
        """End every open watch: close, drop or expire."""
        with self._changed:
            for watch in self.watches:
                watch.ending = how
            self._changed.notify_all()

    def inject(self, line: bytes) -> None:
        """Send *line* (without its newline) to every open watch."""
        with self._changed:
            for watch in self.watches:
                watch.injected.append(line + b"\n")
            self._changed.notify_all()
