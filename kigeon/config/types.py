"""How a type of sender describes its ``config``: the keys, the rules across keys, and the settings made from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from kigeon.config.hook import HOOK
from kigeon.config.validators import Key, Problems, Section, Wrong


class ConfigType:
    """A config with *keys*, without state; a type that needs more than keys overrides the methods."""

    def __init__(self, keys: Mapping[str, Key]) -> None:
        self.keys = keys

    @cached_property
    def of_hook(self) -> Section:
        """The config as a hook may return it."""
        return Section(self.keys, self.together)

    @cached_property
    def in_file(self) -> Section:
        """The config as the file may have it."""
        return Section({**self.keys, "hook": (HOOK, None)}, self.together)

    def together(self, found: Mapping[str, Any]) -> Iterable[Wrong]:
        """Return what is wrong with values together that are valid each on its own."""
        return ()

    def missing(
        self, given: Mapping[str, Any], environ: Mapping[str, str]
    ) -> Iterable[tuple[tuple[str, ...], str, str]]:
        """Return a problem for each variable that *given* names and *environ* lacks; *given* need not be valid."""
        return ()

    def resolved(self, found: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:
        """Return a valid config in which the values of variables in *environ* replace their names."""
        return found

    def for_file_alone(self, found: Mapping[str, Any]) -> Problems:
        """Return a problem for each part of a valid config that no hook may return."""
        return []

    def settings(self, found: Mapping[str, Any]) -> Any:
        """Return the settings of a valid config, frozen and picklable; None where the type has none."""
        return None

    def shown(self, raw: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
        """Return the config that a hook sees: *raw*, as the file has it, with the values that *found* has resolved."""
        return dict(raw)


ConfigTypes = Mapping[str, ConfigType]
"""The known types of senders, by name."""
