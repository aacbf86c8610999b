"""Hooks that loop, eat memory or crash their interpreter, in a running kigeon: only the event at hand pays."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, Self

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.support.events import arrived, assert_once, make_event, occurrence_of
from tests.support.kigeon import Kigeon, accounts, loki_sender
from tests.support.loki import Line, Loki
from tests.support.processes import children, descendants, freeze, is_running, title, wait_until

HOSTILE = {
    "Memory": "x = [0] * (1000000000 * one)",
    "Nested": "x = []\n        for i in range(50000):\n            x = [x]\n        return {'x': x}",
    "Integers": "x = 3\n        for i in range(64):\n            x = x * x",
    "Loop": "for i in range(10000000000):\n            pass",
    "Result": "return {'x': 'x' * (100000000 * one)}",
    "Prints": "for i in range(10000000000):\n            print(i)",
}
"""What a script does for an event with this reason; ``one`` keeps the constants from being folded at load."""

HOOKED = "config['tenantID'] = 'hooked'\n    return config\n"

HOSTILE_HOOK = "".join(
    [
        "def transform(config, event):\n    reason = event['reason']\n    one = len(reason[:1])\n",
        *(f"    if reason == '{reason}':\n        {does}\n" for reason, does in HOSTILE.items()),
        f"    {HOOKED}",
    ]
)

MENDED = f"def transform(config, event):\n    {HOOKED}"

DEAR = f"def transform(config, event):\n    x = 0\n    for i in range(50000):\n        x += i\n    {HOOKED}"
"""Takes half a millisecond for each event."""

ON_ERROR = ("use-default", "skip", "fail")


class Hooked:
    """kigeon with a sender, and a Loki, for each of *errors*, its onError; a context manager.

    *more* are other keys of the hook.
    """

    def __init__(self, folder: Path, script: str, errors: Sequence[str] = ON_ERROR, **more: Any) -> None:
        self._stack = ExitStack()
        self.api = self._stack.enter_context(ApiServer())
        self.lokis = {error: self._stack.enter_context(Loki()) for error in errors}
        self.hook = folder / "hook.star"
        self.hook.write_text(script)
        senders = [
            loki_sender(loki, error, hook={"script": str(self.hook), "onError": error, **more})
            for error, loki in self.lokis.items()
        ]
        self.kigeon = Kigeon(folder / "kigeon", self.api, senders)
        self.numbers = count()
        self.good: list[dict[str, Any]] = []
        self.bad: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._stack.enter_context(self.kigeon)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def happen(self, good: int, bad: str = "") -> None:
        """Have good events happen, and a bad one in their midst."""
        events = [make_event(next(self.numbers), reason="Good") for _ in range(good)]
        self.good += events
        if bad:
            victim = make_event(next(self.numbers), reason=bad)
            self.bad.append(victim)
            events.insert(good // 2, victim)
        self.api.put_events(events)

    def seconds_for(self, good: int) -> float:
        """Return how long it takes for good events to arrive everywhere."""
        began = time.monotonic()
        self.happen(good)
        self.check()
        return time.monotonic() - began

    def check(self, repeated: int = 0) -> None:
        """Wait until everything has arrived that can, once, and see that nothing else did.

        Up to *repeated* may have been sent again, byte for byte: the push that was under way when a sender was killed.
        """
        wanted = {"use-default": self.good + self.bad, "skip": self.good, "fail": self.good}
        for error, loki in self.lokis.items():
            keys = {occurrence_of(event) for event in wanted[error]}
            loki.wait_for(lambda lines, keys=keys: len(lines) >= len(keys) and keys <= arrived(lines).keys())
            assert_once(loki.lines, wanted[error])
            assert loki.repeats <= repeated

    def workers(self) -> list[int]:
        """Return the process ids of the hooks' workers."""
        return [pid for pid in descendants(self.kigeon.pid) if "worker.py" in title(pid)]


def tenants(lines: list[Line], events: list[dict[str, Any]]) -> set[str]:
    """Return the tenants of what arrived of *events*."""
    uids = {event["metadata"]["uid"] for event in events}
    return {line.tenant for line in lines if line.fields["uid"] in uids}


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooked]:
    with Hooked(tmp_path_factory.mktemp("hooks"), HOSTILE_HOOK) as hooked:
        yield hooked


@pytest.mark.parametrize("reason", HOSTILE)
def test_only_the_event_at_hand_gets_on_error(hooked: Hooked, reason: str) -> None:
    """And what comes after it is as fast as what came before."""
    before = min(hooked.seconds_for(300) for _ in range(2))
    hooked.happen(50, bad=reason)
    hooked.check()
    victims = hooked.bad[-1:]
    after = min(hooked.seconds_for(300) for _ in range(3))
    assert after < 4 * before + 0.5
    assert tenants(hooked.lokis["use-default"].lines, victims) == {""}
    assert all(tenants(loki.lines, hooked.good) == {"hooked"} for loki in hooked.lokis.values())
    wait_until(lambda: accounts(hooked.kigeon, "sender/skip").get("skipped") == len(hooked.bad))


def test_what_failed_is_sent_when_the_script_is_mended(tmp_path: Path) -> None:
    with Hooked(tmp_path, HOSTILE_HOOK) as hooked:
        for reason in HOSTILE:
            hooked.happen(20, bad=reason)
        hooked.check()
        assert hooked.kigeon.stop() == 0
        hooked.hook.write_text(MENDED)
        hooked.kigeon.start()
        hooked.lokis["fail"].wait_for(len(hooked.good + hooked.bad))
        assert hooked.kigeon.stop() == 0
        assert_once(hooked.lokis["fail"].lines, hooked.good + hooked.bad)
        assert_once(hooked.lokis["skip"].lines, hooked.good)
        assert_once(hooked.lokis["use-default"].lines, hooked.good + hooked.bad)


def test_a_worker_is_killed_in_mid_batch(tmp_path: Path) -> None:
    """Each death costs at most the one event that it was at."""
    kills = 0
    with Hooked(tmp_path, MENDED) as hooked:
        hooked.happen(50)
        hooked.check()
        for _ in range(4):
            held = {error: len(loki.lines) for error, loki in hooked.lokis.items()}
            hooked.happen(2000)
            for error, loki in hooked.lokis.items():
                # Its worker is loaded, and at work.
                loki.wait_for(held[error] + 1)
            for worker in hooked.workers():
                os.kill(worker, signal.SIGKILL)
                kills += 1
                wait_until(lambda gone=worker: not is_running(gone))
        for error, loki in hooked.lokis.items():
            loki.wait_for(len(hooked.good) - (kills if error == "skip" else 0), timeout=60)
        hooked.happen(100)
        wait_until(lambda: len(hooked.lokis["fail"].lines) == len(hooked.good))
        assert_once(hooked.lokis["fail"].lines, hooked.good)
        assert_once(hooked.lokis["use-default"].lines, hooked.good)
        assert sum(line.tenant != "hooked" for line in hooked.lokis["use-default"].lines) <= kills
        assert not arrived(hooked.lokis["skip"].lines).keys() - set(map(occurrence_of, hooked.good))
        assert len(hooked.good) - len(hooked.lokis["skip"].lines) <= kills


def stopped_early(hooked: Hooked, sender: int, spared: frozenset[int] = frozenset(), events: int = 1) -> int:
    """Have a sender begin another worker, and stop that before it asks to end with its parent; return its process id.

    It asks by a library that is not loaded before. The workers that are *spared* stay.
    """
    while True:
        for worker in set(workers_of(sender)) - spared:
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda gone=worker: not is_running(gone))
        hooked.happen(events)
        (worker,) = wait_until(lambda: set(workers_of(sender)) - spared, what="another worker")
        freeze(worker)
        if "_ctypes" not in Path(f"/proc/{worker}/maps").read_text():
            return worker


def workers_of(sender: int) -> list[int]:
    """Return the process ids of a sender's hook's workers."""
    return [pid for pid in children(sender) if "worker.py" in title(pid) and is_running(pid)]


def test_a_worker_that_is_stopped_while_it_begins_is_ended_although_its_sender_dies_alone(tmp_path: Path) -> None:
    with Hooked(tmp_path, MENDED) as hooked:
        hooked.happen(50)
        hooked.check()
        sender = hooked.kigeon.actor("sender/fail")
        left = stopped_early(hooked, sender)
        os.kill(sender, signal.SIGKILL)
        wait_until(lambda: not is_running(left), what="the end of the worker")
        hooked.happen(50)
        hooked.check(repeated=200)
        assert [record["pid"] for record in told(hooked, "ending a process whose parent has ended")] == [left]
        assert hooked.kigeon.stop() == 0


def pressed(hooked: Hooked, sender: int, count: int) -> list[int]:
    """Have so much happen that a sender's hook has so many workers; return their process ids, the first one first."""

    def are_there() -> bool:
        return len(workers_of(sender)) == count

    for _ in range(20):
        hooked.happen(1000)
        wait_until(lambda: are_there() or all_arrived(hooked), what=f"{count} workers, or all events")
        if are_there():
            return sorted(workers_of(sender))
    raise AssertionError(f"there are never {count} workers")


def all_arrived(hooked: Hooked) -> bool:
    return all(len(loki.lines) >= len(hooked.good) for loki in hooked.lokis.values())


def test_one_of_several_workers_that_is_stopped_while_it_begins_is_ended_too(tmp_path: Path) -> None:
    with Hooked(tmp_path, DEAR, ("fail",), workers=2) as hooked:
        sender = hooked.kigeon.actor("sender/fail")
        first, _ = pressed(hooked, sender, 2)
        hooked.check()
        left = stopped_early(hooked, sender, frozenset({first}), 1000)
        os.kill(sender, signal.SIGKILL)
        wait_until(lambda: not is_running(first) and not is_running(left), what="the end of the workers")
        hooked.happen(50)
        hooked.check(repeated=4000)
        assert [record["pid"] for record in told(hooked, "ending a process whose parent has ended")] == [left]
        assert hooked.kigeon.stop() == 0


def test_several_workers_end_with_their_sender_and_also_those_that_are_stopped(tmp_path: Path) -> None:
    with Hooked(tmp_path, DEAR, ("fail",), workers=3) as hooked:
        sender = hooked.kigeon.actor("sender/fail")
        workers = pressed(hooked, sender, 3)
        for worker in workers[1:]:
            freeze(worker)
        os.kill(sender, signal.SIGKILL)
        wait_until(lambda: not any(map(is_running, workers)), what="the end of the workers")
        hooked.happen(50)
        hooked.check(repeated=4000)
        assert tenants(hooked.lokis["fail"].lines, hooked.good) == {"hooked"}
        assert hooked.kigeon.stop() == 0


def test_each_of_several_workers_is_killed_in_mid_batch(tmp_path: Path) -> None:
    kills = 0
    with Hooked(tmp_path, DEAR, ("use-default",), workers=3) as hooked:
        sender = hooked.kigeon.actor("sender/use-default")
        hooked.happen(1)
        hooked.check()
        # What comes from now on is watched, in the order in which it happens.
        for index in range(3):
            worker = pressed(hooked, sender, 3)[index]
            wait_until(lambda: all(map(has_loaded, workers_of(sender))), what="workers that have loaded")
            held = len(hooked.lokis["use-default"].lines)
            hooked.happen(1000)
            hooked.lokis["use-default"].wait_for(held + 1)
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda gone=worker: not is_running(gone))
            kills += 1
        hooked.check()
        lines = hooked.lokis["use-default"].lines
        assert sum(line.tenant != "hooked" for line in lines) <= kills
        assert are_in_order([line for line in lines if line.tenant == "hooked"], hooked.good)
        assert hooked.kigeon.actor("sender/use-default") == sender
        assert hooked.kigeon.stop() == 0


def has_loaded(worker: int) -> bool:
    """Return whether a worker has loaded the interpreter of scripts."""
    return "starlark" in Path(f"/proc/{worker}/maps").read_text()


def are_in_order(lines: list[Line], events: list[dict[str, Any]]) -> bool:
    """Return whether the lines of each stream came in the order in which the events happened."""
    numbers = {event["metadata"]["uid"]: number for number, event in enumerate(events)}
    streams: dict[object, list[int]] = {}
    for line in lines:
        streams.setdefault(line.labels, []).append(numbers[line.fields["uid"]])
    return all(found == sorted(found) for found in streams.values())


MONSTERS = {
    "memory": "x = [0] * 1000000000\n",
    "folded": "def f():\n    return len(list(range(20000000)))\n",
    "integer": "x = 1 << 10000000000\n",
    "nested": "x = " + "[" * 5000 + "]" * 5000 + "\n",
}


@pytest.mark.parametrize("monster", MONSTERS.values(), ids=MONSTERS)
def test_a_script_that_kills_its_worker_at_load_stops_the_start(tmp_path: Path, monster: str) -> None:
    with Hooked(tmp_path, monster + MENDED) as hooked:
        assert hooked.kigeon.wait() == 2
        assert "hook.star: " in hooked.kigeon.log_path.read_text()


@pytest.mark.parametrize("monster", MONSTERS.values(), ids=MONSTERS)
def test_a_script_that_has_become_one_is_not_loaded(tmp_path: Path, monster: str) -> None:
    """It is refused with an error; the last one goes on, also where its sender, or everything, begins anew."""
    with Hooked(tmp_path, MENDED) as hooked:
        hooked.happen(50)
        hooked.check()
        hooked.hook.write_text(monster + MENDED)
        wait_until(lambda: refusals(hooked) == len(ON_ERROR), what="refusals")
        for name in ("sender/fail", "supervisor"):
            end(hooked, name)
            hooked.happen(100)
            hooked.check(repeated=200)
        hooked.hook.write_text(MENDED)
        hooked.happen(50)
        hooked.check(repeated=200)
        assert hooked.kigeon.stop() == 0


def test_a_script_is_changed_while_events_flow(tmp_path: Path) -> None:
    """A valid one is taken by every sender, without a restart; what its onError keeps is sent then."""
    with Hooked(tmp_path, HOSTILE_HOOK) as hooked:
        hooked.happen(50, bad="Nested")
        hooked.check()
        senders = [hooked.kigeon.actor(f"sender/{error}") for error in ON_ERROR]
        hooked.hook.write_text(MENDED.replace("hooked", "changed"))
        hooked.lokis["fail"].wait_for(len(hooked.good + hooked.bad))
        wait_until(lambda: len(told(hooked, "the hook's script has changed, the new one is in use")) == len(ON_ERROR))
        hooked.happen(50)
        for loki in hooked.lokis.values():
            loki.wait_for(lambda lines: sum(line.tenant == "changed" for line in lines) >= 50)
        assert [hooked.kigeon.actor(f"sender/{error}") for error in ON_ERROR] == senders
        # What was taken last is kept, although its file is spoiled before its sender is replaced.
        hooked.hook.write_text("def")
        wait_until(lambda: refusals(hooked) == len(ON_ERROR), what="refusals")
        end(hooked, "sender/skip")
        hooked.happen(50)
        hooked.lokis["skip"].wait_for(lambda lines: sum(line.tenant == "changed" for line in lines) >= 100)
        assert hooked.kigeon.stop() == 0


def told(hooked: Hooked, message: str) -> list[dict[str, Any]]:
    """Return the records of the log that begin with *message*."""
    return [record for record in hooked.kigeon.log() if record["message"].startswith(message)]


def refusals(hooked: Hooked) -> int:
    """Return how often a changed script was refused."""
    return len(told(hooked, "the hook's new script can't be loaded"))


def end(hooked: Hooked, name: str) -> None:
    """Kill an actor, and return when there is another."""
    queue = hooked.kigeon.actor("queue")
    if name == "supervisor":
        before = int(Path(f"/proc/{queue}/stat").read_text().rpartition(")")[2].split()[1])
    else:
        before = hooked.kigeon.actor(name)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: not is_running(before), what=f"the end of {name}")
    hooked.kigeon.actor("sender/fail")
