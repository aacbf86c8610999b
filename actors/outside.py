"""Gathers the state of each part of kigeon into a snapshot that the HTTP process serves."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from actors.restarts import Lifeline
from kigeon import __version__
from kigeon.config.settings import Settings
from kigeon.http.child import HttpChild
from kigeon.observability.latest import GatheredEvents
from kigeon.observability.snapshot import initial, moved, with_children
from kigeon.roles import PIPELINE, PIPELINE_ACTORS

THESPIAN = ("supervisor", "thespian-admin")


class Outside:
    """The snapshot, owned by the root. It goes to the HTTP process at most once a second; nothing here blocks."""

    def __init__(self, settings: Settings, http: HttpChild) -> None:
        self._http = http
        self._snapshot = initial(settings, __version__, time.time())
        self._thespians: Sequence[int] = ()
        self._latest = GatheredEvents()

    @property
    def pid(self) -> int:
        """The process that serves, 0 where there is none."""
        return self._http.pid

    def server(self, is_ready: bool, life: Lifeline, pid: int) -> None:
        """Note the state of nats-server."""
        now, before = time.monotonic(), self._snapshot.nats_server
        part = moved(before, is_ready, now, restarts=life.restarts, failures=life.in_a_row, pid=pid)
        if part is not before:
            self._snapshot = replace(self._snapshot, nats_server=part)

    def server_fails(self, problem: str) -> None:
        """Note why nats-server does not store, or does not start; the Queue's report tells when it stores again."""
        self._snapshot = replace(self._snapshot, nats_server=replace(self._snapshot.nats_server, problem=problem))

    def actors(self, life: Lifeline, thespians: Sequence[int]) -> None:
        """Note the state of the actor system; *thespians* are its processes, none where it does not run."""
        now, before = time.monotonic(), self._snapshot.actors
        part = moved(before, bool(thespians), now, restarts=life.restarts, failures=life.in_a_row)
        self._thespians = thespians
        if part is not before:
            self._snapshot = replace(self._snapshot, actors=part)

    def actors_fail(self, problem: str) -> None:
        """Note why the actor system is built again; until then none of its actors runs."""
        now, children = time.monotonic(), self._snapshot.children
        parts = {name: moved(part, False, now, pid=0) for name, part in children.items()}
        self._snapshot = replace(self._snapshot, actors=replace(self._snapshot.actors, problem=problem), children=parts)

    def children(self, children: Mapping[str, Mapping[str, Any]]) -> None:
        """Note the children's reports, which the Supervisor tells."""
        told = children.get("deduplicator", {})
        self._latest.take(int(told.get("pid", 0)), told.get("latest", ()))
        self._snapshot = replace(with_children(self._snapshot, children, time.monotonic()), latest=self._latest.events)

    def stops(self) -> None:
        """Note that kigeon ends."""
        self._snapshot = replace(self._snapshot, stopping=True)

    def tell(self) -> None:
        """Send the snapshot to the HTTP process, if it is time."""
        self._http.keep()
        if self._http.takes_news:
            self._http.tell(replace(self._snapshot, processes=self._processes()))

    def _processes(self) -> dict[str, int]:
        snapshot = self._snapshot
        found = {"root": os.getpid(), "http": self._http.pid, "nats-server": snapshot.nats_server.pid}
        found |= dict(zip(THESPIAN, self._thespians, strict=False))
        for name, part in snapshot.children.items():
            found[PIPELINE if name in PIPELINE_ACTORS else name] = part.pid
            workers: Sequence[int] = part.report.get("hookPids", ()) if part.ready else ()
            for number, pid in enumerate(workers, 1):
                found[f"{name}/hook" if number == 1 else f"{name}/hook-{number}"] = pid
        return {name: pid for name, pid in found.items() if pid}
