"""What a type of sender says of its ``config``: its keys, what they mean together, the settings that come of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from kigeon.config.hook import HOOK
from kigeon.config.validators import Key, Problems, Section, Wrong


class ConfigType:
    """A config of the *keys*; a type that has more to say than these overrides the methods. Stateless."""

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
        """Say what is wrong with values that are right, each on its own."""
        return ()

    def missing(
        self, given: Mapping[str, Any], environ: Mapping[str, str]
    ) -> Iterable[tuple[tuple[str, ...], str, str]]:
        """Say what *environ* lacks of what the file names; *given* need not be valid."""
        return ()

    def resolved(self, found: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:
        """Return a valid config with what it names in *environ* put into its place."""
        return found

    def for_file_alone(self, found: Mapping[str, Any]) -> Problems:
        """Say what of a valid config no hook may return."""
        return []

    def settings(self, found: Mapping[str, Any]) -> Any:
        """Return the settings of a valid config, frozen and picklable; None where the type has none."""
        return None

    def shown(self, raw: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
        """Return the config as the file has it, *raw*, as a hook sees it: with what was resolved, as in *found*."""
        return dict(raw)


ConfigTypes = Mapping[str, ConfigType]
"""The known types of senders, by name."""
