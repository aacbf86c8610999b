"""Where JetStream is reached."""

from kigeon.config.settings import ExternalQueue
from kigeon.queue.broker.address import QueueAddress, external_address


def test_the_embedded_server_is_one_with_the_names_that_it_always_had() -> None:
    address = QueueAddress("nats://127.0.0.1:4222", "secret")
    assert (address.servers, address.names.events, address.replicas) == (["nats://127.0.0.1:4222"], "kigeon-events", 1)


def test_of_a_cluster_each_server_is_one_to_connect_to() -> None:
    address = external_address(ExternalQueue(("nats://a:1", "nats://b:2"), name="prod", replicas=3))
    assert address.servers == ["nats://a:1", "nats://b:2"]
    assert (address.names.events, address.replicas) == ("prod-events", 3)


def test_no_token_is_shown() -> None:
    assert "secret" not in repr(QueueAddress("nats://127.0.0.1:4222", "secret"))
