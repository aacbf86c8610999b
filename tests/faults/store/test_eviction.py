"""The queue is smaller than what happens while Loki is away: what had to go is counted, and nothing comes back."""

import os
from pathlib import Path
from typing import Any

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.faults.store.broker import Stored
from tests.support.events import arrived, make_event, occurrence_of
from tests.support.kigeon import loki_sender
from tests.support.loki import Loki
from tests.support.processes import wait_until

EVENTS = 12_000
"""More than a sender holds in memory (4,000, and 2,700 that it has asked for) and the queue beside it (2,300)."""

pytestmark = pytest.mark.timeout(300)

SMALL: dict[str, Any] = {"queue": {"eventsMaxBytes": "4Mi"}}
GONE = "events were evicted from the queue before they were sent"


def bulky(numbers: range) -> list[dict[str, Any]]:
    """Return events that hardly compress: the queue holds some two thousand of them."""
    return [make_event(number, note=os.urandom(1500).hex()) for number in numbers]


@pytest.mark.parametrize("senders", [["loki"], ["loki", "second"]])
@pytest.mark.parametrize("ends", ["never", "killed", "stopped"])
def test_what_was_evicted_is_counted(tmp_path: Path, api: ApiServer, loki: Loki, ends: str, senders: list[str]) -> None:
    """One Loki is away; a second sender's is not, and misses nothing."""
    events = bulky(range(EVENTS))
    with Loki() as other:
        lokis = dict(zip(senders, (loki, other), strict=False))
        config = [loki_sender(one, name) for name, one in lokis.items()]
        with Stored(tmp_path, api, config, **SMALL) as kigeon:
            api.wait_for_watches(timeout=20)
            loki.always = lambda tenant: 503
            for start in range(0, EVENTS, 250):
                api.put_events(events[start : start + 250])
                if "second" in senders:
                    other.wait_for(start + 250, 60)
                kigeon.wait_until_accounted("queue", stored=start + 250)
            if ends != "never":
                kigeon.kill_tree() if ends == "killed" else kigeon.stop()
                kigeon.start()
                wait_until(lambda: kigeon.accounts().get("evicted"), what="a count of what was evicted")
            loki.always = lambda tenant: 0
            wait_until(lambda: kigeon.accounts().get("sent", 0) + kigeon.accounts().get("evicted", 0) == EVENTS, 60)
            counts = kigeon.accounts()
            check(loki, events, counts)
            assert sum(line["events"] for line in kigeon.said(GONE, "error")) == counts["evicted"]
            relisted(kigeon)
            assert counts["sent"] == kigeon.accounts()["sent"]
            assert kigeon.stop() == 0
        check(loki, events, counts)
        assert loki.repeats == 0
        if "second" in senders:
            assert set(arrived(other.lines).values()) == {1}
            assert len(other.lines) == EVENTS
            assert other.repeats == 0


def check(loki: Loki, events: list[dict[str, Any]], counts: dict[str, int]) -> None:
    """What arrived is what was sent, once, and what is missing is what was evicted: something of each."""
    found = arrived(loki.lines)
    assert found.keys() <= {occurrence_of(event) for event in events}
    assert set(found.values()) == {1}
    assert 0 < len(found) == counts["sent"]
    assert 0 < counts["evicted"] == EVENTS - len(found)


def relisted(kigeon: Stored) -> None:
    """Have everything listed again, before and after a crash: all of it is known."""
    for crash in (False, True):
        repeated = kigeon.accounts("queue")["repeated"]
        if crash:
            kigeon.kill_tree()
            kigeon.start()
        kigeon.relist()
        kigeon.wait_until_accounted("queue", 60, stored=EVENTS, repeated=repeated + EVENTS)
