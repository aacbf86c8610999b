"""The process that serves HTTP, which reads the root's snapshots on standard input and ends with the root."""

from __future__ import annotations

import gc
import os
import selectors
import signal
import sys
import time

from kigeon.http.server import Server
from kigeon.http.site import Site
from kigeon.observability.logs import configure
from kigeon.processes import die_with_parent

CHUNK = 256 * 1024

MAX_LINE = 16 * 1024 * 1024
"""Bytes of a snapshot's line; a longer line is damaged."""

TELL_AGAIN = 10.0
"""Seconds after which browsers are told again although the root told nothing, since the page shows that silence too."""

NICENESS = 5
"""The niceness of this process, so that processes that work with events come first."""


class Feed:
    """The root's snapshots, lines on a descriptor, of which the newest matters."""

    def __init__(self, descriptor: int, site: Site) -> None:
        self._descriptor = descriptor
        self._site = site
        self._begun = bytearray()
        os.set_blocking(descriptor, False)

    def read(self) -> bool:
        """Read the bytes that have come; return whether the root may still send more."""
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            return True
        self._begun += data
        *lines, rest = bytes(self._begun).rsplit(b"\n", 1)
        if lines:
            self._site.tell(lines[0].rpartition(b"\n")[2])
        self._begun = bytearray(rest)
        return bool(data) and len(self._begun) <= MAX_LINE


def main() -> None:
    """Serve HTTP; the arguments are the root's process id, the address, and the level and format of the log."""
    parent, listen, level, form = sys.argv[1:]
    die_with_parent(int(parent))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    configure(level, form, context={"actor": "http"})
    site = Site()
    with selectors.DefaultSelector() as selector:
        feed = Feed(0, site)
        selector.register(0, selectors.EVENT_READ, feed)
        server = Server(listen, site.respond, selector, site.news)
        gc.freeze()
        _serve(selector, server, feed)


def _serve(selector: selectors.BaseSelector, server: Server, feed: Feed) -> None:
    told_at = time.monotonic()
    while True:
        for key, events in selector.select(_patience(server)):
            if key.data is feed:
                if not feed.read():
                    return
                told_at = -TELL_AGAIN
            elif not isinstance(key.fileobj, int):
                server.serve(key.fileobj, events)  # type: ignore[arg-type]  # nothing but sockets is registered
        if time.monotonic() - told_at >= TELL_AGAIN:
            told_at = time.monotonic()
            server.tell()


def _patience(server: Server) -> float:
    """Return after how many seconds this process has to look at its timers again."""
    due = server.look()
    return TELL_AGAIN if due is None or due > TELL_AGAIN else due


if __name__ == "__main__":
    main()
