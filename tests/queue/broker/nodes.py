"""A nats-server that is not kigeon's own, and lets one user in."""

from pathlib import Path
from typing import Any

from kigeon.config.settings import ExternalQueue
from tests.support.nats import NatsNode

USER = 'authorization {{ user: kigeon, password: "{}" }}'


def use(node: NatsNode, folder: Path, **more: Any) -> ExternalQueue:
    """Return how *node* is used by the user kigeon."""
    (folder / "user").write_text("kigeon\n")
    (folder / "password").write_text("first\n")
    return ExternalQueue((node.url,), username_file=folder / "user", password_file=folder / "password", **more)
