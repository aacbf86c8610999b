"""From a file to settings, or to everything that is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kigeon.config.quantities import parse_duration
from kigeon.config.schema import CONFIGS, FILE, check
from kigeon.config.settings import (
    BasicAuth,
    FilterSettings,
    GlobalSettings,
    HookSettings,
    LokiSettings,
    PusherSettings,
    QueueSettings,
    SenderSettings,
    Settings,
)
from kigeon.config.source import Path as KeyPath
from kigeon.config.source import dotted, read_document
from kigeon.errors import ConfigurationError, Problem

Wrong = tuple[KeyPath, str, str]
"""A path, what is wrong there, and what would be right."""

ScriptCheck = Callable[[HookSettings], str]
"""Says what is wrong with a hook's script, "" for nothing. Of its settings only script and timeout count."""


def load_settings(
    path: Path, environ: Mapping[str, str] = os.environ, check_script: ScriptCheck = lambda hook: ""
) -> Settings:
    """Read a configuration file; :class:`ConfigurationError` holds every problem of it, each with its place.

    Scripts are looked for relative to the file, and shown to *check_script*; environment variables that it names are read from
    *environ*.
    """
    source = str(path)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        problem = Problem("", f"the file can't be read: {reason}", "give another with --config")
        raise ConfigurationError(source, (problem,)) from error
    document = read_document(text, source)
    found, wrong = check(FILE, document.data)
    wrong += _around(document.data, path.parent, environ, check_script)
    problems = [*document.problems, *(document.problem(*problem) for problem in wrong)]
    if not problems:
        return _Builder(path.parent, environ).build(found)
    raise ConfigurationError(source, tuple(sorted(problems, key=lambda problem: (problem.line, problem.column))))


def parse_config(sender_type: str, config: Mapping[str, Any]) -> LokiSettings | None:
    """Read a config that a hook returned, by the rules of the file; None for a type that has none.

    :class:`ConfigurationError` holds what is wrong with it. Environment variables are not read for a hook.
    """
    found, wrong = check(CONFIGS[sender_type], dict(config))
    problems = [Problem(dotted(path), message, cure) for path, message, cure in wrong]
    if found and found.get("basicAuth"):
        named = [key for key in ("usernameEnvVar", "passwordEnvVar") if found["basicAuth"][key] is not None]
        problems += [Problem(f"basicAuth.{key}", "is for the file alone", "return the value itself") for key in named]
    if problems or found is None:
        raise ConfigurationError("hook", tuple(problems))
    return _loki(found, _auth(found.get("basicAuth"))) if sender_type == "loki" else None


def _around(data: Any, folder: Path, environ: Mapping[str, str], check_script: ScriptCheck) -> list[Wrong]:
    """Return what only the environment and the disk can tell, also of a file in which other things are wrong."""
    wrong: list[Wrong] = []
    senders = _mapping(data).get("eventsenders")
    for index, sender in enumerate(senders if isinstance(senders, list) else ()):
        config = _mapping(_mapping(sender).get("config"))
        place: KeyPath = ("eventsenders", index, "config")
        wrong += _unset((*place, "basicAuth"), _mapping(config.get("basicAuth")), environ)
        wrong += _without_sense((*place, "hook"), _mapping(config.get("hook")), folder, check_script)
    return wrong


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, dict) else {}


def _unset(place: KeyPath, auth: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[Wrong]:
    for key in ("username", "password"):
        variable = auth.get(f"{key}EnvVar")
        if key not in auth and variable and isinstance(variable, str) and variable not in environ:
            message = f"the environment variable {variable} is not set"
            yield (*place, f"{key}EnvVar"), message, "set it, or name another"


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
        # None, or a problem of its own.
        return HookSettings(script)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


class _Builder:
    """Makes settings of what the schema returned."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ

    def build(self, found: Mapping[str, Any]) -> Settings:
        """Return the settings."""
        return Settings(
            tuple(self._sender(sender) for sender in found["eventsenders"]),
            _global(found["global"] or {}),
            _queue(found["queue"] or {}),
            _pusher(found["pusher"] or {}),
        )

    def _sender(self, found: Mapping[str, Any]) -> SenderSettings:
        config = found["config"]
        auth = self._auth(config.get("basicAuth"))
        raw = {key: value for key, value in found["raw"].items() if key != "hook"}
        if auth is not None and raw.get("basicAuth"):
            raw["basicAuth"] = {"username": auth.username, "password": auth.password}
        return SenderSettings(
            found["name"],
            found["type"],
            _filter(found["filter"]),
            self._hook(config.get("hook")),
            _loki(config, auth) if found["type"] == "loki" else None,
            raw,
        )

    def _auth(self, found: Mapping[str, Any] | None) -> BasicAuth | None:
        """Resolve credentials: a direct value takes precedence over a named variable, which is then not read."""
        if found is None:
            return None
        resolved = dict(found)
        for key in ("username", "password"):
            variable = found[f"{key}EnvVar"]
            if found[key] is None and variable is not None:
                resolved[key] = self._environ[variable]
        return _auth(resolved)

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
        )


def _global(found: Mapping[str, Any]) -> GlobalSettings:
    if not found:
        return GlobalSettings()
    return GlobalSettings(Path(found["dataDir"]), found["logLevel"], found["logFormat"])


def _queue(found: Mapping[str, Any]) -> QueueSettings:
    if not found:
        return QueueSettings()
    return QueueSettings(found["eventsMaxAge"], found["eventsMaxBytes"], found["kubernetesEventsMaxLifetime"])


def _pusher(found: Mapping[str, Any]) -> PusherSettings:
    if not found:
        return PusherSettings()
    return PusherSettings(found["pushTimeout"], found["batchWait"])


def _filter(found: Mapping[str, Any] | None) -> FilterSettings | None:
    if found is None:
        return None
    selector = found["namespaceSelector"]["matchLabels"]
    return FilterSettings(selector, found["includeNonNamespaced"], found["hardRefreshInterval"])


def _auth(found: Mapping[str, Any] | None) -> BasicAuth | None:
    if found is None or (found["username"] is None and found["password"] is None):
        return None
    return BasicAuth(found["username"] or "", found["password"] or "")


def _loki(found: Mapping[str, Any], auth: BasicAuth | None) -> LokiSettings:
    return LokiSettings(
        found["url"],
        found["tenantID"],
        found["streamLabels"],
        auth,
        found["tlsConfig"]["insecureSkipVerify"],
        found["eventLabels"],
        found["structuredMetadata"],
    )
