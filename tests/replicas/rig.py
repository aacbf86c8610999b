"""kigeon on a JetStream cluster, events that flow through it, and the verdict on what became of them."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from kigeon.standin.apiserver import ApiServer
from tests.support.events import assert_once
from tests.support.flow import Flow
from tests.support.http import LISTEN
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.nats import NatsCluster, NatsNode
from tests.support.processes import wait_until

log = logging.getLogger(__name__)

STREAMS = ("kigeon-events", "kigeon-seen", "kigeon-retry-loki", "KV_kigeon-state")

BACK_WITHIN = 15.0
"""Seconds until events flow again when a server has failed."""

PAUSE = 0.05
"""Seconds between two times that five events come."""


class Rig:
    """A context manager: within it kigeon runs on *cluster*, and a hundred events come in a second."""

    def __init__(self, folder: Path, cluster: NatsCluster) -> None:
        self.cluster = cluster
        self.gaps: list[float] = []
        """For how long nothing came through, each time that something failed."""
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.api = stack.enter_context(ApiServer())
            self.loki = stack.enter_context(Loki())
            self.kigeon = stack.enter_context(
                Kigeon(
                    self._folder / "kigeon",
                    self.api,
                    [loki_sender(self.loki)],
                    queue=self.cluster.queue(self._folder / "secrets"),
                    http=LISTEN,
                )
            )
            self.flow = stack.enter_context(Flow(self.api, PAUSE))
            self.flows()
            wait_until(lambda: self.cluster.is_whole(*STREAMS), what="streams that are whole")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def flows(self, within: float = 60.0) -> None:
        """Wait until what comes from now on arrives; note how long that took."""
        began, after = time.monotonic(), len(self.flow.events) + 20
        self.loki.wait_for(after, timeout=within)
        self.gaps.append(time.monotonic() - began)

    def lasts(self, seconds: float) -> None:
        """Let a fault last for so long."""
        until = time.monotonic() + seconds
        wait_until(lambda: time.monotonic() >= until, timeout=seconds + 10)

    def is_whole(self) -> None:
        """Wait until the cluster has got over a fault."""
        wait_until(lambda: self.cluster.is_whole(*STREAMS), timeout=60, what="streams that are whole again")

    def leader(self) -> NatsNode:
        """Return who leads the events stream."""
        found = wait_until(lambda: self.cluster.leader("kigeon-events"), what="a leader")
        assert found is not None
        return found

    def settle(self) -> None:
        """Let nothing more come; each event arrived, once, and the accounts say so."""
        events = self.flow.stop()
        self.loki.wait_for(len(events), timeout=90)
        told = wait_until(lambda: self._settled(len(events)), timeout=30, what="accounts that are settled")
        assert told
        assert self.kigeon.stop() == 0
        log.info("seconds until events flowed again: %s", [round(gap, 2) for gap in self.gaps[1:]])
        assert_once(self.loki.lines, events)
        assert not self.loki.malformed

    def _settled(self, count: int) -> bool:
        told = self.kigeon.ask("status")
        account, watcher = told["senders"]["loki"], told["watcher"]
        assert account["unaccounted"] == 0
        assert account["sent"] <= watcher["stored"] <= count
        return bool(account["sent"] == watcher["stored"] == count and account["waiting"] == 0)
