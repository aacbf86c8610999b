"""Several workers of one script: for whoever asks there is no difference to one, but that it goes faster."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from kigeon.config.settings import HookSettings
from kigeon.errors import HookCrashed, HookTimeout, HookUnavailable
from kigeon.hooks import thread as thread_module
from kigeon.hooks.demand import Demand
from kigeon.hooks.pool import MOST, HookPool
from kigeon.hooks.processors import processors
from kigeon.hooks.results import Failed, Result, Skipped, Transformed
from kigeon.hooks.runner import HookRunner
from kigeon.threads import ContextThread
from tests.hooks.scripts import CONFIG, no_worker_starts, of, write
from tests.support.events import make_event
from tests.support.processes import children, is_running, title, wait_until

MARKED = of("config['tenantID'] = event['metadata']['name']", "return config")

HOSTILE = of(
    "one = len(event['reason'][:1])",
    "if event['reason'] == 'memory':",
    "    x = [0] * (1000000000 * one)",
    "if event['reason'] == 'loop':",
    "    for i in range(1000000000):",
    "        pass",
    "if event['reason'] == 'digits':",
    "    x = int('9' * (10000000 * one))",
    "config['tenantID'] = event['metadata']['name']",
    "return config",
)


@contextmanager
def pooled(folder: Path, source: str, workers: int | None = 3, timeout: float = 0.1) -> Iterator[HookPool]:
    pool = HookPool(HookSettings(write(folder, source), timeout, workers=workers), CONFIG)
    try:
        pool.start()
        yield pool
    finally:
        pool.close()


@pytest.fixture
def pressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every batch shared by as many workers as there may be."""
    monkeypatch.setattr(Demand, "workers", lambda demand, events: demand._most)
    monkeypatch.setattr(Demand, "parts", lambda demand, events, workers: workers * 4)


def events_of(numbers: range | Iterator[int], **fields: Any) -> list[dict[str, Any]]:
    return [make_event(number, **fields) for number in numbers]


def workers() -> list[int]:
    """Return the process ids of the workers that this process has, and that run."""
    return sorted(pid for pid in children(os.getpid()) if "worker.py" in title(pid) and is_running(pid))


def complete(pool: HookPool) -> list[int]:
    """Return the process ids of the pool's workers when all of them are there, and can be asked."""

    def are_there() -> bool:
        pool.transform(events_of(range(20)))
        return all(pool.pids) and all(other._takes for other in pool._others)

    wait_until(are_there, what="all workers")
    return pool.pids


def calls_of(pool: HookPool) -> int:
    return sum(runner.counts.calls for runner in pool._runners)


def errors_of(pool: HookPool) -> Counter[str]:
    return sum((runner.counts.errors for runner in pool._runners), Counter())


def name_of(result: Result) -> str:
    assert isinstance(result, Transformed)
    assert result.config is not None
    return str(orjson.loads(result.config)["tenantID"])


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["metadata"]["name"] for event in events]


def failures(results: list[Result]) -> dict[int, type[Exception]]:
    """Return the errors by the index of their event."""
    return {index: type(result.error) for index, result in enumerate(results) if isinstance(result, Failed)}


def are_right(events: list[dict[str, Any]], results: list[Result], but: set[int]) -> bool:
    assert len(results) == len(events)
    return all(name_of(results[index]) == name for index, name in enumerate(names(events)) if index not in but)


@pytest.mark.usefixtures("pressed")
def test_each_event_has_its_own_result_in_order_whoever_did_it(tmp_path: Path) -> None:
    numbers = count()
    with pooled(tmp_path, MARKED) as pool:
        assert len(set(complete(pool))) == 3
        before = calls_of(pool)
        for size in (1, 2, 3, 7, 500, 499, 2000, 0):
            events = events_of(next(numbers) for _ in range(size))
            assert [name_of(result) for result in pool.transform(events)] == names(events)
        calls = [runner.counts.calls for runner in pool._runners]
        assert all(calls)
        assert sum(calls) == calls_of(pool) == before + 3012
        assert errors_of(pool) == {}


@pytest.mark.usefixtures("pressed")
@pytest.mark.parametrize(
    ("reason", "error", "kills"), [("memory", HookCrashed, 0), ("loop", HookTimeout, 0), ("digits", HookTimeout, 1)]
)
def test_what_ends_or_holds_up_a_worker_costs_the_event_at_hand_alone(
    tmp_path: Path, reason: str, error: type[Exception], kills: int
) -> None:
    bad = {3, 200, 399}
    events = events_of(range(400))
    for index in bad:
        events[index]["reason"] = reason
    with pooled(tmp_path, HOSTILE) as pool:
        complete(pool)
        results = pool.transform(events)
        assert failures(results) == dict.fromkeys(bad, error)
        assert are_right(events, results, bad)
        assert errors_of(pool) == {error.__name__: 3}
        assert pool.kills == 3 * kills
        complete(pool)
        assert pool.respawns == (0 if reason == "loop" else 3)


@pytest.mark.usefixtures("pressed")
def test_an_event_that_ends_each_worker_is_tried_by_one_of_them(tmp_path: Path) -> None:
    """Nor are those tried again that wait behind it."""
    events = events_of(range(12), reason="memory")
    with pooled(tmp_path, HOSTILE) as pool:
        complete(pool)
        before = calls_of(pool)
        assert failures(pool.transform(events)) == dict.fromkeys(range(12), HookCrashed)
        assert pool.respawns <= 12
        assert calls_of(pool) == before + 12


def ended(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_running(pid), what="the worker's end")


@pytest.mark.usefixtures("pressed")
@pytest.mark.parametrize("lost", [[0], [1], [2], [1, 2], [0, 1]])
def test_what_a_worker_can_not_do_that_is_not_there_is_done_by_the_others(tmp_path: Path, lost: list[int]) -> None:
    events = events_of(range(300))
    with pooled(tmp_path, MARKED) as pool:
        pids = complete(pool)
        with no_worker_starts(tmp_path):
            for index in lost:
                ended(pids[index])
            for _ in range(3):
                results = pool.transform(events)
                assert are_right(events, results, set())
            assert [index for index, pid in enumerate(pool.pids) if not pid] == lost
        # A respawn may have to wait for its delay.
        wait_until(lambda: bool(pool.transform(events)) and all(pool.pids), what="the workers' return")


@pytest.mark.usefixtures("pressed")
def test_without_any_worker_events_are_undecided_and_nothing_waits(tmp_path: Path) -> None:
    events = events_of(range(300))
    with pooled(tmp_path, MARKED) as pool:
        for pid in complete(pool):
            ended(pid)
        with no_worker_starts(tmp_path):
            assert set(failures(pool.transform(events)).values()) == {HookUnavailable}
            assert len(failures(pool.transform(events))) == 300
        wait_until(lambda: not failures(pool.transform(events)), what="the workers' return")


@pytest.mark.usefixtures("pressed")
def test_another_text_is_taken_by_all_between_two_batches(tmp_path: Path) -> None:
    """No batch has results of two texts, also where one comes in its midst and a worker has to be replaced."""
    text = "one = len(event['reason'][:1])\n    config['tenantID'] = '{}'\n    if event['reason'] == 'memory':\n"
    text = "def transform(config, event):\n    " + text + "        x = [0] * (1000000000 * one)\n    return config\n"
    events = events_of(range(300))
    for index in (40, 140, 240):
        events[index]["reason"] = "memory"
    with pooled(tmp_path, text.format("text-0")) as pool:
        complete(pool)
        last = 0
        for number in range(1, 6):
            changing = threading.Thread(target=pool.replace, args=(text.format(f"text-{number}"),))
            changing.start()
            found = {name_of(result) for result in pool.transform(events) if isinstance(result, Transformed)}
            changing.join()
            assert found in ({f"text-{number - 1}"}, {f"text-{number}"})
            last = number
        results = pool.transform(events_of(range(300)))
        assert {name_of(result) for result in results} == {f"text-{last}"}
        assert all(runner.counts.calls for runner in pool._runners)
        assert pool.source == text.format(f"text-{last}")


@pytest.mark.usefixtures("pressed")
def test_one_that_was_being_started_with_the_former_text_works_with_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, let_go = threading.Event(), threading.Event()
    start = HookRunner.start

    def slowly(runner: HookRunner, source: str | None = None) -> None:
        if threading.current_thread() is not threading.main_thread():
            held.set()
            assert let_go.wait(20)
        start(runner, source)

    monkeypatch.setattr(HookRunner, "start", slowly)
    with pooled(tmp_path, of("return config")) as pool:
        assert set(pool.transform(events_of(range(20)))) == {Transformed()}
        assert held.wait(20)
        pool.replace(of("return None"))
        assert pool.transform(events_of(range(20))) == [Skipped()] * 20
        assert calls_of(pool) == pool._first.counts.calls
        let_go.set()
        wait_until(lambda: all(other._takes for other in pool._others), what="all workers")
        assert pool.transform(events_of(range(20))) == [Skipped()] * 20


@pytest.mark.usefixtures("pressed")
def test_closing_ends_all_also_those_that_are_being_started(tmp_path: Path) -> None:
    before, threads = workers(), threading.active_count()
    with pooled(tmp_path, MARKED) as pool:
        pids = complete(pool)
        assert set(pids) <= set(workers())
    assert workers() == before
    assert pool.pids == [0, 0, 0]
    with pooled(tmp_path, MARKED) as pool:
        pool.transform(events_of(range(20)))
    assert workers() == before
    assert threading.active_count() == threads
    pool.close()


@pytest.mark.usefixtures("pressed")
def test_one_that_is_not_needed_for_a_while_ends_and_comes_again(tmp_path: Path) -> None:
    events = events_of(range(100))
    with pooled(tmp_path, MARKED) as pool:
        for other in pool._others:
            other._kept = 0.3
        wait_until(lambda: bool(pool.transform(events)) and all(pool.pids), what="all workers")
        first = pool.pids[0]
        wait_until(lambda: pool.pids == [first, 0, 0], what="the end of those that are not needed")
        pool.replace(of("return None"))
        wait_until(lambda: bool(pool.transform(events)) and all(pool.pids), what="their return")
        assert pool.transform(events) == [Skipped()] * 100


@pytest.mark.usefixtures("pressed")
def test_one_that_can_not_be_started_is_said_and_not_tried_for_each_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[int] = []

    def fail(runner: HookRunner, source: str | None = None) -> None:
        tries.append(1)
        start(runner, source)

    start = HookRunner.start
    events = events_of(range(100))
    with pooled(tmp_path, MARKED) as pool:
        monkeypatch.setattr(HookRunner, "start", fail)
        with no_worker_starts(tmp_path):
            pool.transform(events)
            wait_until(lambda: len(caplog.records) == 2, what="warnings")
            for _ in range(5):
                assert are_right(events, pool.transform(events), set())
        assert len(tries) == 2
        assert {record.message for record in caplog.records} == {
            "another worker for the hook does not start, those that run go on"
        }
        for other in pool._others:
            other._again_at = 0.0
        complete(pool)


@pytest.mark.usefixtures("pressed")
def test_where_there_may_be_no_more_threads_those_that_run_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    events = events_of(range(100))
    with pooled(tmp_path, MARKED) as pool:
        with monkeypatch.context() as broken:
            broken.setattr(ContextThread, "start", fail)
            for _ in range(3):
                assert are_right(events, pool.transform(events), set())
        assert [vars(record)["error"] for record in caplog.records] == ["can't start new thread"] * 2


EXPENSIVE = of("x = 0", "for i in range(40000):", "    x += i", "return config")
"""Takes milliseconds."""


def test_others_are_begun_where_the_script_is_expensive_and_there_is_much_to_do(tmp_path: Path) -> None:
    with pooled(tmp_path, EXPENSIVE, timeout=5.0) as pool:
        events = events_of(range(100))
        assert pool.transform(events[:1]) == [Transformed()]
        assert pool.pids[1:] == [0, 0]
        deadline = time.monotonic() + 20
        # It has to be at work all the time.
        while not all(runner.counts.calls for runner in pool._runners) and time.monotonic() < deadline:
            assert pool.transform(events) == [Transformed()] * 100
        assert all(pool.pids)


def test_a_cheap_script_has_one_worker_whatever_there_is_to_do(tmp_path: Path) -> None:
    with pooled(tmp_path, of("return config")) as pool:
        events = events_of(range(500))
        for _ in range(20):
            pool.transform(events)
        assert pool.pids[1:] == [0, 0]
        assert pool._first.counts.measured == calls_of(pool)
        assert 0 < pool._first.counts.used < pool.seconds


@pytest.mark.usefixtures("pressed")
def test_one_worker_where_one_is_asked_for(tmp_path: Path) -> None:
    threads = threading.active_count()
    with pooled(tmp_path, EXPENSIVE, workers=1, timeout=5.0) as pool:
        pool.transform(events_of(range(50)))
        assert len(pool.pids) == 1
        assert threading.active_count() == threads


@pytest.mark.parametrize(("asked", "expected"), [(None, min(processors(), MOST)), (1, 1), (7, 7)])
def test_how_many_there_may_be(tmp_path: Path, asked: int | None, expected: int) -> None:
    with pooled(tmp_path, MARKED, asked) as pool:
        assert len(pool.pids) == expected


@pytest.mark.usefixtures("pressed")
def test_what_goes_wrong_in_a_thread_goes_wrong_where_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transform: Callable[..., list[Result]] = HookRunner.transform

    failed = threading.Event()

    def fail(runner: HookRunner, events: Any) -> list[Result]:
        if threading.current_thread() is not threading.main_thread():
            failed.set()
            raise ZeroDivisionError
        assert failed.wait(20)
        return transform(runner, events)

    with pooled(tmp_path, MARKED) as pool:
        complete(pool)
        monkeypatch.setattr(HookRunner, "transform", fail)
        with pytest.raises(ZeroDivisionError):
            pool.transform(events_of(range(300)))


def test_how_long_a_worker_is_kept() -> None:
    assert thread_module.KEPT >= 30
