"""Preparing: every event has its own result, in order, and only some are open at the same time."""

from collections.abc import Sequence

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from kigeon.senders.loki.entry import LokiEntry
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.loki.sink import LokiSink
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.steps import AT_ONCE, Deferred, Event, Final, Preparer, SendWith
from tests.support.events import make_event

KINDS = ("use", "filtered", "unknown", "skipped", "failed", "garbage")


def passes(events: Sequence[Event]) -> list[bool | None]:
    return [{"filtered": False, "unknown": None}.get(event["reason"], True) for event in events]


def transform(events: Sequence[Event]) -> list[SendWith | Final | Deferred]:
    steps: dict[str, SendWith | Final | Deferred] = {
        "skipped": Final(Outcome.SKIPPED),
        "failed": Deferred("the hook failed"),
    }
    return [steps.get(event["reason"], SendWith()) for event in events]


@settings(max_examples=25)
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=50), st.integers(1, 50))
def test_every_event_has_its_own_result_in_order(kinds: list[str], times: int) -> None:
    kinds = kinds * times
    raw = [b"[]" if kind == "garbage" else orjson.dumps(make_event(n, reason=kind)) for n, kind in enumerate(kinds)]
    prepared = Preparer(LokiSink(LokiSettings("http://loki")), passes, transform).prepare(raw)
    assert len(prepared) == len(kinds)
    wanted = {"filtered": Outcome.FILTERED, "skipped": Outcome.SKIPPED, "garbage": Outcome.PARKED}
    for number, (kind, step) in enumerate(zip(kinds, prepared, strict=True)):
        if kind == "use":
            assert isinstance(step, LokiEntry)
            assert orjson.loads(step.line)["uid"] == make_event(number)["metadata"]["uid"]
        elif kind in wanted:
            assert isinstance(step, Final)
            assert step.outcome is wanted[kind]
        else:
            assert isinstance(step, Deferred)


def test_only_some_events_are_open_at_the_same_time() -> None:
    seen: list[int] = []

    def count(events: Sequence[Event]) -> list[bool | None]:
        seen.append(len(events))
        return [True] * len(events)

    raw = [orjson.dumps(make_event(number)) for number in range(2 * AT_ONCE + 1)]
    assert len(Preparer(LokiSink(LokiSettings("http://loki")), count).prepare(raw)) == len(raw)
    assert seen == [AT_ONCE, AT_ONCE, 1]
