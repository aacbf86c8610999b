"""What the server knows of its streams is damaged, what they hold is not: nothing is lost, nothing is sent twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.faults.store.broker import Stored
from tests.faults.store.damage import BUCKET, WHEN, When, after_a_crash, while_running, while_stopped
from tests.support.events import assert_once, make_event
from tests.support.kigeon import loki_sender
from tests.support.loki import Loki
from tests.support.names import DEAD_LETTER, EVENTS, SEEN, retry_stream

STREAMS = [EVENTS, SEEN, retry_stream("loki"), DEAD_LETTER, BUCKET]


def scribble(path: Path) -> None:
    path.write_bytes(os.urandom(max(path.stat().st_size, 16)))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def go_on(tmp_path: Path, api: ApiServer, loki: Loki, when: When, damage: Callable[[Stored], None]) -> None:
    """Have events sent, do *damage*, list everything again, and see that each event arrived and was sent once."""
    events = [make_event(number) for number in range(600)]
    api.put_events(events[:200])
    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(200)
        api.put_events(events[200:300])
        kigeon.wait_until_accounted("sender/loki", sent=300, inMemory=0)
        when(kigeon, lambda: damage(kigeon))
        kigeon.relist()
        api.put_events(events[300:])
        loki.wait_for(600, 60)
        kigeon.wait_until_accounted("sender/loki", sent=600, evicted=0, inMemory=0)
        kigeon.wait_until_accounted("queue", stored=600)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)
    assert loki.repeats == 0


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("how", [scribble, empty, remove])
@pytest.mark.parametrize("name", ["meta.inf", "meta.sum"])
def test_of_every_stream(
    tmp_path: Path, api: ApiServer, loki: Loki, when: When, how: Callable[[Path], None], name: str
) -> None:
    def damage(kigeon: Stored) -> None:
        for stream in STREAMS:
            how(kigeon.streams() / stream / name)

    go_on(tmp_path, api, loki, when, damage)


@pytest.mark.parametrize("stream", STREAMS)
def test_of_one_stream(tmp_path: Path, api: ApiServer, loki: Loki, stream: str) -> None:
    go_on(tmp_path, api, loki, while_running, lambda kigeon: scribble(kigeon.streams() / stream / "meta.inf"))


@pytest.mark.parametrize("when", [while_stopped, after_a_crash])
@pytest.mark.parametrize("how", [scribble, empty, remove])
def test_the_indexes(tmp_path: Path, api: ApiServer, loki: Loki, when: When, how: Callable[[Path], None]) -> None:
    """Only a server that ends gently writes them; a stale one may lie there after a crash."""

    def damage(kigeon: Stored) -> None:
        indexes = list(kigeon.streams().glob("*/msgs/index.db"))
        assert bool(indexes) == (when is while_stopped)
        for index in indexes:
            how(index)

    go_on(tmp_path, api, loki, when, damage)


def test_there_is_no_consumer_whose_state_could_be_damaged(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    api.put_events([make_event(1)])
    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        loki.wait_for(1)
        assert not [path for path in kigeon.streams().glob("*/obs/*") if any(path.iterdir())]
