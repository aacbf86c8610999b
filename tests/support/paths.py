"""A cluster of which one path of the API is not answered as it should, for ever; and what flows all the same.

Of the two senders, one sends all there is. The other asks the API server for what it needs: a namespace's labels for
its filter, and Pods for its hook.
"""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self

from kigeon.standin.apiserver import ApiServer
from kigeon.standin.faults import Asked, Misbehaviour
from tests.support.events import assert_once, make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import is_running, wait_until

ANSWERS: tuple[Misbehaviour, ...] = (401, 403, 404, 405, 429, 500, 503, "garbage", "empty", "silence")

PATIENCE = 60.0
"""Seconds for what happened to arrive: a silent check of the resume point takes 10, and may be made twice."""

HOOK = """
def transform(config, event):
    config["tenantID"] = "seen" if "pod" in event else "unseen"
    return config
"""


@dataclass(frozen=True, slots=True)
class ApiPath:
    """What is asked for without being the Events themselves."""

    pattern: str
    asked: Asked


PATHS = {
    "check": ApiPath("/api/v1/namespaces/[^/]+/events", "name"),
    "namespaces": ApiPath("/api/v1/namespaces", "list"),
    "namespaces-watch": ApiPath("/api/v1/namespaces", "watch"),
    "namespace": ApiPath("/api/v1/namespaces", "name"),
    "pod": ApiPath("/api/v1/namespaces/[^/]+/pods/[^/]+", "get"),
}


class Flow:
    """A context manager: kigeon with its two senders, and a cluster; ``start`` starts it."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self.api = self._stack.enter_context(ApiServer())
        self.plain, self.chosen = (self._stack.enter_context(Loki()) for _ in range(2))
        self.api.put_namespace("shop", {"team": "web"})
        self.api.put_namespace("batch", {"team": "data"})
        (folder / "hook.star").write_text(HOOK)
        hook = {"script": "hook.star", "enrichPod": True}
        selector = {"namespaceSelector": {"matchLabels": {"team": "web"}}}
        senders = [loki_sender(self.plain, "plain"), loki_sender(self.chosen, "chosen", hook=hook, filter=selector)]
        self.kigeon = Kigeon(folder, self.api, senders)
        self.happened: list[dict[str, Any]] = []
        self._numbers = count()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def start(self) -> None:
        """Start kigeon; it ends with this."""
        self._stack.enter_context(self.kigeon)

    def happen(self) -> None:
        """Have Events happen: in a namespace that is selected, in one that is not, and in one that is none."""
        fresh = [make_event(next(self._numbers), name) for name in ("nowhere", "shop", "batch") for _ in range(20)]
        for event in fresh:
            pod = event["involvedObject"]
            self.api.put_pod(pod["namespace"], pod["name"], pod["uid"])
        self.happened += fresh
        self.api.put_events(fresh)

    def of(self, *namespaces: str) -> list[dict[str, Any]]:
        """Return what happened there."""
        return [event for event in self.happened if event["metadata"]["namespace"] in namespaces]

    def arrives(self) -> None:
        """Return when all has arrived, and see that nothing else did."""
        for loki, events in ((self.plain, self.happened), (self.chosen, self.of("shop"))):
            loki.wait_for(len(events), PATIENCE)
            assert_once(loki.lines, events)

    def end_watch(self, how: str) -> None:
        """End the watch for Events."""
        wait_until(self._is_watched, PATIENCE, what="a watch")
        self.api.faults.end_watches(how)

    def end_watcher(self) -> None:
        """Kill the process that watches: its successor resumes from what was stored."""
        watcher = self.kigeon.actor("watcher")
        os.kill(watcher, signal.SIGKILL)
        wait_until(lambda: not is_running(watcher), what="the watcher's end")

    def was_asked(self, path: ApiPath) -> bool:
        """Whether the misbehaviour of *path* has met anybody."""
        return (path.pattern, path.asked) in self.api.faults.met

    def _is_watched(self) -> bool:
        return any(watch.collection == "events" for watch in list(self.api.faults.watches))


def flow_goes_on(folder: Path, path: ApiPath, answer: Misbehaviour) -> None:
    """Have a *path* answered like that from the beginning on, and see all Events through, however they come."""
    with Flow(folder) as flow:
        flow.api.faults.always(path.pattern, answer, path.asked)
        flow.happen()
        flow.start()
        flow.arrives()
        flow.end_watch("drop")
        flow.happen()
        flow.arrives()
        flow.end_watcher()
        flow.happen()
        flow.arrives()
        flow.end_watch("close")
        flow.happen()
        flow.arrives()
        assert flow.was_asked(path)
        tenants = {line.tenant for line in flow.chosen.lines}
        assert tenants == {"unseen"} if path is PATHS["pod"] else "seen" in tenants
        assert flow.kigeon.stop() == 0


def known_labels_count(folder: Path, answer: Misbehaviour) -> None:
    """Have nothing be told of namespaces any more, also not after a restart: what was known of them counts."""
    with Flow(folder) as flow:
        flow.happen()
        flow.start()
        flow.arrives()
        assert flow.kigeon.stop() == 0
        flow.api.faults.always("/api/v1/namespaces", answer)
        flow.api.put_namespace("new", {"team": "web"})
        unknown = make_event(10_000, "new")
        flow.api.put_events([unknown])
        flow.happen()
        flow.kigeon.start()
        flow.chosen.wait_for(len(flow.of("shop")), PATIENCE)
        flow.happen()
        flow.chosen.wait_for(len(flow.of("shop")), PATIENCE)
        assert_once(flow.chosen.lines, flow.of("shop"))
        flow.plain.wait_for(len(flow.happened) + 1, PATIENCE)
        assert_once(flow.plain.lines, [*flow.happened, unknown])
        # What waits for its labels is neither lost nor filtered.
        flow.api.faults.heal()
        flow.chosen.wait_for(len(flow.of("shop")) + 1, PATIENCE)
        assert_once(flow.chosen.lines, [*flow.of("shop"), unknown])
        assert flow.kigeon.stop() == 0
