"""What is written of a replica is read again, also by and from other versions."""

from __future__ import annotations

import orjson

from kigeon.leases.records import Replica, read_replica, write_replica

REPLICA = Replica("a", "kigeon-0", "then", 7, ("pipeline", "sender.out"), False, True, ("pipeline",))


def test_a_replica_is_read_as_it_was_written() -> None:
    assert read_replica("a", write_replica(REPLICA)) == REPLICA


def test_one_of_a_version_that_did_not_tell_what_fails_fails_at_nothing() -> None:
    written = orjson.loads(write_replica(REPLICA))
    del written["fails"]
    assert read_replica("a", orjson.dumps(written)).fails == ()


def test_what_can_not_be_read_does_nothing() -> None:
    for value in (b"", b"[]", b"{}", b'{"name": 1, "since": 2, "beat": "x", "roles": [], "sees": 1, "left": 0}'):
        assert read_replica("a", value).roles == ()
