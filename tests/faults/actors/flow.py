"""Events that keep coming while something is done to kigeon, and exact accounts of what arrived."""

from __future__ import annotations

from itertools import count
from threading import Event, Lock, Thread
from typing import Any, Self

from kigeon.standin.apiserver import ApiServer
from tests.support.events import Occurrence, arrived, make_event, occurrence_of
from tests.support.loki import Loki

FEW = 10
PAUSE = 0.02


class Flow:
    """A context manager: a few new events every few hundredths of a second, but for pauses."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self._lock = Lock()
        self._end = Event()
        self._going = Event()
        self._going.set()
        self._thread = Thread(target=self._run, name="flow", daemon=True)
        self.told: set[Occurrence] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._going.set()
        self._thread.join()

    def put(self, events: list[dict[str, Any]]) -> None:
        """Have these events happen, too."""
        with self._lock:
            self.told.update(map(occurrence_of, events))
            self._api.put_events(events)

    def pause(self) -> set[Occurrence]:
        """Let no more come; return all that came so far."""
        self._going.clear()
        with self._lock:
            return set(self.told)

    def resume(self) -> None:
        """Let more come."""
        self._going.set()

    def _run(self) -> None:
        for number in count(0, FEW):
            self._going.wait()
            events = [make_event(number + more) for more in range(FEW)]
            with self._lock:
                if not self._going.is_set():
                    continue
                self.told.update(map(occurrence_of, events))
                self._api.put_events(events)
            if self._end.wait(PAUSE):
                return


class Account:
    """What a Loki holds, looked at once."""

    def __init__(self, loki: Loki) -> None:
        self.loki = loki
        self._looked = 0
        self._found: set[Occurrence] = set()
        self._doubled: list[Occurrence] = []
        self._repeats = 0
        self._pushes = 0

    def look(self) -> set[Occurrence]:
        """Return what has arrived so far."""
        lines = self.loki.lines
        for occurrence in arrived(lines[self._looked :]).elements():
            if occurrence in self._found:
                self._doubled.append(occurrence)
            self._found.add(occurrence)
        self._looked = len(lines)
        return self._found

    def check(self, wanted: set[Occurrence], timeout: float) -> None:
        """Wait for all that is wanted; assert that each came once, and nothing else."""
        try:
            self.loki.wait_for(lambda lines: len(lines) >= len(wanted) and wanted <= self.look(), timeout)
        except TimeoutError:
            missing = wanted - self.look()
            raise AssertionError(f"{len(missing)} of {len(wanted)} are missing, {sorted(missing)[:3]}") from None
        strange = self.look() - wanted
        assert not self._doubled, f"{len(self._doubled)} arrived more than once, {self._doubled[:3]} among them"
        assert not strange, f"{len(strange)} arrived that never happened, {sorted(strange)[:3]} among them"
        assert not self.loki.malformed

    def check_repeats(self, interrupted: int) -> None:
        """Assert that since the last look no more was repeated, byte for byte, than the pushes that were under way.

        *interrupted* is how often the sender was replaced: each time one push may be repeated.
        """
        repeats, largest = self.loki.repeats - self._repeats, self._largest_push()
        self._repeats = self.loki.repeats
        assert repeats <= interrupted * largest, f"{repeats} were sent again, after {interrupted} interrupted pushes"

    def _largest_push(self) -> int:
        pushes = self.loki.pushes[self._pushes :]
        self._pushes += len(pushes)
        return max((push.lines for push in pushes), default=0)
