"""What a configuration may say, key by key. The only module that knows voluptuous.

A validator gets what the file says and returns what the settings hold; what is wrong is a :class:`Wrong` with its
cure. Everything wrong is found in one run: voluptuous collects, and :class:`Section` adds keys that nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

import voluptuous

from kigeon.config.labels import (
    DEFAULT_EVENT_LABELS,
    DEFAULT_STRUCTURED_METADATA,
    FIELDS,
    Labels,
    wrong_together,
    wrong_with_metadata,
    wrong_with_stream_label,
    wrong_with_tenant,
)
from kigeon.config.quantities import parse_duration, parse_size

Validator = Callable[[Any], Any]

MIN_QUEUE_BYTES = 4 * 1024 * 1024
"""Less might not hold one of the largest batches."""

_NAME = re.compile(r"[a-z0-9-]{1,63}")
_KUBERNETES_LABEL = re.compile(
    r"(?:[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
)
_KUBERNETES_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")


class Wrong(voluptuous.Invalid):
    """Something is wrong, and this would be right."""

    def __init__(self, message: str, cure: str = "", path: Iterable[str | int] = ()) -> None:
        super().__init__(message, list(path))
        self.cure = cure


class Section:
    """A mapping with known keys. A key with a default may be left out; one without is required.

    *together* says what is wrong with values that are right, each on its own.
    """

    def __init__(
        self,
        keys: Mapping[str, tuple[Validator, Any] | Validator],
        together: Callable[[dict[str, Any]], Iterable[Wrong]] = lambda found: (),
    ) -> None:
        self._together = together
        self._keys = list(keys)
        # Voluptuous would validate its own defaults; these are settings already.
        self._defaults = {key: found[1] for key, found in keys.items() if isinstance(found, tuple)}
        schema: dict[Any, Validator] = {}
        for key, found in keys.items():
            if isinstance(found, tuple):
                schema[voluptuous.Optional(key)] = found[0]
            else:
                schema[voluptuous.Required(key, msg="is required")] = found
        self._schema = voluptuous.Schema(schema)

    def __call__(self, given: Any) -> dict[str, Any]:
        """Validate *given*; an empty section is one in which everything is left out."""
        if given is not None and not isinstance(given, dict):
            raise Wrong("must be a mapping of keys to values")
        given = given or {}
        wrong: list[voluptuous.Invalid] = [self._unknown(key) for key in given if key not in self._keys]
        try:
            found = self._schema({key: value for key, value in given.items() if key in self._keys})
            found = {**self._defaults, **found}
            wrong += self._together(found)
            return found
        except voluptuous.MultipleInvalid as error:
            wrong += error.errors
        finally:
            if wrong:
                raise voluptuous.MultipleInvalid(wrong)
        return {}

    def _unknown(self, key: str) -> Wrong:
        lowered = {known.lower(): known for known in self._keys}
        close = get_close_matches(key.lower(), lowered, n=1, cutoff=0.6)
        cure = f"did you mean `{lowered[close[0]]}`?" if close else f"known keys: {', '.join(self._keys)}"
        return Wrong("unknown key", cure, [key])


def check(schema: Validator, given: Any) -> tuple[Any, list[tuple[tuple[str | int, ...], str, str]]]:
    """Return what *schema* makes of *given*, and everything wrong with it as path, message and cure."""
    try:
        return schema(given), []
    except voluptuous.MultipleInvalid as error:
        return None, [_told(each) for each in error.errors]
    except voluptuous.Invalid as error:
        return None, [_told(error)]


def _told(error: voluptuous.Invalid) -> tuple[tuple[str | int, ...], str, str]:
    path = tuple(part if isinstance(part, int) else str(part) for part in error.path)
    return path, error.error_message, getattr(error, "cure", "")


def text(given: Any) -> str:
    """A text; a number or a boolean has to be put in quotes."""
    if not isinstance(given, str):
        raise Wrong("must be a text", "" if given is None else "put it in quotes")
    return given


def some_text(given: Any) -> str:
    """A text that is not empty."""
    if not text(given):
        raise Wrong("must not be empty")
    return str(given)


def tenant(given: Any) -> str:
    """A tenant ID for which Loki takes pushes."""
    message, cure = wrong_with_tenant(some_text(given))
    if message:
        raise Wrong(message, cure)
    return str(given)


def boolean(given: Any) -> bool:
    """True or false."""
    if not isinstance(given, bool):
        raise Wrong("must be true or false")
    return given


def one_of(*choices: str) -> Validator:
    """One of a few words."""

    def validate(given: Any) -> str:
        if given not in choices or not isinstance(given, str):
            close = get_close_matches(str(given), choices, n=1)
            cure = f"did you mean `{close[0]}`?" if close else ""
            raise Wrong(f"must be one of {', '.join(choices)}", cure)
        return given

    return validate


def duration(zero: bool = False, least: float = 0.0) -> Validator:
    """A duration in seconds; *zero* says that 0 has a meaning."""

    def validate(given: Any) -> float:
        shown = "0" if given == 0 and not isinstance(given, bool) else given
        if not isinstance(shown, str):
            raise Wrong("must be a duration with a unit", "for example 100ms, 5s, 1h30m")
        try:
            seconds = parse_duration(shown)
        except ValueError:
            raise Wrong(f"`{shown[:40]}` is no duration", "for example 100ms, 5s, 1h30m") from None
        if not zero and seconds <= 0:
            raise Wrong("must be longer than 0")
        if seconds and seconds < least:
            raise Wrong(f"must be at least {least:g}s")
        return seconds

    return validate


def size(least: int) -> Validator:
    """A size in bytes."""

    def validate(given: Any) -> int:
        if isinstance(given, bool) or not isinstance(given, (int, str)):
            raise Wrong("must be a size", "for example 500Mi, 1Gi, 1048576")
        try:
            found = parse_size(str(given))
        except ValueError:
            raise Wrong(f"`{str(given)[:40]}` is no size", "for example 500Mi, 1Gi, 1048576") from None
        if found < least:
            raise Wrong(f"must be at least {least // 2**20}Mi")
        return found

    return validate


def sender_name(given: Any) -> str:
    """A name that may stand in durable names."""
    if not _NAME.fullmatch(text(given)):
        raise Wrong("must consist of a-z, 0-9 and `-`, at most 63 of them")
    return str(given)


def url(given: Any) -> str:
    """A base URL: scheme, host, maybe a port, and nothing else."""
    try:
        parts = urlsplit(some_text(given))
        port_is_wrong = parts.port == 0
        if " " in given or not given.isprintable():
            raise ValueError
    except ValueError:
        raise Wrong("is no URL", "for example http://loki-gateway.loki.svc:80") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port_is_wrong:
        raise Wrong("must be a URL that begins with http:// or https://", "for example http://loki-gateway.loki.svc:80")
    if parts.username is not None or parts.password is not None:
        raise Wrong("must not hold credentials", "put them into basicAuth")
    if parts.path.strip("/") or "?" in given or "#" in given:
        raise Wrong("must be a base URL without path", "/loki/api/v1/push is appended")
    return str(given).rstrip("/")


def labels(key: Callable[[str], str], value: Callable[[str], bool], what: str) -> Validator:
    """A mapping of label names, of which *key* says what is wrong with them, to values."""

    def validate(given: Any) -> dict[str, str]:
        given = {} if given is None else given
        if not isinstance(given, dict):
            raise Wrong("must be a mapping of label names to values")
        wrong: list[voluptuous.Invalid] = [Wrong(problem, path=[name]) for name in given if (problem := key(str(name)))]
        for name, found in given.items():
            if not isinstance(found, str):
                wrong.append(Wrong("must be a text", "put it in quotes", [name]))
            elif not value(found):
                wrong.append(Wrong(f"is no value of {what}", path=[name]))
        if wrong:
            raise voluptuous.MultipleInvalid(wrong)
        return dict(given)

    return validate


def label_fields(name: Callable[[str], str]) -> Validator:
    """A list of the event's fields, or a mapping of names, of which *name* says what is wrong with them, to fields."""

    def validate(given: Any) -> Labels:
        if not isinstance(given, (list, tuple, dict)):
            raise Wrong("must be a list of fields, or a mapping of names to fields", f"known: {', '.join(FIELDS)}")
        wrong: list[voluptuous.Invalid] = []
        for place, field in given.items() if isinstance(given, dict) else enumerate(given):
            # A field of a list that nobody knows has one thing wrong with it, and not its name as well.
            if isinstance(given, dict) and (problem := name(str(place))):
                wrong.append(Wrong(problem, path=[place]))
            if field not in tuple(FIELDS):
                wrong.append(Wrong("is no field of an event", _fields_like(field), [place]))
        if wrong:
            raise voluptuous.MultipleInvalid(wrong)
        found = given if isinstance(given, dict) else {field: field for field in given}
        return tuple(found.items())

    return validate


def _fields_like(field: Any) -> str:
    close = get_close_matches(field, FIELDS, n=1) if isinstance(field, str) else []
    return f"did you mean `{close[0]}`?" if close else f"known: {', '.join(FIELDS)}"


def fits_loki(found: Mapping[str, Any]) -> list[Wrong]:
    """Say what Loki would refuse of every line, whatever the event."""
    told = wrong_together(found["streamLabels"], found["eventLabels"], found["structuredMetadata"])
    return [Wrong(message, cure, [key]) for key, message, cure in told]


stream_labels = labels(
    wrong_with_stream_label, lambda value: 0 < len(value.encode()) <= 2048 and "\ufffd" not in value, "a stream label"
)
match_labels = labels(
    lambda name: "" if _KUBERNETES_LABEL.fullmatch(name) else "is no name of a Kubernetes label",
    lambda value: bool(_KUBERNETES_VALUE.fullmatch(value)),
    "a Kubernetes label",
)


def rate(given: Any) -> float:
    """So many in a second."""
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 1 <= given <= 10_000:
        raise Wrong("must be a number from 1 to 10000", "for example 200")
    return float(given)


BASIC_AUTH = Section(
    {
        "username": (text, None),
        "password": (text, None),
        "usernameEnvVar": (some_text, None),
        "passwordEnvVar": (some_text, None),
    }
)

LOKI: Mapping[str, tuple[Validator, Any] | Validator] = {
    "url": url,
    "tenantID": (tenant, None),
    "streamLabels": (stream_labels, {}),
    "basicAuth": (BASIC_AUTH, None),
    "tlsConfig": (Section({"insecureSkipVerify": (boolean, False)}), {"insecureSkipVerify": False}),
    "eventLabels": (label_fields(wrong_with_stream_label), DEFAULT_EVENT_LABELS),
    "structuredMetadata": (label_fields(wrong_with_metadata), DEFAULT_STRUCTURED_METADATA),
}

HOOK = Section(
    {
        "script": some_text,
        "timeout": (duration(), 0.1),
        "onError": (one_of("use-default", "skip", "fail"), "use-default"),
        "enrichPod": (boolean, False),
        "skipOnPodNotFound": (boolean, False),
        "podLookupsPerSecond": (rate, 200.0),
    }
)

CONFIGS: Mapping[str, Section] = {"loki": Section(LOKI, fits_loki), "stdout": Section({})}
"""A type's config as a hook may return it."""

CONFIGS_IN_FILE: Mapping[str, Section] = {
    "loki": Section({**LOKI, "hook": (HOOK, None)}, fits_loki),
    "stdout": Section({"hook": (HOOK, None)}),
}

SENDER = Section(
    {
        "name": sender_name,
        "type": one_of("loki", "stdout"),
        "filter": (
            Section(
                {
                    "namespaceSelector": (Section({"matchLabels": (match_labels, {})}), {"matchLabels": {}}),
                    "includeNonNamespaced": (boolean, False),
                    "hardRefreshInterval": (duration(zero=True, least=1.0), 0.0),
                }
            ),
            None,
        ),
        "config": (lambda given: given, None),
    }
)


def senders(given: Any) -> list[dict[str, Any]]:
    """The list of senders, each with its config as its type wants it; ``raw`` is that config as the file has it."""
    if not isinstance(given, list) or not given:
        raise Wrong("must be a list of at least one sender")
    wrong: list[voluptuous.Invalid] = []
    found: list[dict[str, Any]] = []
    names: dict[str, int] = {}
    for index, item in enumerate(given):
        sender, problems = check(sender_with_config, item)
        wrong += [Wrong(message, cure, [index, *path]) for path, message, cure in problems]
        name = item.get("name") if isinstance(item, dict) else None
        if isinstance(name, str) and names.setdefault(name, index) != index:
            wrong.append(Wrong(f"is the name of eventsenders[{names[name]}] too", "names are unique", [index, "name"]))
        if sender is not None:
            found.append(sender)
    if wrong:
        raise voluptuous.MultipleInvalid(wrong)
    return found


def sender_with_config(given: Any) -> dict[str, Any]:
    """One sender; what is wrong with its config is found also where other things are wrong."""
    sender, problems = check(SENDER, given)
    raw = given.get("config") if isinstance(given, dict) else None
    kind = given.get("type") if isinstance(given, dict) else None
    config = None
    if isinstance(kind, str) and kind in CONFIGS_IN_FILE:
        config, wrong = check(CONFIGS_IN_FILE[kind], raw)
        problems += [(("config", *path), message, cure) for path, message, cure in wrong]
    if problems:
        raise voluptuous.MultipleInvalid([Wrong(message, cure, path) for path, message, cure in problems])
    # A filter of which nothing is said is none; one that says `{}` selects every namespace.
    chosen = sender["filter"] if given.get("filter") is not None else None
    return {**sender, "filter": chosen, "config": config, "raw": raw or {}}


FILE = Section(
    {
        "global": (
            Section(
                {
                    "dataDir": (some_text, "/var/lib/kigeon/data"),
                    "logLevel": (one_of("debug", "info", "warn", "error"), "info"),
                    "logFormat": (one_of("json", "text"), "json"),
                }
            ),
            None,
        ),
        "queue": (
            Section(
                {
                    "eventsMaxAge": (duration(least=60.0), 24 * 3600.0),
                    "eventsMaxBytes": (size(MIN_QUEUE_BYTES), 500 * 2**20),
                    "kubernetesEventsMaxLifetime": (duration(least=1.0), 3600.0),
                }
            ),
            None,
        ),
        "pusher": (
            Section({"pushTimeout": (duration(least=0.1), 5.0), "batchWait": (duration(zero=True), 0.2)}),
            None,
        ),
        "eventsenders": senders,
    }
)
