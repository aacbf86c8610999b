"""Leases: never two replicas at one role, whatever is late; each role at one of them as long as one is there."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from kigeon.leases.keeper import GiveBack, Keeper, Timing
from kigeon.leases.records import Found, Replica, Role, View
from kigeon.roles import PIPELINE, roles_of
from tests.leases.simulation import World

ROLES = roles_of(["a", "b"])
seeds = st.integers(0, 2**32)


def trouble(world: World, random: Random) -> None:
    """Do something to one of the replicas."""
    node = random.choice(world.nodes)
    match random.choice(("freeze", "freeze", "kill", "leave", "start")):
        case "freeze":
            node.freeze(random.uniform(0.1, 15.0))
        case "kill":
            node.is_dead = True
        case "leave":
            node.keeper.leave()
        case "start":
            world.start(ROLES)


def simulate(seed: int, timing: Timing) -> World:
    """Return what came of a minute of troubles, and half a minute without."""
    world, random = World(seed, timing), Random(seed + 1)
    for _ in range(3):
        world.start(ROLES)
    while world.time < 60:
        world.run(world.time + random.uniform(0.1, 8.0))
        trouble(world, random)
    world.is_quiet = True
    world.start(ROLES)
    world.run(90)
    return world


@given(seeds)
@example(450566513)
@settings(max_examples=40)
def test_no_two_replicas_ever_work_at_one_role(seed: int) -> None:
    world = simulate(seed, Timing())
    assert not world.violations


@given(seeds)
@settings(max_examples=15)
def test_each_role_is_held_when_trouble_is_over(seed: int) -> None:
    world = simulate(seed, Timing())
    assert all(len(world.workers(role)) == 1 for role in ROLES)
    able = [node for node in world.nodes if node.is_awake and not node.keeper.is_leaving]
    loads = [len(node.working() - {PIPELINE}) for node in able]
    assert max(loads) - min(loads) <= 1, "the senders are not spread"


def test_a_role_that_was_given_back_unbegun_is_not_begun_by_an_answer_that_comes_late() -> None:
    """It had been taken for lost: what was read said that the role was taken, and by then it was another's to take."""
    me, other = (Replica(name, name, "", roles=("sender.a",)) for name in ("b", "a"))
    keeper = Keeper(me, Timing())
    keeper.renewed(100.0)
    keeper.saw(View({"a": Found(other, 1), "b": Found(me, 2)}, {"sender.a": Found(Role("b"), 5)}), 100.0)
    keeper.failing(["sender.a"])
    assert keeper.steps(100.1) == [GiveBack("sender.a", 5)]
    keeper.wrote("sender.a", Found(Role("b"), 5), 100.2)
    assert keeper.running(100.2) == frozenset()


def test_a_tenure_as_long_as_a_lease_is_seen_to_be_wrong() -> None:
    """The simulation finds what it is to find: here a replica works on until after its lease has been ended."""
    assert any(simulate(seed, Timing(lease=3.0, hold=6.0)).violations for seed in range(30))


def test_a_role_is_expected_when_its_holder_leaves_or_falls_silent() -> None:
    """So that what it takes is there by the time that it comes."""
    there = {name: Replica(name, name, "", roles=ROLES) for name in ("a", "b")}
    view = View(
        {name: Found(there[name], number) for number, name in enumerate(there, 1)},
        {role: Found(Role("a"), number) for number, role in enumerate(ROLES, 3)},
    )
    timing = Timing()
    silent, left = Keeper(there["b"], timing), Keeper(there["b"], timing)
    silent.saw(view, 100.0)
    assert silent.expected(100.0 + timing.lease / 2 - 0.1) == {"sender.a"}, "one is to be given to it"
    assert silent.expected(100.0 + timing.lease / 2) == set(ROLES)
    left.saw(view, 100.0)
    left.saw(View({"a": Found(replace(there["a"], roles=()), 9)}), 101.0)
    assert left.expected(101.0) == set(ROLES)
