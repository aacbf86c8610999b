"""An actor fails in start-up: once, ten times, for ever."""

from pathlib import Path

import pytest

from tests.faults.actors.rig import CHILDREN, GRACE, PIPELINE, SENDERS, Rig
from tests.support.http import LISTEN, checks, get
from tests.support.processes import is_running, wait_until

POINTS = {
    **{name: (f"init@{name.partition('/')[0]}", f"Start@{name}", f"work@{name}") for name in CHILDREN},
    "supervisor": ("init@supervisor", "Supervise@supervisor"),
}
"""Where an actor can fail before it works."""

WAYS = [(name, point) for name, points in POINTS.items() for point in points]

PATIENT = {"actors.root": {"TERMINATION_GRACE": GRACE}}
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


NEVER = [*((name, f"work@{name}") for name in CHILDREN), *(("supervisor", point) for point in POINTS["supervisor"])]


@pytest.mark.parametrize(("name", "point"), NEVER)
def test_an_actor_never_starts_again(tmp_path: Path, name: str, point: str) -> None:
    """Other processes go on, the log says so ever more seldom; kigeon ends in time, the next start makes it good."""
    with Rig(tmp_path, PATIENT) as rig:
        others = {other: rig.actor(other) for other in CHILDREN if other not in _process_of(name)}
        fault = rig.arm("raise", point, times=0)
        rig.kill(name)
        rig.fired(fault)
        if point == "init@supervisor":
            _has_no_supervisor(rig)
        elif name == "supervisor":
            _is_told_ever_more_seldom(rig, 3, "the actor system is built again")
        else:
            _is_told_ever_more_seldom(rig, 5, "an actor is replaced", actor=name)
            _others_go_on(rig, name, others)
        rig.stop()
        rig.disarm()
        rig.kigeon.start()
        rig.settle()


def test_an_actor_system_that_keeps_failing_is_not_live(tmp_path: Path) -> None:
    """A restart of the Pod is all that is left; it is live again as soon as it has run for a while."""
    with Rig(tmp_path, PATIENT, http=LISTEN) as rig:
        wait_until(lambda: get(rig.kigeon, "/readyz")[0] == 200)
        fault = rig.arm("raise", "Supervise@supervisor", times=0)
        rig.kill("supervisor")
        rig.fired(fault)
        wait_until(lambda: "does not stay" in checks(rig.kigeon, "/livez").get("actors", ""), 90)
        rig.disarm()
        wait_until(lambda: get(rig.kigeon, "/readyz")[0] == 200, 60)
        rig.settle()


def _process_of(name: str) -> tuple[str, ...]:
    """Return the actors that live in the process of *name*."""
    return PIPELINE if name in PIPELINE else (name,)


def _has_no_supervisor(rig: Rig) -> None:
    """Return while the root waits for one: what ends it then is not to wait, too."""
    wait_until(lambda: rig.told("the actor system is built again"))
    wait_until(lambda: any("instantiation exception" in record["message"] for record in rig.kigeon.log()))


def _is_told_ever_more_seldom(rig: Rig, times: int, message: str, **fields: str) -> None:
    wait_until(lambda: len(rig.told(message, **fields)) >= times, 30)
    found = rig.told(message, **fields)
    delays = [record["delay"] for record in found]
    assert delays == sorted(delays)
    assert delays[-1] > 0.2


def _others_go_on(rig: Rig, name: str, others: dict[str, int]) -> None:
    assert all(map(is_running, others.values()))
    assert {other: rig.actor(other) for other in others} == others
    if name in PIPELINE:
        return
    (alive,) = (account for sender, account in zip(SENDERS, rig.accounts, strict=True) if sender != name)
    alive.loki.wait_for(len(alive.loki.lines) + 200)
