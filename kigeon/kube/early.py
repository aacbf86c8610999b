"""A watch that is read beside a list, in a thread of its own, from the version of the list's first page on.

A list takes long in a large cluster, maybe longer than etcd keeps its history. Then no watch can begin at the list's
version when the list is complete, and the list's later pages show a newer state than its first pages. But a watch that
was begun in time goes on whatever etcd forgets, and shows all changes since the first page. So the list may take as
long as it needs, and when it is complete, kigeon goes on with this watch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from kigeon.backoff import Backoff
from kigeon.errors import KubernetesError
from kigeon.kube.lines import WatchEvent
from kigeon.threads import ContextThread

GONE = 410

OpenWatch = Callable[[str, Callable[[], bool]], Iterator[list[WatchEvent]]]
"""Watches from a version on, yields lines as they come until the watch is closed, and raises :class:`KubernetesError`.

The second argument tells whether the watch is no longer wanted.
"""


class EarlyWatch:
    """Reads a watch until it has to end; ``version`` is the version that the watch has reached.

    The watch begins at *version*, or at the list's own version, *listed*, where *version* has expired. While the list
    goes on, *take* is handed the lines. After :meth:`go_on`, the function given there is handed the lines, and returns
    whether the watch goes on. ``is_torn`` says that the watch may have missed a change: then everything has to be
    listed again.
    """

    def __init__(
        self, version: str, listed: str, watch: OpenWatch, take: Callable[[Sequence[WatchEvent]], None]
    ) -> None:
        self.version = version
        self._listed = listed
        self.is_torn = False
        self._watch = watch
        self._take = take
        self._turn = threading.Condition()
        self._is_complete = False
        """Whether the list has ended; lines that come after its end wait for :meth:`go_on`."""
        self._go_on: Callable[[Sequence[WatchEvent]], bool] | None = None
        self._ended = False
        self._lines = 0
        self._error: KubernetesError | None = None
        self._backoff = Backoff(base=0.5, cap=10.0)
        self._pause = threading.Event()
        self._thread = ContextThread(self._run, name="watch")
        self._thread.start()

    def complete(self, take_page: Callable[[str], None]) -> bool:
        """Call *take_page* with the version to go on from, while no line is taken; False if the watch is torn."""
        with self._turn:
            if not self.is_torn:
                take_page(self.version)
                self._is_complete = True
            return not self.is_torn

    def go_on(self, take: Callable[[Sequence[WatchEvent]], bool]) -> int:
        """Hand the lines to *take* from now on; return how many lines *take* had when the server closed the watch.

        Returns -1 where *take* ended the watch. Raises :class:`KubernetesError` where the watch was lost.
        """
        with self._turn:
            self._go_on = take
            self._turn.notify_all()
        self._pause.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._lines

    def end(self) -> None:
        """Read no more, once the read that is under way has returned or was cut."""
        self._ended = True
        self._pause.set()

    def _run(self) -> None:
        while not self._ended and self._reads():
            self._pause.wait(self._backoff.failed())

    def _reads(self) -> bool:
        """Watch until the watch ends; return whether to watch again."""
        failed: KubernetesError | None = None
        try:
            for lines in self._watch(self.version, lambda: self._ended):
                if self._ended or not self._handled(lines):
                    return False
        except KubernetesError as error:
            failed = error
        with self._turn:
            if self._go_on is not None:
                self._error = failed
                return False
            return failed is None or failed.status != GONE or self._can_begin_later()

    def _handled(self, lines: list[WatchEvent]) -> bool:
        """Hand *lines* on; return whether to read on."""
        with self._turn:
            # end() does not take the lock, so that it never waits for its holder; hence the look every 0.1 s.
            while self._is_complete and self._go_on is None and not self._ended:
                self._turn.wait(0.1)
            if self._ended:
                return False
            if self._go_on is not None:
                self._lines += len(lines)
                if not self._go_on(lines):
                    self._lines = -1
                    return False
                return True
            told = [line for line in lines if line.type != "ERROR"]
            if told:
                self._take(told)
                self._backoff.succeeded()
                self.version = self._listed = told[-1].resource_version or self.version
            # The error's kind does not matter: the next watch from an expired version is answered with 410.
            return len(told) == len(lines) or self._can_begin_later()

    def _can_begin_later(self) -> bool:
        """Go on from the list's own version after the watch's has expired; return False if that was the list's own."""
        self.is_torn = self.version == self._listed
        self.version = self._listed
        return not self.is_torn
