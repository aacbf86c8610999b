"""A hook's workers: the first is there always, further ones as long as they pay, and a batch is shared among them.

Each is a :class:`~kigeon.hooks.runner.HookRunner` with all that it promises. The parts of a batch are taken one after
another by whoever is free, so a call that hangs holds up the part that it is in alone. Results are put back in the
order of the events: for whoever asks there is no difference. An event goes to one worker and no other, whatever it
does to it; only what no worker could be given goes to another.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from kigeon.config.settings import HookSettings
from kigeon.errors import HookUnavailable
from kigeon.hooks.demand import Demand
from kigeon.hooks.processors import processors
from kigeon.hooks.results import Failed, Result
from kigeon.hooks.runner import HookRunner
from kigeon.hooks.thread import RunnerThread

MOST = 4
"""Workers of a hook at most, unless its settings name another number."""


class Batch:
    """Events that several runners work at, each with the same text of the script, *source*."""

    def __init__(self, events: Sequence[Mapping[str, Any]], source: str) -> None:
        self._events = events
        self._source = source
        self._results: list[Result | None] = [None] * len(events)
        self._parts: deque[list[int]] = deque()

    @property
    def results(self) -> list[Result]:
        """The results, in the order of the events."""
        return [result or _no_worker() for result in self._results]

    def left(self) -> list[int]:
        """Return the indices of the events that no worker has seen."""
        return [index for index, result in enumerate(self._results) if result is None or _is_unavailable(result)]

    def cut(self, indices: list[int], parts: int) -> None:
        """Make that many parts of the events at *indices*."""
        ends = [len(indices) * number // parts for number in range(parts + 1)]
        self._parts.extend(indices[start:end] for start, end in pairwise(ends) if start < end)

    def work(self, runner: HookRunner) -> bool:
        """Have *runner* do one part after another; return whether it has a worker: without one it stops."""
        if runner.source != self._source:
            runner.replace(self._source)
        while (part := self._take()) is not None:
            results = runner.transform([self._events[index] for index in part])
            for index, result in zip(part, results, strict=True):
                self._results[index] = result
            if any(map(_is_unavailable, results)):
                return False
        return True

    def _take(self) -> list[int] | None:
        try:
            return self._parts.popleft()
        except IndexError:
            return None


def _no_worker() -> Result:
    return Failed(HookUnavailable("there is no worker: each was lost again and again"))


def _is_unavailable(result: Result) -> bool:
    return isinstance(result, Failed) and isinstance(result.error, HookUnavailable)


def _totals(runners: Iterable[HookRunner]) -> tuple[int, float, float]:
    """Return how many events were measured so far, what workers took for them of a processor (s), and all calls (s)."""
    measured, used, seconds = 0, 0.0, 0.0
    for runner in runners:
        counts = runner.counts
        measured += counts.measured
        used += counts.used
        seconds += counts.seconds
    return measured, used, seconds


class HookPool:
    """One script with one configuration, and its workers. ``config`` is what ``transform`` is given.

    To be used by one thread at a time, which outlives it: the first worker ends with the thread that started it.
    """

    def __init__(self, hook: HookSettings, config: Mapping[str, Any]) -> None:
        most = hook.workers or min(processors(), MOST)
        self._first = HookRunner(hook, config)
        self._others = [RunnerThread(HookRunner(hook, config)) for _ in range(most - 1)]
        self._runners = [self._first, *(other.runner for other in self._others)]
        self._demand = Demand(most)
        self.seconds = 0.0
        """How long all calls took so far, on the clock."""
        self._source = ""
        self._next: str | None = None

    @property
    def pids(self) -> list[int]:
        """The process id of each worker that there may be; 0 while it is not there. Any thread may ask."""
        return [runner.pid for runner in self._runners]

    @property
    def source(self) -> str:
        """The text of the script that is in use."""
        return self._source

    @property
    def kills(self) -> int:
        """How many workers were killed so far, because the time was up. Any thread may ask."""
        return sum(runner.counts.kills for runner in self._runners)

    @property
    def respawns(self) -> int:
        """How many workers were started in the place of one that was lost. Any thread may ask."""
        return sum(runner.counts.respawns for runner in self._runners)

    def start(self, source: str | None = None) -> None:
        """Load *source*, or the script's file; :class:`HookLoadError` says what is wrong and where."""
        self._first.start(source)
        self._source = self._first.source

    def replace(self, source: str) -> None:
        """Use *source*, which must be loadable, from the next batch on. Any thread may call this."""
        self._next = source

    def transform(self, events: Sequence[Mapping[str, Any]]) -> list[Result]:
        """Return exactly one result for each event, in order; raises nothing that a script can cause."""
        self._renew()
        workers = self._demand.workers(len(events))
        others = self._team(workers) if workers > 1 else ()
        runners = self._runners if others else self._runners[:1]
        measured, used, seconds = _totals(runners)
        results = self._share(events, others) if others else self._first.transform(events)
        now_measured, now_used, now_seconds = _totals(runners)
        self._demand.note(now_measured - measured, now_used - used, time.monotonic())
        self.seconds += now_seconds - seconds
        return results

    def close(self) -> None:
        """End all workers."""
        for other in self._others:
            other.close()
        self._first.close()

    def _renew(self) -> None:
        if (changed := self._next) is not None:
            self._next, self._source = None, changed
            self._first.replace(changed)
            self._demand.forget()

    def _team(self, workers: int) -> list[RunnerThread]:
        """Return those of the first *workers* but one that can work now; those that are not there are begun."""
        return [other for other in self._others[: workers - 1] if other.begin(self._source)]

    def _share(self, events: Sequence[Mapping[str, Any]], others: Sequence[RunnerThread]) -> list[Result]:
        batch = Batch(events, self._source)
        has_first = True
        # Whoever has no worker leaves, and what it could not do is done by those that have one.
        while (has_first or others) and (left := batch.left()):
            batch.cut(left, self._demand.parts(len(left), len(others) + 1))
            asked = [(other, future) for other in others if (future := other.ask(batch.work)) is not None]
            has_first = has_first and batch.work(self._first)
            others = [other for other, future in asked if future.result()]
        return batch.results
