"""The records of replicas and roles, whoever wrote them."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.leases.records import Replica, Role, read_replica, read_role, write_replica, write_role

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    st.builds(
        Replica,
        TEXTS,
        TEXTS,
        TEXTS,
        st.integers(0, 2**53),
        st.lists(TEXTS).map(tuple),
        st.none() | st.booleans(),
        st.booleans(),
        st.lists(TEXTS).map(tuple),
    )
)
def test_a_replica_is_read_as_it_was_written(replica: Replica) -> None:
    assert read_replica(replica.id, write_replica(replica)) == replica


@given(st.builds(Role, TEXTS, TEXTS, TEXTS))
def test_a_role_is_read_as_it_was_written(role: Role) -> None:
    assert read_role(write_role(role)) == role


def test_the_id_is_that_of_the_key_and_not_what_the_record_says() -> None:
    assert read_replica("b", write_replica(Replica("a", "n", "s"))).id == "b"


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"{}", b'{"holder": "a"}', b"\xff", b'{"roles": 7, "beat": "x"}'])
def test_what_can_not_be_read_is_held_by_nobody_and_renewed_by_nobody(value: bytes) -> None:
    assert read_role(value) == Role()
    assert read_replica("a", value) == Replica("a", "", "")


def test_what_a_later_version_adds_is_left_out() -> None:
    written = orjson.loads(write_role(Role("a", "n", "s")))
    assert read_role(orjson.dumps({**written, "format": 2, "more": [1]})) == Role("a", "n", "s")


def test_one_of_a_version_that_did_not_tell_what_fails_fails_at_nothing() -> None:
    written = orjson.loads(write_replica(Replica("a", "n", "s", fails=("pipeline",))))
    del written["fails"]
    assert read_replica("a", orjson.dumps(written)).fails == ()
