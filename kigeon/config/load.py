"""Turns a configuration file into settings, or into a list of everything that is wrong with the file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kigeon.config.quantities import parse_duration
from kigeon.config.queue import missing_files, queue_settings
from kigeon.config.schema import file_section
from kigeon.config.settings import (
    FilterSettings,
    GlobalSettings,
    HookSettings,
    HttpSettings,
    PusherSettings,
    SenderSettings,
    Settings,
)
from kigeon.config.source import KeyPath, dotted, read_document
from kigeon.config.types import ConfigType, ConfigTypes
from kigeon.config.validators import check
from kigeon.errors import ConfigurationError, Problem

Wrong = tuple[KeyPath, str, str]
"""A path, what is wrong there, and what would be right."""

ScriptCheck = Callable[[HookSettings], str]
"""Returns what is wrong with a hook's script, "" for nothing. Only script and timeout of its settings are filled in."""


def load_settings(
    path: Path,
    types: ConfigTypes,
    environ: Mapping[str, str] = os.environ,
    check_script: ScriptCheck = lambda hook: "",
) -> Settings:
    """Read a configuration file; :class:`ConfigurationError` holds every problem of it, each with its place.

    One of *types* says how a sender's config is read. Paths of scripts are relative to the file, and *check_script*

    tries the scripts. Environment variables that the file names are read from *environ*.
    """
    source = str(path)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        problem = Problem("", f"the file can't be read: {reason}", "give another with --config")
        raise ConfigurationError(source, (problem,)) from error
    document = read_document(text, source)
    found, wrong = check(file_section(types), document.data)
    wrong += _around(document.data, types, path.parent, environ, check_script)
    problems = [*document.problems, *(document.problem(*problem) for problem in wrong)]
    if not problems:
        return _Builder(types, path.parent, environ).build(found)
    raise ConfigurationError(source, tuple(sorted(problems, key=lambda problem: (problem.line, problem.column))))


def parse_config(config_type: ConfigType, config: Mapping[str, Any]) -> Any:
    """Read a config that a hook returned, by the rules of the file; return the type's settings, None if it has none.

    :class:`ConfigurationError` holds what is wrong with it. Environment variables are not read for a hook.
    """
    found, wrong = check(config_type.of_hook, dict(config))
    wrong += config_type.for_file_alone(found) if found else []
    if wrong or found is None:
        problems = tuple(Problem(dotted(path), message, cure) for path, message, cure in wrong)
        raise ConfigurationError("hook", problems)
    return config_type.settings(found)


def _around(
    data: Any, types: ConfigTypes, folder: Path, environ: Mapping[str, str], check_script: ScriptCheck
) -> list[Wrong]:
    """Return the problems that only the environment and the disk show, even where the file has other problems."""
    wrong: list[Wrong] = list(missing_files(_mapping(_mapping(data).get("queue")), folder))
    senders = _mapping(data).get("eventsenders")
    for index, sender in enumerate(senders if isinstance(senders, list) else ()):
        config = _mapping(_mapping(sender).get("config"))
        place: KeyPath = ("eventsenders", index, "config")
        kind = _mapping(sender).get("type")
        if isinstance(kind, str) and kind in types:
            told = types[kind].missing(config, environ)
            wrong += [((*place, *path), message, cure) for path, message, cure in told]
        wrong += _without_sense((*place, "hook"), _mapping(config.get("hook")), folder, check_script)
    return wrong


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, dict) else {}


def _without_sense(place: KeyPath, hook: Mapping[str, Any], folder: Path, check_script: ScriptCheck) -> Iterator[Wrong]:
    script = hook.get("script")
    if script and isinstance(script, str):
        if not _is_file(folder / script):
            yield (*place, "script"), f"there is no file {folder / script}", "it is relative to this file"
        elif problem := check_script(_bare_hook(folder / script, hook.get("timeout"))):
            yield (*place, "script"), problem, ""
    if hook.get("skipOnPodNotFound") is True and hook.get("enrichPod", False) is False:
        yield (*place, "skipOnPodNotFound"), "has no meaning without enrichPod", "set enrichPod: true as well"


def _bare_hook(script: Path, timeout: Any) -> HookSettings:
    try:
        return HookSettings(script, parse_duration(timeout))
    except (TypeError, ValueError):
        # The timeout is left out, or the schema reports it.
        return HookSettings(script)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


class _Builder:
    """Makes settings from what the schema returned."""

    def __init__(self, types: ConfigTypes, folder: Path, environ: Mapping[str, str]) -> None:
        self._types = types
        self._folder = folder
        self._environ = environ

    def build(self, found: Mapping[str, Any]) -> Settings:
        """Return the settings."""
        return Settings(
            tuple(self._sender(sender) for sender in found["eventsenders"]),
            _global(found["global"] or {}),
            queue_settings(found["queue"] or {}, self._folder),
            _pusher(found["pusher"] or {}),
            HttpSettings(found["http"]["listen"], found["http"]["namespaceLabel"]) if found["http"] else HttpSettings(),
        )

    def _sender(self, found: Mapping[str, Any]) -> SenderSettings:
        config_type = self._types[found["type"]]
        config = config_type.resolved(found["config"], self._environ)
        raw = {key: value for key, value in found["raw"].items() if key != "hook"}
        return SenderSettings(
            found["name"],
            found["type"],
            _filter(found["filter"]),
            self._hook(config.get("hook")),
            config_type.settings(config),
            config_type.shown(raw, config),
        )

    def _hook(self, found: Mapping[str, Any] | None) -> HookSettings | None:
        if found is None:
            return None
        script = self._folder / found["script"]
        return HookSettings(
            script,
            found["timeout"],
            found["onError"],
            found["enrichPod"],
            found["skipOnPodNotFound"],
            found["podLookupsPerSecond"],
            found["workers"],
        )


def _global(found: Mapping[str, Any]) -> GlobalSettings:
    if not found:
        return GlobalSettings()
    return GlobalSettings(Path(found["dataDir"]), found["logLevel"], found["logFormat"])


def _pusher(found: Mapping[str, Any]) -> PusherSettings:
    if not found:
        return PusherSettings()
    return PusherSettings(found["pushTimeout"], found["batchWait"])


def _filter(found: Mapping[str, Any] | None) -> FilterSettings | None:
    if found is None:
        return None
    selector = found["namespaceSelector"]["matchLabels"]
    return FilterSettings(selector, found["includeNonNamespaced"], found["hardRefreshInterval"])
