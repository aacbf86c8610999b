"""Any process is killed, stopped, or can't have more memory, while events flow."""

import os
import resource
import signal

import pytest

from tests.faults.actors.rig import CHILDREN, Rig
from tests.support.events import make_event
from tests.support.processes import is_running, wait_until

ACTORS = (*CHILDREN, "supervisor")


@pytest.mark.parametrize("name", ACTORS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP], ids=lambda number: number.name)
def test_an_actor_gets_a_signal(rig: Rig, name: str, number: signal.Signals) -> None:
    """With everything listed again: what was stored before is known."""
    rig.moving()
    rig.replaced(name, rig.kill(name, number))
    rig.relist()
    rig.settle()


@pytest.mark.parametrize("name", CHILDREN)
def test_an_actor_can_have_no_more_memory(rig: Rig, name: str) -> None:
    """It goes on with what it has, or it is replaced."""
    before = rig.actor(name)
    _limit_memory(before)
    rig.flow.put([make_event(number, "large", message=os.urandom(1500).hex()) for number in range(10**6, 10**6 + 1500)])
    rig.settle()


def test_the_supervisor_can_have_no_more_memory(rig: Rig) -> None:
    """What it forks has none, either; it recovers when there is some again, or is replaced."""
    supervisor, replaced = rig.supervisor(), len(rig.told("an actor is replaced"))
    _limit_memory(supervisor)
    rig.kill("sender/one")
    rig.kill("queue")
    wait_until(lambda: len(rig.told("an actor is replaced")) > replaced + 5 or not is_running(supervisor))
    for pid in (supervisor, *rig.kigeon.tree()):
        _limit_memory(pid, resource.RLIM_INFINITY)
    rig.settle()


def test_thespian_is_killed(rig: Rig) -> None:
    queue = rig.actor("queue")
    os.kill(rig.admin(), signal.SIGKILL)
    rig.replaced("queue", queue)
    rig.settle()


def test_thespian_is_stopped(rig: Rig) -> None:
    """Events flow on, actors are replaced, and kigeon ends in time."""
    os.kill(rig.admin(), signal.SIGSTOP)
    rig.moving()
    for name in ("queue", "sender/one"):
        rig.replaced(name, rig.kill(name))
    rig.moving()
    rig.stop()
    rig.kigeon.start()
    rig.settle()


def test_the_root_is_killed(rig: Rig) -> None:
    rig.kigeon.kill_root()
    rig.kigeon.start()
    rig.settle()


def _limit_memory(pid: int, limit: int = 1) -> None:
    if is_running(pid):
        resource.prlimit(pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
