"""Who is to hold which role: evenly, by few moves, and the same whoever computes it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from kigeon.leases.assignment import assign
from kigeon.leases.records import Replica
from kigeon.roles import PIPELINE, roles_of

NAMES = "abcdef"
ROLES = roles_of(["s1", "s2", "s3", "s4", "s5"])
SENDERS = ROLES[1:]


def replicas(names: str, roles: tuple[str, ...] = ROLES) -> list[Replica]:
    """Return replicas with these ids."""
    return [Replica(name, name, "", roles=roles) for name in names]


names = st.sets(st.sampled_from(NAMES), min_size=1).map(lambda found: "".join(sorted(found)))
holdings = st.dictionaries(st.sampled_from(ROLES), st.sampled_from(NAMES))


@given(names, holdings)
def test_every_role_is_for_one_that_is_there(there: str, holders: dict[str, str]) -> None:
    assigned = assign(replicas(there), ROLES, holders)
    assert assigned.keys() == set(ROLES)
    assert set(assigned.values()) <= set(there)


@given(names, holdings)
def test_senders_are_even(there: str, holders: dict[str, str]) -> None:
    loads = Counter(dict.fromkeys(there, 0))
    loads.update(holder for role, holder in assign(replicas(there), ROLES, holders).items() if role != PIPELINE)
    assert max(loads.values()) - min(loads.values()) <= 1


@given(names, holdings)
def test_nothing_moves_once_it_is_assigned(there: str, holders: dict[str, str]) -> None:
    assigned = assign(replicas(there), ROLES, holders)
    assert assign(replicas(there), ROLES, assigned) == assigned


@given(names, holdings, st.randoms())
def test_all_compute_the_same(there: str, holders: dict[str, str], random: Random) -> None:
    shuffled = replicas(there)
    random.shuffle(shuffled)
    turned = dict(sorted(holders.items(), reverse=True))
    assert assign(shuffled, reversed(ROLES), turned) == assign(replicas(there), ROLES, holders)


def test_one_that_comes_is_given_no_more_than_its_share() -> None:
    alone = assign(replicas("a"), ROLES, {})
    assert set(alone.values()) == {"a"}
    with_b = assign(replicas("ab"), ROLES, alone)
    assert sorted(role for role in ROLES if with_b[role] != "a") == ["sender.s1", "sender.s2"]
    with_c = assign(replicas("abc"), ROLES, with_b)
    assert [role for role in ROLES if with_c[role] != with_b[role]] == ["sender.s3"]


def test_the_leader_has_the_smaller_share() -> None:
    assigned = assign(replicas("abc"), ROLES, {PIPELINE: "a"})
    assert Counter(assigned[role] for role in SENDERS) == {"a": 1, "b": 2, "c": 2}


def test_a_role_is_for_those_alone_that_are_configured_for_it() -> None:
    """While a new configuration is rolled out, not every replica knows every sender."""
    old, new = replicas("a", roles_of(["s1"])), replicas("b")
    assigned = assign([*old, *new], ROLES, {"sender.s1": "a", "sender.s9": "c"})
    assert {role for role, who in assigned.items() if who == "a"} == {"sender.s1"}
    assert "sender.s9" not in assigned


def test_the_pipeline_goes_where_the_api_server_answers() -> None:
    a, b, c = replicas("abc")
    held = {PIPELINE: "a"}

    def leader(*there: Replica) -> str:
        return assign(there, [PIPELINE], held)[PIPELINE]

    blind = replace(a, sees=False)
    assert leader(blind, b, replace(c, sees=True)) == "c"
    assert leader(blind, b, replace(c, sees=False)) == "a", "nobody is known to do better"
    assert leader(a, b, replace(c, sees=True)) == "a", "nothing is wrong"
    held.clear()
    assert leader(blind, replace(b, sees=False), c) == "c", "it may"


def test_a_role_goes_where_its_actors_keep_running() -> None:
    a, b, c = replicas("abc")
    held = {PIPELINE: "a", "sender.s1": "a"}
    ill = replace(a, fails=(PIPELINE, "sender.s1"))
    assigned = assign([ill, b, c], [PIPELINE, "sender.s1"], held)
    assert set(assigned.values()) <= {"b", "c"}
    everywhere = [replace(each, fails=(PIPELINE, "sender.s1")) for each in (a, b, c)]
    assert assign(everywhere, [PIPELINE, "sender.s1"], held) == held, "it works nowhere"
    assert assign([replace(a, fails=("sender.s1",)), b], [PIPELINE], held) == {PIPELINE: "a"}, "another role fails"
    blind = replace(b, sees=False)
    assert assign([ill, blind], [PIPELINE], held) == {PIPELINE: "b"}, "it may see the API server again"
