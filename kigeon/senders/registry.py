"""Lists the types of senders. A new type is a new folder here, and a new line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kigeon.config.settings import SenderSettings
from kigeon.config.types import ConfigTypes
from kigeon.senders.loki.type import LOKI
from kigeon.senders.stdout.type import STDOUT
from kigeon.senders.type import SenderType

TYPES: Mapping[str, SenderType] = {found.name: found for found in (LOKI, STDOUT)}


def config_types() -> ConfigTypes:
    """Return what each type says of its config."""
    return {name: found.config for name, found in TYPES.items()}


def example_sender() -> SenderSettings:
    """Return a sender for what needs one where no configuration is given."""
    return SenderSettings(LOKI.name, LOKI.name, config=LOKI.example)


def keep_namespaces_apart(senders: Iterable[SenderSettings]) -> bool:
    """Return whether, for each of *senders*, events of different namespaces need no order among each other.

    Nothing is known of the settings that a hook returns.
    """
    return all(sender.hook is None and TYPES[sender.type].keeps_namespaces_apart(sender.settings) for sender in senders)
