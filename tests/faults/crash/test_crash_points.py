"""A crash of the whole tree at each durable step: after the restart every event is where it ought to be, once."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.faults.crash.steps import CASES, Step, Trigger
from tests.support.events import assert_once, make_event
from tests.support.kigeon import Kigeon, accounts, loki_sender
from tests.support.loki import Line, Loki
from tests.support.processes import wait_until

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
HOOK = """
def transform(config, event):
    if event["reason"] == "Skipped":
        return None
    config["tenantID"] = event["reason"].lower() if event["reason"] in ("Away", "Gone") else "there"
    return config
"""
REASONS = {3: "Skipped", 5: "Refused", 7: "Away", 8: "Away", 9: "Gone"}
"""The reason of an event by the last digit of its number."""

EVENTS = [make_event(number, reason=REASONS.get(number % 10, "Pulled")) for number in range(200)]


class Run:
    """A kigeon that is to crash, with what stands around it."""

    def __init__(self, folder: Path, api: ApiServer, loki: Loki) -> None:
        script = folder / "hook.star"
        script.write_text(HOOK)
        self.api, self.loki = api, loki
        self.kigeon = Kigeon(folder / "kigeon", api, [loki_sender(loki, hook={"script": str(script)})])
        loki.refuse = lambda line: line.fields["reason"] == "Refused"
        loki.always = lambda tenant: 503 if tenant in ("away", "gone") else 0

    def crash_at(self, step: Step, when: str, nth: int) -> None:
        """Have the next start crash at *step*."""
        order = {"call": step.call, "about": step.about, "when": when, "nth": nth}
        self.kigeon.environ = {"KIGEON_CRASH": json.dumps(order), "PYTHONPATH": f"{HERE / 'plugin'}:{ROOT}"}

    def flow(self) -> None:
        """Have events happen, in batches of a few, each when some of those before it were pushed; to the end."""
        for start in range(0, len(EVENTS), 10):
            self.api.put_events(EVENTS[start : start + 10])
            wait_until(lambda due=start // 20: self.kigeon.has_ended or len(self.loki.pushes) >= due, 60, "a push")

    def settle(self) -> None:
        """Return when all that can go has gone."""
        wait_until(lambda: accounts(self.kigeon).get("number") == len(EVENTS) + 1, 60, "the last event")
        wait_until(lambda: (found := accounts(self.kigeon))["inMemory"] <= found["retrying"] + 60, 60)

    def pull(self, trigger: Trigger) -> None:
        """Do what has the step taken."""
        if trigger is Trigger.RELIST:
            self.api.store.expire_history()
            self.api.faults.end_watches("expire")
        elif trigger is Trigger.HEAL:
            self.loki.always = lambda tenant: 0
        elif trigger is Trigger.STOP:
            os.kill(self.kigeon.pid, signal.SIGTERM)
        elif trigger is Trigger.REPLAY:
            self.loki.refuse = lambda line: False
            self.replay()

    def replay(self) -> None:
        """Replay, whatever comes of it."""
        try:
            self.kigeon.ask("dead-letter", "replay", "--all")
        except AssertionError:
            return  # It was killed while it was asked.

    def ends_well(self) -> None:
        """Start it again, heal everything, and see that everything is where it ought to be."""
        self.kigeon.environ = {}
        self.kigeon.start()
        self.loki.always = lambda tenant: 0
        wait_until(lambda: self.status()["waiting"] == 0 and self.status()["stored"] == len(EVENTS), 60)
        refused = [event for event in EVENTS if event["reason"] == "Refused"]
        letters = self.kigeon.ask("dead-letter", "list")["deadLetters"]
        assert len({letter["name"] for letter in letters}) == len(letters) == self.status()["parked"]
        self.loki.refuse = lambda line: False
        self.kigeon.ask("dead-letter", "replay", "--all")
        wanted = [event for event in EVENTS if event["reason"] != "Skipped"]
        self.loki.wait_for(len(wanted))
        wait_until(lambda: self.status()["sent"] == len(wanted))
        status = self.status()
        ends = {key: status[key] for key in ("stored", "skipped", "filtered", "parked", "evicted", "unaccounted")}
        assert ends == {
            "stored": len(EVENTS),
            "skipped": len(EVENTS) - len(wanted),
            "filtered": 0,
            "parked": 0,
            "evicted": 0,
            "unaccounted": 0,
        }
        assert len(refused) == 20
        assert self.kigeon.ask("audit", "--loki")["loki"] == {"loki": {"once": len(wanted)}}
        assert self.kigeon.stop() == 0
        assert_once(self.loki.lines, wanted)
        assert not self.loki.malformed

    def status(self) -> dict[str, int]:
        """Return the sender's accounts."""
        found: dict[str, int] = self.kigeon.ask("status")["senders"]["loki"]
        return found


@pytest.fixture
def run(tmp_path: Path, api: ApiServer, loki: Loki) -> Iterator[Run]:
    running = Run(tmp_path, api, loki)
    try:
        yield running
    finally:
        running.kigeon.kill_tree()


def ids(value: Any) -> str:
    return value.name.replace(" ", "-") if isinstance(value, Step) else str(value)


@pytest.mark.parametrize(("step", "when", "nth"), CASES, ids=ids)
def test_a_crash_at_a_step(run: Run, step: Step, when: str, nth: int) -> None:
    if step.trigger is Trigger.FLOW:
        run.crash_at(step, when, nth)
        run.kigeon.start()
        run.flow()
    else:
        # Up to where the step is due, in a run that does not crash: its own first steps are not the ones meant.
        run.kigeon.start()
        run.flow()
        run.settle()
        run.kigeon.kill_tree()
        run.kigeon.log_path.write_text("")
        run.crash_at(step, when, nth)
        run.kigeon.start()
        wait_until(lambda: accounts(run.kigeon).get("number") == len(EVENTS) + 1, 60)
        run.pull(step.trigger)
    assert run.kigeon.wait(timeout=30) == -signal.SIGKILL, "it was to crash"
    run.ends_well()


@pytest.mark.parametrize("stored", [False, True], ids=["before-Loki-stored-it", "after-Loki-stored-it"])
@pytest.mark.parametrize("nth", [1, 3])
def test_a_crash_while_a_push_is_under_way(run: Run, stored: bool, nth: int) -> None:
    """Loki has it, or has it not, and who pushed it never hears."""
    lines = 0
    usual = run.loki.refuse

    def refuse(line: Line) -> bool:
        nonlocal lines
        lines += 1
        if lines == 20 * nth and not stored:
            run.loki.cut_before = 1
            run.kigeon.kill_tree()
        return usual(line)

    if stored:
        take = run.loki.take

        def taking(*arguments: Any) -> tuple[int, str, int | None]:
            answer = take(*arguments)
            if len(run.loki.pushes) == nth:
                run.kigeon.kill_tree()
            return answer

        run.loki.take = taking  # type: ignore[method-assign,assignment]
    else:
        run.loki.refuse = refuse
    run.kigeon.start()
    run.api.put_events(EVENTS)
    wait_until(lambda: run.kigeon.has_ended, 30, "the crash")
    run.loki.refuse = usual
    run.ends_well()
