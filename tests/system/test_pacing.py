"""What was read and waits for its batch is lost to no crash, and holds up no end."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.support.events import assert_once, make_event
from tests.support.kigeon import Kigeon, accounts, loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until

EVENTS = [make_event(1), make_event(2)]


@pytest.fixture
def kigeon(tmp_path: Path, api: ApiServer, loki: Loki) -> Iterator[Kigeon]:
    """One that has stored the first event, has read the second, and would store that in an hour."""
    with Kigeon(tmp_path, api, [loki_sender(loki)], pusher={"batchWait": "1h"}) as running:
        api.wait_for_watches()
        api.put_events(EVENTS[:1])
        loki.wait_for(1)
        api.put_events(EVENTS[1:])
        wait_until(lambda: accounts(running, "watcher").get("waiting") == 1, what="an event that waits")
        assert accounts(running, "queue")["stored"] == 1
        yield running


def test_a_watcher_that_is_killed_loses_nothing_of_what_waits(kigeon: Kigeon, loki: Loki) -> None:
    """The one that replaces it resumes after what is stored."""
    os.kill(kigeon.actor("watcher"), signal.SIGKILL)
    loki.wait_for(2)
    assert kigeon.stop() == 0
    assert_once(loki.lines, EVENTS)


def test_a_tree_that_is_killed_loses_nothing_of_what_waits(kigeon: Kigeon, loki: Loki) -> None:
    kigeon.kill_tree()
    kigeon.start()
    loki.wait_for(2)
    assert kigeon.stop() == 0
    assert_once(loki.lines, EVENTS)


def test_what_waits_is_sent_before_the_end(kigeon: Kigeon, loki: Loki) -> None:
    assert kigeon.stop() == 0
    assert_once(loki.lines, EVENTS)
