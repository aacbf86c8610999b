"""What is told of events that were let through: counts at once, kinds and the last ones when they are stored."""

import orjson

from kigeon.events.kind import EventKind
from kigeon.events.sample import sample_event
from kigeon.events.summary import summaries
from kigeon.observability.passing import Passing, PassingEvents

KIND = EventKind("Normal", "Started", "")
LATEST = tuple(summaries([orjson.dumps(sample_event())]))


def test_kinds_and_the_last_events_are_told_when_they_are_stored() -> None:
    events = PassingEvents()
    events.examined(1, Passing([KIND, KIND], LATEST), passed=2, repeated=3)
    told = events.report(10.0)
    assert (told["passed"], told["repeated"], told["cluster"], told["latest"]) == (2, 3, [], [])
    events.stored(1, 10.0)
    events.stored(1, 10.0)
    told = events.report(10.0)
    assert told["cluster"] == [(*KIND, 2)]
    assert [event for _, event in told["latest"]] == list(LATEST)


def test_what_comes_again_is_told_once() -> None:
    events = PassingEvents()
    events.examined(1, Passing([KIND], ()), passed=1, repeated=0)
    events.restart()
    events.stored(1, 10.0)
    assert events.report(10.0)["cluster"] == []
    events.examined(1, Passing([KIND], ()), passed=1, repeated=0)
    events.stored(1, 10.0)
    assert events.report(10.0)["cluster"] == [(*KIND, 1)]
