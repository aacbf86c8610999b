"""An actor fails in start-up: once, ten times, for ever."""

from pathlib import Path

import pytest

from tests.faults.actors.rig import CHILDREN, GRACE, PIPELINE, SENDERS, Rig
from tests.support.processes import is_running, wait_until

POINTS = {
    **{name: (f"init@{name.partition('/')[0]}", f"Start@{name}", f"work@{name}") for name in CHILDREN},
    "supervisor": ("init@supervisor", "Supervise@supervisor"),
}
"""Where an actor can fail before it works."""

WAYS = [(name, point) for name, points in POINTS.items() for point in points]

PATIENT = {"actors.system": {"TERMINATION_GRACE": GRACE}}
"""The delays before restarts as they are."""


@pytest.mark.parametrize(("name", "point"), WAYS)
def test_an_actor_fails_to_start_once(rig: Rig, name: str, point: str) -> None:
    before = rig.actor(name)
    fault = rig.arm("raise", point)
    rig.kill(name)
    rig.fired(fault)
    rig.replaced(name, before)
    rig.settle()


@pytest.mark.parametrize(("name", "point"), WAYS)
def test_an_actor_fails_to_start_ten_times(rig: Rig, name: str, point: str) -> None:
    before = rig.actor(name)
    fault = rig.arm("raise", point, times=10)
    rig.kill(name)
    rig.fired(fault, times=10, timeout=60)
    rig.replaced(name, before)
    rig.settle()


@pytest.mark.parametrize("name", [*CHILDREN, "supervisor"])
def test_an_actor_never_starts_again(tmp_path: Path, name: str) -> None:
    """The others go on, the log says so, ever more seldom; kigeon ends in time, and the next start makes it good."""
    with Rig(tmp_path, PATIENT) as rig:
        others = {other: rig.actor(other) for other in CHILDREN if other != name}
        fault = rig.arm("raise", POINTS[name][-1], times=0)
        rig.kill(name)
        rig.fired(fault)
        if name == "supervisor":
            delays = wait_until(lambda: len(found := rig.told("the actor system is built again")) > 3 and found, 60)
        else:
            delays = wait_until(lambda: len(found := rig.told("an actor is replaced", actor=name)) > 4 and found, 30)
            _others_go_on(rig, name, others)
        assert [record["delay"] for record in delays] == sorted(record["delay"] for record in delays)
        assert delays[-1]["delay"] > 0.9
        rig.stop()
        rig.disarm()
        rig.kigeon.start()
        rig.settle()


def _others_go_on(rig: Rig, name: str, others: dict[str, int]) -> None:
    assert all(map(is_running, others.values()))
    assert {other: rig.actor(other) for other in others} == others
    if name in PIPELINE:
        return
    (alive,) = (account for sender, account in zip(SENDERS, rig.accounts, strict=True) if sender != name)
    alive.loki.wait_for(len(alive.loki.lines) + 200)
