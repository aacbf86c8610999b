"""What hooks return, validated once: the same few configs come back for thousands of events."""

from __future__ import annotations

from collections import OrderedDict

import orjson

from kigeon.config.load import parse_config
from kigeon.config.settings import LokiSettings
from kigeon.errors import ConfigurationError, HookResultInvalid

MOST = 1024
LARGEST = 16 * 1024
"""Bytes of a config that is remembered; hooks may return far larger ones, each a different one."""


class ConfigCache:
    """Config as JSON → settings. Bounded; the one used longest ago goes first."""

    def __init__(self, sender_type: str) -> None:
        self._type = sender_type
        self._known: OrderedDict[bytes, LokiSettings | str | None] = OrderedDict()

    def settings_of(self, config: bytes) -> LokiSettings | None:
        """Return the settings; :class:`HookResultInvalid` when they are not valid as a sender's config."""
        found = self._known.get(config, self)
        if found is self:
            found = self._parse(config)
            if len(config) <= LARGEST:
                self._known[config] = found
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(config)
        if isinstance(found, str):
            raise HookResultInvalid(f"what transform returned is no valid config: {found}")
        return found if isinstance(found, LokiSettings) else None

    def _parse(self, config: bytes) -> LokiSettings | str | None:
        """Return the settings, or what is wrong with them."""
        try:
            loaded = orjson.loads(config)
            return parse_config(self._type, loaded) if isinstance(loaded, dict) else "it is no dict"
        except ConfigurationError as error:
            return "; ".join(map(str, error.problems))
        except orjson.JSONDecodeError as error:  # an int of 400 digits is one to Starlark, and no number of JSON
            return str(error)
