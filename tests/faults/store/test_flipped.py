"""A byte of what a stream holds beside the events is flipped: only that may be missing, and it is booked or said."""

from __future__ import annotations

from pathlib import Path

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.faults.store.broker import Stored
from tests.faults.store.damage import WHEN, When, ended, flip, put_slowly
from tests.support.events import arrived, assert_once, make_event, occurrence_of
from tests.support.hooks import ROUTE_BY_NODE, write_hook
from tests.support.kigeon import loki_sender
from tests.support.loki import Loki
from tests.support.names import DEAD_LETTER, SEEN, retry_stream
from tests.support.processes import wait_until

pytestmark = [
    pytest.mark.parametrize("share", [0.05, 0.5, 0.95]),
    pytest.mark.parametrize("when", WHEN),
]


def flip_in(kigeon: Stored, stream: str, share: float) -> None:
    """Flip a byte of what *stream* holds."""
    flip(kigeon.streams() / stream / "msgs" / "1.blk", share)


def test_the_memory_of_events(tmp_path: Path, api: ApiServer, loki: Loki, when: When, share: float) -> None:
    """The events are there with their digests, and everything is listed again: nothing is doubled."""
    events = [make_event(number) for number in range(600)]
    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        put_slowly(api, kigeon, events[:400], 0)
        kigeon.wait_until_accounted("sender/loki", sent=400, inMemory=0)
        kigeon.wait_until_compacted()
        when(kigeon, lambda: flip_in(kigeon, SEEN, share))
        kigeon.relist()
        api.put_events(events[400:])
        loki.wait_for(600, 60)
        kigeon.wait_until_accounted("queue", stored=600)
        assert kigeon.stop() == 0
    assert_once(loki.lines, events)
    assert loki.repeats == 0


def test_what_is_parked(tmp_path: Path, api: ApiServer, loki: Loki, when: When, share: float) -> None:
    """Only for the operator it is lost; the books still tell of it."""
    events = [make_event(number, reason="Bad" if number % 20 == 7 else "Good") for number in range(600)]
    good = [event for event in events if event["reason"] == "Good"]
    loki.refuse = lambda line: line.fields["reason"] == "Bad"
    with Stored(tmp_path, api, [loki_sender(loki)]) as kigeon:
        put_slowly(api, kigeon, events[:400], 0)
        kigeon.wait_until_accounted("sender/loki", sent=380, parked=20, inMemory=0)
        when(kigeon, lambda: flip_in(kigeon, DEAD_LETTER, share))
        api.put_events(events[400:])
        kigeon.wait_until_accounted("sender/loki", 60, sent=570, parked=30, inMemory=0)
        assert 10 <= len(kigeon.ask("dead-letter", "list")["deadLetters"]) <= 30
        assert kigeon.stop() == 0
    assert_once(loki.lines, good)


def test_what_waits_for_a_destination(tmp_path: Path, api: ApiServer, loki: Loki, when: When, share: float) -> None:
    """It was in no other place: the cluster has forgotten it. What is missing is booked."""
    events = [make_event(number) for number in range(12000)]
    odd = [event for event in events if int(event["source"]["host"][5:]) % 2]
    api.put_events(events)
    loki.always = lambda tenant: 503 if tenant == "even" else 0
    with Stored(tmp_path, api, [loki_sender(loki, hook=write_hook(tmp_path, ROUTE_BY_NODE))]) as kigeon:
        loki.wait_for(len(odd), 60)
        assert kigeon.wait_until_accounted("sender/loki", sent=len(odd))["retrying"] > 0
        api.delete_events()
        when(kigeon, lambda: flip_in(kigeon, retry_stream("loki"), share))
        loki.always = lambda tenant: 0
        counts = wait_until(lambda: ended(kigeon.accounts(), len(events)), 60)
        assert counts["retrying"] == 0
        assert len(loki.lines) == counts["sent"]
        assert kigeon.stop() == 0
    assert arrived(loki.lines).keys() <= {occurrence_of(event) for event in events}
    assert set(arrived(loki.lines).values()) == {1}
    assert loki.repeats == 0
