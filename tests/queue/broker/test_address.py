"""Where JetStream is reached."""

from dataclasses import replace

from kigeon.config.settings import ExternalQueue
from kigeon.queue.broker.address import QueueAddress, external_address

SERVERS = ("nats://a:4222", "nats://b:4222", "nats://c:4222")
ADDRESS = external_address(ExternalQueue(SERVERS))


def test_the_embedded_server_is_one_with_the_names_that_it_always_had() -> None:
    address = QueueAddress("nats://127.0.0.1:4222", "secret")
    assert (address.servers, address.names.events, address.replicas) == (["nats://127.0.0.1:4222"], "kigeon-events", 1)


def test_of_a_cluster_each_server_is_one_to_connect_to() -> None:
    address = external_address(ExternalQueue(("nats://a:1", "nats://b:2"), name="prod", replicas=3))
    assert address.servers == ["nats://a:1", "nats://b:2"]
    assert (address.names.events, address.replicas) == ("prod-events", 3)


def test_no_token_is_shown() -> None:
    assert "secret" not in repr(QueueAddress("nats://127.0.0.1:4222", "secret"))


def test_they_are_tried_in_no_order() -> None:
    assert ADDRESS.in_order(list.reverse) == list(reversed(SERVERS))


def test_one_that_was_well_just_now_is_tried_first() -> None:
    assert replace(ADDRESS, preferred="b:4222").in_order(list.reverse) == ["nats://b:4222", *SERVERS[::-2]]


def test_one_that_is_not_among_them_changes_nothing() -> None:
    assert replace(ADDRESS, preferred="d:4222").in_order(lambda servers: None) == list(SERVERS)
