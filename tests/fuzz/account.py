"""One informer against a hostile API server, and the account at the end."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

from kigeon.kube.access import ClusterAccess
from kigeon.kube.informer import Informer
from kigeon.kube.outbox import Outbox
from kigeon.kube.source import ClusterSource
from kigeon.kube.watch import Resource
from tests.fuzz.oracle import Kind, Opinion
from tests.fuzz.server import Server
from tests.fuzz.watch import CountingIntake, HostileApiServer
from tests.fuzz.way import Way

PATIENCE = 360.0
"""Seconds in which something has to arrive: an API server's Retry-After is honoured for up to 300."""


@dataclass(slots=True)
class Account:
    """What a stage did, in figures, and what was wrong."""

    figures: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Account) -> None:
        """Add *other*'s."""
        for name, figure in other.figures.items():
            self.figures[name] = self.figures.get(name, 0) + figure
        self.wrong += other.wrong


def watch(seed: int, lines: int) -> Account:
    """Have an informer read *lines* hostile lines."""
    api = HostileApiServer(seed, lines)
    came = Event()
    outbox = Outbox(came.set)
    outbox.connect(1)
    collector = CountingIntake(outbox)
    died: list[BaseException] = []
    with Server(api.answer) as server, tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        access = ClusterAccess(ClusterSource(server.write_kubeconfig(Path(folder) / "config")))
        informer = Informer(access, Resource("/api/v1/events"), collector)
        thread = Thread(target=_run, args=(informer, died, came), name="informer")
        thread.start()
        way = Way(lambda: _next(api))
        try:
            _pass_on(outbox, way, came, lambda: api.is_done or bool(died))
        finally:
            outbox.close()
            informer.stop()
            thread.join(PATIENCE)
        _pass_on(outbox, way, came, lambda: True)
    return _account(api, collector, informer, way, died)


def _run(informer: Informer, died: list[BaseException], came: Event) -> None:
    try:
        informer.run()
    except BaseException as error:  # noqa: BLE001 - that it raises nothing is what is looked at
        died.append(error)
        came.set()


def _next(api: HostileApiServer) -> Opinion | None:
    with api.lock:
        return api.expected.popleft() if api.expected else None


def _pass_on(outbox: Outbox, way: Way, came: Event, is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        ends = is_done()
        batch = outbox.take()
        if batch is None and ends:
            return
        if batch is None:
            came.wait(0.05)
            came.clear()
            if time.monotonic() > deadline:
                way.wrong.append(f"nothing has come for {PATIENCE:g} seconds")
                return
            continue
        way.take(batch)
        outbox.stored(batch.epoch, batch.batch_seq)
        deadline = time.monotonic() + PATIENCE


def _account(
    api: HostileApiServer, collector: CountingIntake, informer: Informer, way: Way, died: list[BaseException]
) -> Account:
    told = api.told
    wrong = [*way.wrong, *(f"the informer ended: {error!r}"[:2000] for error in died)]
    pairs = {
        "events": (told[Kind.EVENT], collector.received),
        "events at the end of the way": (told[Kind.EVENT], way.arrived),
        "stored and repeated": (told[Kind.EVENT], way.stored + way.checkpoint.repeated),
        "deleted": (told[Kind.DELETED], collector.deleted),
        "bookmarks": (told[Kind.BOOKMARK], collector.bookmarks),
        "unreadable": (told[Kind.UNREADABLE], collector.unreadable_count),
        "unreadable in the books": (told[Kind.UNREADABLE], way.checkpoint.unreadable),
        "not arrived": (0, len(api.expected)),
    }
    wrong += [f"{name}: {there} were told, {here} came" for name, (there, here) in pairs.items() if there != here]
    figures = {
        "lines and items told": sum(told.values()),
        "events": told[Kind.EVENT],
        "of them stored, each pushed once": way.stored,
        "of them repeated": way.checkpoint.repeated,
        "deleted": told[Kind.DELETED],
        "bookmarks": told[Kind.BOOKMARK],
        "errors": told[Kind.ERROR],
        "unreadable, skipped and counted": told[Kind.UNREADABLE],
        "blank": told[Kind.BLANK],
        "watches": api.watches,
        "lists": informer.report()["lists"],
        "pushes": way.pushes,
    }
    return Account(figures, wrong)
