import io
import json
import logging
from collections.abc import Callable, Iterator
from threading import Event

import pytest

from kigeon.observability.logs import JsonFormatter
from kigeon.throttle import MOST_LINES, SECONDS, SUMMARY, Limited, Throttle


class Clock:
    """Time that passes when a test says so; what is to be done later is done then."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def __call__(self) -> float:
        return self.now

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self._due.append((self.now + seconds, call))

    def go_on(self, seconds: float) -> None:
        self.now += seconds
        due, self._due = [call for at, call in self._due if at <= self.now], [d for d in self._due if d[0] > self.now]
        for call in due:
            call()


@pytest.fixture
def said() -> Iterator[Callable[[], list[dict[str, object]]]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("limited")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)


Said = Callable[[], list[dict[str, object]]]


def test_a_throttle_lets_a_few_through_and_counts_the_others() -> None:
    clock = Clock()
    throttle = Throttle(60.0, 2, clock)
    assert [throttle.passes() for _ in range(5)] == [True, True, False, False, False]
    assert throttle.left == 60.0
    assert (throttle.take(), throttle.take()) == (3, 0)
    clock.now += 59.9
    assert not throttle.passes()
    clock.now += 0.2
    assert [throttle.passes() for _ in range(3)] == [True, True, False]


def test_a_few_lines_and_then_a_summary(said: Said) -> None:
    clock = Clock()
    log = Limited(logging.getLogger("limited"), clock, clock.later)
    for number in range(1000):
        log.warning("it failed", extra={"uid": number})
    assert [line["uid"] for line in said()] == list(range(MOST_LINES))
    clock.go_on(SECONDS)
    summary = said()[-1]
    assert (summary["message"], summary["level"], summary["component"]) == (SUMMARY, "warn", "limited")
    assert (summary["what"], summary["count"]) == ("it failed", 1000 - MOST_LINES)
    log.warning("it failed", extra={"uid": 1000})
    assert said()[-1]["uid"] == 1000


def test_where_little_is_said_there_is_no_summary(said: Said) -> None:
    clock = Clock()
    log = Limited(logging.getLogger("limited"), clock, clock.later)
    for _ in range(MOST_LINES):
        log.warning("it failed")
    clock.go_on(SECONDS * 2)
    assert len(said()) == MOST_LINES


def test_nothing_is_lost_over_many_minutes(said: Said) -> None:
    """Each occurrence is a line, or in the count of a summary."""
    clock = Clock()
    log = Limited(logging.getLogger("limited"), clock, clock.later)
    for _ in range(5000):
        log.warning("it failed")
        clock.go_on(0.1)
    clock.go_on(SECONDS * 2)
    lines = said()
    counted = sum(int(str(line["count"])) for line in lines if line["message"] == SUMMARY)
    assert counted + sum(line["message"] == "it failed" for line in lines) == 5000
    assert len(lines) <= (500 / SECONDS + 2) * (MOST_LINES + 1)


def test_each_message_is_a_kind_of_its_own(said: Said) -> None:
    clock = Clock()
    log = Limited(logging.getLogger("limited"), clock, clock.later)
    for _ in range(100):
        log.warning("it failed")
    log.error("it failed otherwise")
    assert said()[-1]["message"] == "it failed otherwise"


def test_what_nobody_reads_costs_nothing(said: Said) -> None:
    clock = Clock()
    log = Limited(logging.getLogger("limited"), clock, clock.later)
    for _ in range(100):
        log.debug("it failed")
    log.logger.setLevel(logging.DEBUG)
    log.debug("it failed")
    assert len(said()) == 1


def test_the_summary_comes_by_itself(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kigeon.throttle.Throttle", lambda clock: Throttle(0.05, 1, clock))
    log = Limited(logging.getLogger("limited"))
    come = Event()
    monkeypatch.setattr(log, "_summarize", lambda *arguments: come.set())
    for _ in range(3):
        log.warning("it failed")
    assert come.wait(10)
