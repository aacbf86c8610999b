"""The sender type ``lines``: its settings, their schema, what it says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kigeon.config.types import ConfigType
from kigeon.config.validators import Wrong, boolean, some_text
from kigeon.senders.delivery.sink import Sink
from kigeon.senders.inventory import Inventory
from kigeon.senders.type import SenderType


@dataclass(frozen=True, slots=True)
class LinesSettings:
    """Where lines go, and whether they are written in capitals."""

    path: str
    upper: bool = False


class LinesConfig(ConfigType):
    """The config of a sender of type ``lines``."""

    def settings(self, found: Mapping[str, Any]) -> LinesSettings:
        """Return the settings of a valid config."""
        return LinesSettings(found["path"], found["upper"])


def absolute(given: Any) -> str:
    """An absolute path."""
    if not some_text(given).startswith("/"):
        raise Wrong("must be an absolute path", "for example /var/log/events.jsonl")
    return str(given)


def sink(settings: LinesSettings) -> Sink:
    """Return what writes."""
    from lines.sink import LinesSink

    made: Sink = LinesSink(settings)
    return made


def inventory(settings: LinesSettings) -> Inventory:
    """Return what reads files for an audit."""
    from lines.inventory import LinesInventory

    made: Inventory = LinesInventory()
    return made


LINES = SenderType(
    "lines",
    LinesConfig({"path": absolute, "upper": (boolean, False)}),
    sink,
    lambda settings: [f"to        {settings.path}"],
    inventory=inventory,
)
