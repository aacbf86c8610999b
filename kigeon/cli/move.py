"""``kigeon move``: moves the queue between the data directory and an external JetStream."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict

import orjson

from kigeon.cli.asking import ProgressLine
from kigeon.cli.table import Table
from kigeon.cli.terminal import look_of
from kigeon.config.settings import Settings
from kigeon.config.source import dotted
from kigeon.errors import ConfigurationError, MoveRefused, Problem
from kigeon.move.deciding import Step
from kigeon.move.running import Moved, run_move


def move_queue(settings: Settings, arguments: argparse.Namespace) -> int:
    """Do it, and print what was moved; return the exit status. Raises :class:`~kigeon.errors.KigeonError`."""
    external = settings.queue.external
    if external is None:
        cure = "name the JetStream to move to or from, beside global.dataDir; kigeon may run without it afterwards"
        problem = Problem(dotted(("queue", "url")), "is required by `kigeon move`", cure)
        raise ConfigurationError(str(arguments.config), (problem,))
    if sys.stderr.isatty():
        # The progress line says what the log says.
        logging.disable(logging.WARNING)
    began, line = time.monotonic(), ProgressLine()
    try:
        outwards = arguments.to == "external"
        moved = asyncio.run(run_move(settings, external, outwards, arguments.undo, Progress(line)))
    except KeyboardInterrupt:
        raise MoveRefused("interrupted: the move was given up, or is to be repeated") from None
    finally:
        line.clear()
        logging.disable(logging.NOTSET)
    seconds = round(time.monotonic() - began, 1)
    if arguments.json:
        told = {"undone": arguments.undo, **asdict(moved), "seconds": seconds}
        sys.stdout.write(orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
    else:
        sys.stdout.writelines(f"{text}\n" for text in _lines(moved, arguments, seconds))
    return 0


class Progress:
    """Shows how far a move is, some times a second."""

    EVERY = 0.1

    def __init__(self, line: ProgressLine) -> None:
        self._line = line
        self._shown_at = 0.0
        self._doing = ""

    def __call__(self, doing: str, done: int, total: int) -> None:
        """Show that *done* bytes of *total* are done of something."""
        now = time.monotonic()
        if doing == self._doing and now - self._shown_at < self.EVERY:
            return
        self._doing, self._shown_at = doing, now
        self._line(f"{doing}: {done / 2**20:.1f} of {total / 2**20:.1f} MiB" if total else f"{doing} …")


def _lines(moved: Moved, arguments: argparse.Namespace, seconds: float) -> Iterator[str]:
    if arguments.undo:
        yield f"the move was undone: the queue is at {moved.source}"
        return
    if moved.step is Step.NOTHING:
        yield f"the queue was moved already: it is at {moved.target}"
        return
    table = Table(("STREAM", "MESSAGES", "FIRST", "LAST", "DIGEST"))
    for name, same in moved.streams.items():
        table.add(name, same.messages, same.first, same.last, same.digest)
    yield from table.lines(look_of(sys.stdout))
    url = "with" if arguments.to == "external" else "without"
    yield ""
    yield f"moved in {seconds:g} s from {moved.source}"
    yield f"to {moved.target}; both hold the same."
    yield f"Now run kigeon {url} queue.url. What is at the source is old; no kigeon runs on it any more."
