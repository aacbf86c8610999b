"""``kigeon demo`` on a terminal shows what the demo writes to a pipe as a table with a line of accounts below.

The demo itself runs in a process of its own, as it does for any pipe.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from kigeon.cli.show_events import EventRow, EventTable
from kigeon.cli.table import cut
from kigeon.cli.terminal import Look, look_of
from kigeon.events.fields import integer, text
from kigeon.events.occurrence import parse_time

ACCOUNTS = "KIGEON_DEMO_ACCOUNTS"
"""The environment variable that names the descriptor to which the demo writes its accounts, a line of JSON each."""

LISTEN = "KIGEON_DEMO_LISTEN"
"""The environment variable that names where the demo serves the status page."""

CHUNK = 65536
NANOSECONDS = 1e9


def show_demo(events: int, rate: float) -> int:
    """Run the demo, show it, return its exit status."""
    accounts, theirs = os.pipe()
    command = [sys.executable, "-P", "-m", "kigeon", "demo", "--events", str(events), "--rate", str(rate)]
    listen = _free_address()
    environ = {**os.environ, ACCOUNTS: str(theirs), LISTEN: listen}
    # Ctrl-C reaches both processes: the demo ends by it, and this process ends after the demo.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, pass_fds=[theirs])
    signal.signal(signal.SIGTERM, lambda *_: demo.terminate())
    os.close(theirs)
    assert demo.stdout is not None, "it is a pipe"  # noqa: S101 - for the types
    screen = DemoScreen(sys.stdout, look_of(sys.stdout))
    sys.stdout.write(f"The status page of this demo is at http://{listen}/ for as long as it runs.\n\n")
    sys.stdout.flush()
    for source, line in _lines({demo.stdout.fileno(): "event", accounts: "accounts"}):
        screen.take(source, line)
    os.close(accounts)
    return demo.wait()


def _free_address() -> str:
    """Return an address on loopback that nobody listens at now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


def _lines(sources: Mapping[int, str]) -> Iterator[tuple[str, bytes]]:
    """Yield the lines that come from the descriptors *sources*, each with its source's name, until all have ended."""
    rest = dict.fromkeys(sources, b"")
    with selectors.DefaultSelector() as selector:
        for descriptor in sources:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                chunk = os.read(key.fd, CHUNK)
                if not chunk:
                    selector.unregister(key.fd)
                *lines, rest[key.fd] = (rest[key.fd] + chunk).split(b"\n")
                yield from ((sources[key.fd], line) for line in lines)


class DemoScreen:
    """A table that grows, and below it a line that is overwritten."""

    def __init__(self, stream: TextIO, look: Look) -> None:
        self._stream = stream
        self._look = look
        self._table = EventTable(look)
        self._began = time.monotonic()
        self._accounts = {"seen": 0, "repeated": 0, "sent": 0}

    def take(self, source: str, line: bytes) -> None:
        """Show a *line* of the demo: an event, its accounts, or, as its last one, the accounts in words."""
        if source == "accounts":
            told = json.loads(line)
            # The events shown here may be ahead of the actors' last report.
            self._accounts |= {name: max(self._accounts[name], told[name]) for name in ("seen", "repeated")}
            self._write([])
        elif line.startswith(b"{"):
            self._accounts["sent"] += 1
            self._accounts["seen"] = max(self._accounts["seen"], self._accounts["sent"])
            self._write(list(self._table.lines([row_of_line(json.loads(line), time.time())])))
        else:
            self._stream.write(f"\r\033[K{self._look.paint(line.decode(), 'bold')}\n")
            self._stream.flush()

    def _write(self, lines: list[str]) -> None:
        told = ", ".join(f"{name} {count}" for name, count in self._accounts.items())
        below = cut(f"{told} · {time.monotonic() - self._began:.0f}s · Ctrl-C ends it", self._look.width - 1)
        shown = "".join(f"{line}\n" for line in lines)
        self._stream.write(f"\r\033[K{shown}{self._look.paint(below, 'green')}")
        self._stream.flush()


def row_of_line(line: Mapping[str, Any], now: float) -> EventRow:
    """Return the row of a *line* as a sender writes it; one without a time has just happened, at *now*."""
    last, first = text(line, "lastTimestamp"), text(line, "firstTimestamp")
    return EventRow(
        text(line, "namespace"),
        text(line, "name"),
        text(line, "type"),
        text(line, "reason"),
        f"{text(line, 'involvedObjectKind').lower()}/{text(line, 'involvedObjectName')}",
        text(line, "message"),
        parse_time(last) / NANOSECONDS or now,
        parse_time(first) / NANOSECONDS or now,
        integer(line.get("count")) or 1,
    )
