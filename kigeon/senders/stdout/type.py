"""The sender type ``stdout``."""

from __future__ import annotations

from typing import Any

from kigeon.config.types import ConfigType
from kigeon.senders.delivery.sink import Sink
from kigeon.senders.type import SenderType


def _sink(settings: Any) -> Sink:
    from kigeon.senders.stdout.sink import StdoutSink

    return StdoutSink()


STDOUT = SenderType("stdout", ConfigType({}), _sink)
