"""kigeon is killed right after a push of which Loki refused a part behind its 204: all of it is held in the end."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from threading import Event

import orjson
import pytest

from kigeon.standin.apiserver import ApiServer
from tests.support.events import assert_once, make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until

STREAMS = 4


class Gate(Event):
    """Closed; it tells that somebody waits for it. A push has 15 seconds for its answer: little else is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.is_waited_for = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait as any other does."""
        self.is_waited_for = True
        return super().wait(timeout)


def fill_a_restarted(loki: Loki, rooms: int) -> None:
    """Have it know no stream, and another client take all the *rooms* there are, with those that it had first."""
    lines = loki.lines
    loki.restart()
    loki.limits.max_streams = rooms
    for line in lines[:rooms]:
        body = {"streams": [{"stream": dict(line.labels), "values": [[str(time.time_ns()), "another"]]}]}
        assert loki.take("", {"Content-Type": "application/json"}, orjson.dumps(body))[0] == 204


def is_booked(kigeon: Kigeon, sent: int, waiting: int) -> bool:
    books = kigeon.ask("status")["senders"]["loki"]
    return (books["sent"], books["waiting"]) == (sent, waiting)


@pytest.mark.parametrize("killed", ["root", "sender", "everything"])
def test_what_rode_along_and_was_refused_is_held_in_the_end(tmp_path: Path, killed: str) -> None:
    events = [make_event(number, f"team-{number % STREAMS}") for number in range(STREAMS + 1 + 2 * STREAMS)]
    with ApiServer() as api, Loki() as loki, Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        for number in range(STREAMS):
            api.put_events([events[number]])
            loki.wait_for(number + 1)
        wait_until(lambda: is_booked(kigeon, STREAMS, 0))
        # One push waits for its answer, so that all that comes meanwhile is the next one.
        loki.answering = gate = Gate()
        api.put_events([events[STREAMS]])
        wait_until(lambda: gate.is_waited_for)
        api.put_events(events[STREAMS + 1 :])
        wait_until(lambda: is_booked(kigeon, STREAMS, 1 + 2 * STREAMS))
        fill_a_restarted(loki, 2)
        loki.answering.set()
        wait_until(lambda: is_booked(kigeon, len(events), 0))
        assert len(loki.lines) == len(events) + 2 - 4
        if killed == "sender":
            os.kill(kigeon.actor("sender/loki"), signal.SIGKILL)
            loki.limits.max_streams = STREAMS
        else:
            kigeon.kill_root() if killed == "root" else kigeon.kill_tree()
            loki.limits.max_streams = STREAMS
            kigeon.start()
        loki.wait_for(len(events) + 2)
        wait_until(lambda: is_booked(kigeon, len(events), 0))
        assert kigeon.stop() == 0
    assert_once([line for line in loki.lines if line.line != "another"], events)
