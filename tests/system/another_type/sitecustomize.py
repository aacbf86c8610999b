"""Adds a sender type to the installed kigeon, as a line in its registry would."""

from lines.type import LINES

from kigeon.senders import registry

registry.TYPES = {**registry.TYPES, LINES.name: LINES}
