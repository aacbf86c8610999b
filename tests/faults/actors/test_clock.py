"""The wall clock of kigeon's processes is set forth and back by hours, while events flow."""

from pathlib import Path

import pytest

from tests.faults.actors.rig import CHILDREN, IMPATIENT, Rig
from tests.support.events import make_event
from tests.support.kigeon import accounts
from tests.support.processes import wait_until

HOURS = (5, -5, 30, -30, 0)


def test_the_clock_jumps(rig: Rig) -> None:
    """Events flow on; those that the cluster lists again are known."""
    for hours in HOURS:
        rig.set_clock(hours)
        rig.moving()
        rig.relist()
        rig.moving()
    rig.settle()


@pytest.mark.parametrize("hours", HOURS)
@pytest.mark.parametrize("name", [*CHILDREN, "supervisor"])
def test_an_actor_is_replaced_after_a_jump(rig: Rig, name: str, hours: int) -> None:
    """With everything listed again: its memory is that of the actor before it."""
    rig.moving()
    rig.set_clock(hours)
    rig.replaced(name, rig.kill(name))
    # In that time what seems to be old enough is forgotten.
    rig.moving_for(0.5)
    rig.relist()
    rig.settle()


@pytest.mark.parametrize("hours", [30, -30])
def test_what_waits_for_its_hook_is_kept(tmp_path: Path, hours: int) -> None:
    """The queue keeps events for a day by its own clock, not by one that was set."""
    waiting = [make_event(number, reason="Bad") for number in range(10**6, 10**6 + 20)]
    hook = tmp_path / "hook.star"
    hook.write_text('def transform(config, event):\n    return config if event["reason"] != "Bad" else fail("no")\n')
    with Rig(tmp_path / "kigeon", IMPATIENT, hook={"script": str(hook), "onError": "fail"}) as rig:
        rig.flow.put(waiting)
        wait_until(lambda: accounts(rig.kigeon, "sender/one").get("retrying", 0) >= 0)
        rig.moving()
        rig.set_clock(hours)
        rig.moving_for(2.0)
        assert not any(accounts(rig.kigeon, name)["evicted"] for name in ("sender/one", "sender/two"))
        hook.write_text("def transform(config, event):\n    return config\n")
        rig.stop()
        rig.set_clock(0)
        rig.kigeon.start()
        rig.settle()
