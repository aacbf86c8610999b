"""Events that keep coming while something fails, and what has to have become of them."""

from __future__ import annotations

from itertools import count
from threading import Event, Thread
from typing import Any, Self

from kigeon.standin.apiserver import ApiServer
from tests.support.events import assert_once, make_event
from tests.support.kigeon import Kigeon
from tests.support.loki import Loki


class Flow:
    """Events that keep coming, five every *pause* seconds, until the flow is stopped."""

    def __init__(self, api: ApiServer, pause: float = 0.01) -> None:
        self._api = api
        self._pause = pause
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> list[dict[str, Any]]:
        """Let no more come; return all that came."""
        self._stop.set()
        self._thread.join()
        return self.events

    def _run(self) -> None:
        for number in count(0, 5):
            events = [make_event(number + more) for more in range(5)]
            self.events += events
            self._api.put_events(events)
            if self._stop.wait(self._pause):
                return


def finish(kigeon: Kigeon, flow: Flow, loki: Loki) -> None:
    """Stop the flow, wait for the last of it, and look at what arrived."""
    after = len(loki.lines)
    loki.wait_for(after + 50)
    events = flow.stop()
    loki.wait_for(len(events))
    assert kigeon.stop() == 0
    assert_once(loki.lines, events)
    assert not loki.malformed
