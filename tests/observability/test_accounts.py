"""The accounts, from what the actors told."""

from typing import Any

from kigeon.observability.accounts import sender_accounts, watcher_accounts
from kigeon.observability.snapshot import (
    Snapshot,
    with_children,
)
from tests.observability.snapshots import SENDER, WELL


def test_accounts_stay_while_the_actor_that_knows_them_is_replaced() -> None:
    began: dict[str, dict[str, Any]] = {
        "queue": {"ready": True, "open": False, "received": 0, "stored": 0, "repeated": 0, "unreadable": 0},
        "sender/loki": {"ready": False, "sender": True},
    }
    snapshot = with_children(WELL, began, 10_001.0)
    assert watcher_accounts(snapshot) == watcher_accounts(WELL)
    assert sender_accounts(snapshot, "loki") == sender_accounts(WELL, "loki")
    assert not snapshot.sender("loki").ready
    assert not snapshot.child("queue").report["open"]


def test_what_is_not_known_yet_is_no_account() -> None:
    began: dict[str, dict[str, Any]] = {
        "queue": {"ready": True, "open": False, "received": 0, "stored": 0},
        "sender/loki": {"ready": True},
    }
    snapshot = with_children(Snapshot(senders=("loki",)), began, 1.0)
    assert (watcher_accounts(snapshot), sender_accounts(snapshot, "loki")) == ({}, {})


def test_a_new_sender_has_what_was_stored_since_it_began() -> None:
    report = {**SENDER, "first": 9, "number": 11, "open": 0, "sent": 2, "filtered": 0, "skipped": 0, "parked": 0}
    snapshot = with_children(WELL, {"sender/loki": {"ready": True, **report}}, 10_001.0)
    assert sender_accounts(snapshot, "loki")["stored"] == 2
