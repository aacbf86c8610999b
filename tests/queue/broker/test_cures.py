"""What an external JetStream may answer has a cure of its own."""

import pytest

from kigeon.queue.broker.cures import cure_of


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("nats: 'Authorization Violation'", "check the credentials"),
        ('permissions violation for publish to "kigeon.events"', "docs/scaling.md"),
        ("[Errno 111] Connect call failed ('127.0.0.1', 4222)", "no firewall"),
        ("[Errno -2] Name or service not known", "hosts' names"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer", "caFile"),
        ("nats: ServiceUnavailableError: code=503 err_code=10008 description='x'", "more than half of the servers"),
        ("nats: no response from stream", "more than half of the servers"),
        ("nats: BadRequestError: code=400 err_code=10005 description='no suitable peers for placement'", "replicas"),
        ("err_code=10047 description='insufficient storage resources available'", "max_file_store"),
        ("err_code=10002 description='resource limits exceeded for account'", "account's JetStream limits"),
        ("nats: timeout", "disks"),
        ("something new", "log of the NATS servers"),
    ],
)
def test_the_cure_is_of_what_was_said(said: str, cure: str) -> None:
    assert cure in cure_of(said)
