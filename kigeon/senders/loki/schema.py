"""The keys of a Loki sender's config, and checks for what Loki would refuse in every line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from kigeon.config.types import ConfigType
from kigeon.config.validators import (
    Key,
    Problems,
    Section,
    Validator,
    Wrong,
    boolean,
    labels,
    one_of,
    refuse,
    some_text,
    text,
)
from kigeon.senders.loki.labels import (
    DEFAULT_EVENT_LABELS,
    DEFAULT_STRUCTURED_METADATA,
    FIELDS,
    Labels,
    wrong_together,
    wrong_with_metadata,
    wrong_with_stream_label,
    wrong_with_tenant,
)
from kigeon.senders.loki.settings import ENCODINGS, PROTOBUF, BasicAuth, LokiSettings


def tenant(given: Any) -> str:
    """A tenant ID that Loki accepts for pushes."""
    message, cure = wrong_with_tenant(some_text(given))
    if message:
        raise Wrong(message, cure)
    return str(given)


def url(given: Any) -> str:
    """A base URL: scheme, host, perhaps a port, and nothing else."""
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


def label_fields(name: Callable[[str], str]) -> Validator:
    """A list of the event's fields, or a mapping of names to fields; *name* returns what is wrong with a name."""

    def validate(given: Any) -> Labels:
        if not isinstance(given, (list, tuple, dict)):
            raise Wrong("must be a list of fields, or a mapping of names to fields", f"known: {', '.join(FIELDS)}")
        wrong: list[Wrong] = []
        for place, field in given.items() if isinstance(given, dict) else enumerate(given):
            # An unknown field of a list is one problem: its name as a label is not checked as well.
            if isinstance(given, dict) and (problem := name(str(place))):
                wrong.append(Wrong(problem, path=[place]))
            if field not in tuple(FIELDS):
                wrong.append(Wrong("is no field of an event", _fields_like(field), [place]))
        refuse(wrong)
        found = given if isinstance(given, dict) else {field: field for field in given}
        return tuple(found.items())

    return validate


def _fields_like(field: Any) -> str:
    close = get_close_matches(field, FIELDS, n=1) if isinstance(field, str) else []
    return f"did you mean `{close[0]}`?" if close else f"known: {', '.join(FIELDS)}"


stream_labels = labels(
    wrong_with_stream_label, lambda value: 0 < len(value.encode()) <= 2048 and "\ufffd" not in value, "a stream label"
)

BASIC_AUTH = Section(
    {
        "username": (text, None),
        "password": (text, None),
        "usernameEnvVar": (some_text, None),
        "passwordEnvVar": (some_text, None),
    }
)

KEYS: Mapping[str, Key] = {
    "url": url,
    "tenantID": (tenant, None),
    "streamLabels": (stream_labels, {}),
    "basicAuth": (BASIC_AUTH, None),
    "tlsConfig": (Section({"insecureSkipVerify": (boolean, False)}), {"insecureSkipVerify": False}),
    "eventLabels": (label_fields(wrong_with_stream_label), DEFAULT_EVENT_LABELS),
    "structuredMetadata": (label_fields(wrong_with_metadata), DEFAULT_STRUCTURED_METADATA),
    "encoding": (one_of(*ENCODINGS), PROTOBUF),
}


CREDENTIALS = ("username", "password")


class LokiConfig(ConfigType):
    """The config of a sender of type ``loki``."""

    def together(self, found: Mapping[str, Any]) -> Iterable[Wrong]:
        """Return what Loki would refuse in every line, for any event."""
        told = wrong_together(found["streamLabels"], found["eventLabels"], found["structuredMetadata"])
        return [Wrong(message, cure, [key]) for key, message, cure in told]

    def missing(
        self, given: Mapping[str, Any], environ: Mapping[str, str]
    ) -> Iterator[tuple[tuple[str, ...], str, str]]:
        """Yield a problem for each environment variable of a credential that is not set."""
        auth = given.get("basicAuth")
        if not isinstance(auth, dict):
            return
        for key in CREDENTIALS:
            variable = auth.get(f"{key}EnvVar")
            if key not in auth and variable and isinstance(variable, str) and variable not in environ:
                message = f"the environment variable {variable} is not set"
                yield ("basicAuth", f"{key}EnvVar"), message, "set it, or name another"

    def resolved(self, found: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:
        """Resolve credentials. A direct value takes precedence over a named variable, which is not read then."""
        if found["basicAuth"] is None:
            return found
        auth = dict(found["basicAuth"])
        for key in CREDENTIALS:
            variable = auth[f"{key}EnvVar"]
            if auth[key] is None and variable is not None:
                auth[key] = environ[variable]
        return {**found, "basicAuth": auth}

    def for_file_alone(self, found: Mapping[str, Any]) -> Problems:
        """Return a problem for each environment variable: these are not read for a hook."""
        auth = found["basicAuth"] or {}
        named = [f"{key}EnvVar" for key in CREDENTIALS if auth.get(f"{key}EnvVar") is not None]
        return [(("basicAuth", key), "is for the file alone", "return the value itself") for key in named]

    def settings(self, found: Mapping[str, Any]) -> LokiSettings:
        """Return the settings of a valid config."""
        return LokiSettings(
            found["url"],
            found["tenantID"],
            found["streamLabels"],
            _auth(found["basicAuth"]),
            found["tlsConfig"]["insecureSkipVerify"],
            found["eventLabels"],
            found["structuredMetadata"],
            found["encoding"],
        )

    def shown(self, raw: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
        """Return *raw* with the credentials themselves instead of their variables."""
        auth = _auth(found["basicAuth"])
        if auth is None or not raw.get("basicAuth"):
            return dict(raw)
        return {**raw, "basicAuth": {"username": auth.username, "password": auth.password}}


def _auth(found: Mapping[str, Any] | None) -> BasicAuth | None:
    if found is None or (found["username"] is None and found["password"] is None):
        return None
    return BasicAuth(found["username"] or "", found["password"] or "")
