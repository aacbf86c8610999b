"""What hooks return, validated once: the same few configs come back for thousands of events."""

from __future__ import annotations

from collections import OrderedDict

import orjson

from kigeon.config.load import parse_config
from kigeon.config.settings import LokiSettings
from kigeon.errors import ConfigurationError, HookResultInvalid

MOST = 1024


class ConfigCache:
    """Config as JSON → settings. Bounded; the one used longest ago goes first."""

    def __init__(self, sender_type: str) -> None:
        self._type = sender_type
        self._known: OrderedDict[bytes, LokiSettings | HookResultInvalid | None] = OrderedDict()

    def settings_of(self, config: bytes) -> LokiSettings | None:
        """Return the settings; :class:`HookResultInvalid` when they are not valid as a sender's config."""
        found = self._known.get(config, self)
        if found is self:
            found = self._known[config] = self._parse(config)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        self._known.move_to_end(config)
        if isinstance(found, HookResultInvalid):
            raise found
        return found if isinstance(found, LokiSettings) else None

    def _parse(self, config: bytes) -> LokiSettings | HookResultInvalid | None:
        try:
            return parse_config(self._type, orjson.loads(config))
        except ConfigurationError as error:
            problems = "; ".join(map(str, error.problems))
            return HookResultInvalid(f"what transform returned is no valid config: {problems}")
