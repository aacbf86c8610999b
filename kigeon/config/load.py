"""From a file to settings, or to everything that is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
from kigeon.config.source import Document, dotted, read_document
from kigeon.config.source import Path as KeyPath
from kigeon.errors import ConfigurationError, Problem


def load_settings(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read a configuration file; :class:`ConfigurationError` holds every problem of it, each with its place.

    Scripts are looked for relative to the file; environment variables that it names are read from *environ*.
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
    problems = [*document.problems, *(document.problem(*problem) for problem in wrong)]
    builder = _Builder(document, path.parent, environ)
    if found is not None:
        settings = builder.build(found)
        problems += builder.problems
        if not problems:
            return settings
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


class _Builder:
    """Makes settings of what the schema returned; finds what only the environment and the disk can tell."""

    def __init__(self, document: Document, folder: Path, environ: Mapping[str, str]) -> None:
        self._document = document
        self._folder = folder
        self._environ = environ
        self.problems: list[Problem] = []

    def build(self, found: Mapping[str, Any]) -> Settings:
        """Return the settings."""
        return Settings(
            tuple(self._sender(index, sender) for index, sender in enumerate(found["eventsenders"])),
            _global(found["global"] or {}),
            _queue(found["queue"] or {}),
            PusherSettings(found["pusher"]["pushTimeout"]) if found["pusher"] else PusherSettings(),
        )

    def _sender(self, index: int, found: Mapping[str, Any]) -> SenderSettings:
        place: KeyPath = ("eventsenders", index, "config")
        config = found["config"]
        auth = self._auth(place, config.get("basicAuth"))
        raw = {key: value for key, value in found["raw"].items() if key != "hook"}
        if auth is not None and raw.get("basicAuth"):
            raw["basicAuth"] = {"username": auth.username, "password": auth.password}
        return SenderSettings(
            found["name"],
            found["type"],
            _filter(found["filter"]),
            self._hook(place, config.get("hook")),
            _loki(config, auth) if found["type"] == "loki" else None,
            raw,
        )

    def _auth(self, place: KeyPath, found: Mapping[str, Any] | None) -> BasicAuth | None:
        """Resolve credentials: a direct value takes precedence over a named variable, which is then not read."""
        if found is None:
            return None
        resolved = dict(found)
        for key in ("username", "password"):
            variable = found[f"{key}EnvVar"]
            if found[key] is None and variable is not None:
                resolved[key] = self._environ.get(variable)
                if resolved[key] is None:
                    path = (*place, "basicAuth", f"{key}EnvVar")
                    self._problem(path, f"the environment variable {variable} is not set", "set it, or name another")
        return _auth(resolved)

    def _hook(self, place: KeyPath, found: Mapping[str, Any] | None) -> HookSettings | None:
        if found is None:
            return None
        script = self._folder / found["script"]
        if not script.is_file():
            self._problem((*place, "hook", "script"), f"there is no file {script}", "it is relative to this file")
        if found["skipOnPodNotFound"] and not found["enrichPod"]:
            path = (*place, "hook", "skipOnPodNotFound")
            self._problem(path, "has no meaning without enrichPod", "set enrichPod: true as well")
        return HookSettings(script, found["timeout"], found["onError"], found["enrichPod"], found["skipOnPodNotFound"])

    def _problem(self, path: KeyPath, message: str, cure: str) -> None:
        self.problems.append(self._document.problem(path, message, cure))


def _global(found: Mapping[str, Any]) -> GlobalSettings:
    if not found:
        return GlobalSettings()
    return GlobalSettings(Path(found["dataDir"]), found["logLevel"], found["logFormat"])


def _queue(found: Mapping[str, Any]) -> QueueSettings:
    if not found:
        return QueueSettings()
    return QueueSettings(found["eventsMaxAge"], found["eventsMaxBytes"], found["kubernetesEventsMaxLifetime"])


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
