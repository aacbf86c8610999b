"""In which order the servers of a queue are tried."""

from __future__ import annotations

from dataclasses import replace

from kigeon.config.settings import ExternalQueue
from kigeon.queue.broker.address import external_address

SERVERS = ("nats://a:4222", "nats://b:4222", "nats://c:4222")
ADDRESS = external_address(ExternalQueue(SERVERS))


def test_they_are_tried_in_no_order() -> None:
    assert ADDRESS.in_order(list.reverse) == list(reversed(SERVERS))


def test_one_that_was_well_just_now_is_tried_first() -> None:
    assert replace(ADDRESS, preferred="b:4222").in_order(list.reverse) == ["nats://b:4222", *SERVERS[::-2]]


def test_one_that_is_not_among_them_changes_nothing() -> None:
    assert replace(ADDRESS, preferred="d:4222").in_order(lambda servers: None) == list(SERVERS)
