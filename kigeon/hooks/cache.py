"""Validates each config that hooks return once: the same few come back for thousands of events."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

import orjson

from kigeon.config.load import parse_config
from kigeon.config.types import ConfigType
from kigeon.errors import ConfigurationError, HookResultInvalid

MOST_CONFIGS = 1024
LARGEST = 16 * 1024
"""Largest config, in bytes, that is remembered; hooks may return far larger ones, all different."""


class _Read(NamedTuple):
    """Settings, or what is wrong with them."""

    settings: Any
    problem: str = ""


class ConfigCache:
    """Maps a config as JSON to its settings. Bounded; the config that was used longest ago goes first."""

    def __init__(self, config_type: ConfigType) -> None:
        self._type = config_type
        self._known: OrderedDict[bytes, _Read] = OrderedDict()

    def settings_of(self, config: bytes) -> Any:
        """Return the settings; :class:`HookResultInvalid` when they are not valid as a sender's config."""
        found = self._known.get(config)
        if found is None:
            found = self._read(config)
            if len(config) <= LARGEST:
                self._known[config] = found
            if len(self._known) > MOST_CONFIGS:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(config)
        if found.problem:
            raise HookResultInvalid(f"what transform returned is no valid config: {found.problem}")
        return found.settings

    def _read(self, config: bytes) -> _Read:
        try:
            loaded = orjson.loads(config)
            if not isinstance(loaded, dict):
                return _Read(None, "it is no dict")
            return _Read(parse_config(self._type, loaded))
        except ConfigurationError as error:
            return _Read(None, "; ".join(map(str, error.problems)))
        except orjson.JSONDecodeError as error:  # Starlark allows an int of 400 digits, this JSON parser does not
            return _Read(None, str(error))
