"""What streams hold is destroyed: only that may be missing, kigeon says so and goes on, and nothing else is doubled."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from nats.aio.client import Client

from kigeon.standin.apiserver import ApiServer
from tests.faults.store.broker import Stored
from tests.faults.store.damage import (
    BUCKET,
    WHEN,
    When,
    after_a_crash,
    ended,
    flip,
    put_slowly,
    while_running,
    while_stopped,
)
from tests.support.events import arrived, assert_once, make_event, occurrence_of
from tests.support.kigeon import loki_sender
from tests.support.loki import Loki
from tests.support.names import DEAD_LETTER, EVENTS, SEEN, STATE, retry_stream
from tests.support.processes import wait_until

GONE = "events were evicted from the queue before they were sent"


def delete(stream: str) -> Callable[[Stored], None]:
    """Return what deletes *stream* through the server."""

    async def delete_stream(client: Client) -> None:
        await client.jetstream().delete_stream(stream)

    return lambda kigeon: kigeon.ask_server(delete_stream)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("when", WHEN)
def test_a_byte_of_the_events_that_were_sent(
    tmp_path: Path, api: ApiServer, loki: Loki, when: When, share: float
) -> None:
    """Nobody needs them any more."""
    events = [make_event(number) for number in range(600)]
    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        put_slowly(api, kigeon, events[:400], 0)
        kigeon.wait_until_accounted("sender/loki", sent=400, inMemory=0)
        kigeon.wait_until_compacted()
        when(kigeon, lambda: flip(kigeon.streams() / EVENTS / "msgs" / "1.blk", share))
        kigeon.relist()
        api.put_events(events[400:])
        loki.wait_for(600, 60)
        kigeon.wait_until_accounted("sender/loki", sent=600, inMemory=0)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)
    assert loki.repeats == 0


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("when", WHEN)
def test_a_byte_of_the_events_that_wait(tmp_path: Path, api: ApiServer, loki: Loki, when: When, share: float) -> None:
    """They were in no other place: the cluster has forgotten them."""
    events = [make_event(number) for number in range(1000)]
    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        put_slowly(api, kigeon, events[:400], 0)
        kigeon.wait_until_accounted("sender/loki", sent=400, inMemory=0)
        loki.always = lambda tenant: 503
        put_slowly(api, kigeon, events[400:800], 400)
        kigeon.wait_until_compacted()
        api.delete_events()
        when(kigeon, lambda: flip(kigeon.streams() / EVENTS / "msgs" / "1.blk", share))
        kigeon.relist()
        loki.always = lambda tenant: 0
        api.put_events(events[800:])
        last = {occurrence_of(event) for event in events[800:]}
        loki.wait_for(lambda lines: last <= arrived(lines).keys(), 60)
        missing = 1000 - len(loki.lines)
        counts = wait_until(lambda: ended(kigeon.accounts(), 1000))
        assert missing == counts["evicted"] + counts["parked"]
        assert not counts["evicted"] or kigeon.said(GONE, "error")
        assert kigeon.stop() == 0
    assert arrived(loki.lines).keys() <= {occurrence_of(event) for event in events}
    assert set(arrived(loki.lines).values()) == {1}
    assert loki.repeats == 0


@pytest.mark.parametrize("how", ["deleted", "flipped"])
@pytest.mark.parametrize("when", WHEN)
def test_the_positions(tmp_path: Path, api: ApiServer, loki: Loki, when: When, how: str) -> None:
    """What is sent again because nobody knows that it was sent is byte-identical: Loki drops it."""
    events = [make_event(number) for number in range(600)]
    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        put_slowly(api, kigeon, events[:400], 0)
        kigeon.wait_until_accounted("sender/loki", sent=400, inMemory=0)
        bucket = kigeon.streams() / BUCKET
        when(kigeon, lambda: shutil.rmtree(bucket) if how == "deleted" else flip(bucket / "msgs" / "1.blk", 0.5))
        kigeon.relist()
        api.put_events(events[400:])
        loki.wait_for(600, 60)
        kigeon.wait_until_accounted("queue", stored=600)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)


@pytest.mark.parametrize("stream", [SEEN, retry_stream("loki"), DEAD_LETTER, f"KV_{STATE}", EVENTS])
def test_a_stream_is_deleted_while_events_flow(tmp_path: Path, api: ApiServer, loki: Loki, stream: str) -> None:
    events = [make_event(number) for number in range(800)]
    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        put_slowly(api, kigeon, events[:400], 0)
        kigeon.wait_until_accounted("sender/loki", sent=400, inMemory=0)
        delete(stream)(kigeon)
        api.put_events(events[400:600])
        loki.wait_for(600, 60)
        kigeon.relist()
        api.put_events(events[600:])
        loki.wait_for(800, 60)
        kigeon.wait_until_accounted("queue", stored=800)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)
    assert stream == f"KV_{STATE}" or loki.repeats == 0


@pytest.mark.parametrize("stream", [SEEN, retry_stream("loki"), DEAD_LETTER, EVENTS])
@pytest.mark.parametrize("when", [while_stopped, after_a_crash, while_running])
def test_a_stream_s_directory_is_gone(tmp_path: Path, api: ApiServer, loki: Loki, when: When, stream: str) -> None:
    events = [make_event(number) for number in range(800)]
    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        put_slowly(api, kigeon, events[:400], 0)
        kigeon.wait_until_accounted("sender/loki", sent=400, inMemory=0)
        kigeon.wait_until_compacted()
        when(kigeon, lambda: shutil.rmtree(kigeon.streams() / stream))
        kigeon.relist()
        api.put_events(events[400:])
        loki.wait_for(800, 60)
        kigeon.wait_until_accounted("queue", stored=800)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)
    assert loki.repeats == 0


@pytest.mark.parametrize("times", [1, 2])
def test_the_memory_of_events_is_destroyed_and_everything_is_listed_again(
    tmp_path: Path, api: ApiServer, loki: Loki, times: int
) -> None:
    """The events themselves are still there, with their digests: they are known all the same, after restarts too."""
    events = [make_event(number) for number in range(400)]
    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        for start in range(0, 400, 200):
            put_slowly(api, kigeon, events[start : start + 200], start)
            kigeon.wait_until_compacted()
            if times > start // 200:
                delete(SEEN)(kigeon)
        kigeon.wait_until_accounted("sender/loki", sent=400, inMemory=0)
        for _ in range(2):
            assert kigeon.stop() == 0
            kigeon.start()
            kigeon.relist()
            kigeon.wait_until_accounted("queue", stored=400, batches=0)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)
    assert loki.repeats == 0
