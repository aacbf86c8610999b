"""What ``queue`` may say: how much is kept, and which JetStream keeps it.

``url`` names an external JetStream instead of the embedded server; everything from ``replicas`` to ``tlsConfig`` says
something of that one, and has no meaning without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kigeon.config.settings import ExternalQueue, QueueSettings, QueueTls
from kigeon.config.validators import Section, Wrong, boolean, duration, size, some_text, text

MIN_QUEUE_BYTES = 4 * 1024 * 1024
"""Less might not hold one of the largest batches."""

MOST_REPLICAS = 5
"""What JetStream takes."""

LOGINS = ("credentialsFile", "usernameFile", "passwordFile", "tokenFile")
TLS_FILES = ("caFile", "certFile", "keyFile")

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_EXAMPLE = "for example nats://nats-0.nats:4222,nats://nats-1.nats:4222"


def servers(given: Any) -> tuple[str, ...]:
    """The URLs of servers, comma-separated."""
    found = tuple(part.strip() for part in text(given).split(","))
    for url in found:
        _check_url(url)
    if len({urlsplit(url).scheme for url in found}) > 1:
        raise Wrong("mixes nats:// and tls://", "begin each server with tls://, or each with nats://")
    return found


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        parts, has_port = urlsplit(""), False
    if "@" in url:
        # It would be shown wherever the address is. What stands before the @ is not repeated: it may be a password.
        cure = "put them into queue.usernameFile and queue.passwordFile, queue.tokenFile or queue.credentialsFile"
        raise Wrong("must hold no credentials", cure)
    if parts.scheme not in ("nats", "tls") or not parts.hostname or not has_port:
        raise Wrong("must be servers as nats://host:port or tls://host:port, separated by commas", _EXAMPLE)
    if parts.path or parts.query or parts.fragment:
        raise Wrong("a server has no path", _EXAMPLE)


def replicas(given: Any) -> int:
    """How many servers hold each stream."""
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MOST_REPLICAS or given % 2 == 0:
        raise Wrong("must be 1, 3 or 5", "3 outlive the loss of one server; 2 or 4 outlive no more than 1 or 3")
    return given


def queue_name(given: Any) -> str:
    """The beginning of the names of streams, the bucket and subjects.

    The streams of no other name have the same names: ``a-retry`` could own the stream ``a-retry-events``, which is the
    retry stream of the sender ``events`` of ``a``.
    """
    if not _NAME.fullmatch(text(given)):
        raise Wrong("must consist of a-z, 0-9 and `-` between them, at most 32 of them", "for example prod-eu")
    if "retry" in given.split("-")[1:]:
        cure = "leave out the word retry"
        raise Wrong("its streams could have the names of another kigeon's retry streams", cure)
    return str(given)


def _tls_together(found: Mapping[str, Any]) -> Iterator[Wrong]:
    for key, other in (("certFile", "keyFile"), ("keyFile", "certFile")):
        if found[key] is not None and found[other] is None:
            yield Wrong(f"has no meaning without {other}", f"name the {other} as well", [key])
    if found["caFile"] is not None and found["insecureSkipVerify"]:
        yield Wrong("has no meaning with insecureSkipVerify", "leave out one of the two", ["caFile"])


_TLS = Section(
    {
        "caFile": (some_text, None),
        "certFile": (some_text, None),
        "keyFile": (some_text, None),
        "insecureSkipVerify": (boolean, False),
    },
    _tls_together,
)


def _together(found: Mapping[str, Any]) -> Iterable[Wrong]:
    if found["url"] is None:
        yield from _without_url(found)
        return
    if found["tlsConfig"] is not None and found["url"][0].startswith("nats://"):
        yield Wrong("has no meaning with nats://", "begin each server of queue.url with tls://", ["tlsConfig"])
    ways = [key for key in ("credentialsFile", "usernameFile", "tokenFile") if found[key] is not None]
    for key in ways[1:]:
        yield Wrong(f"contradicts {ways[0]}", "log in by one of credentialsFile, usernameFile, tokenFile", [key])
    for key, other in (("usernameFile", "passwordFile"), ("passwordFile", "usernameFile")):
        if found[key] is not None and found[other] is None:
            yield Wrong(f"has no meaning without {other}", f"name the {other} as well", [key])


def _without_url(found: Mapping[str, Any]) -> Iterator[Wrong]:
    defaults = {"replicas": 1, "name": "kigeon", "tlsConfig": None, **dict.fromkeys(LOGINS)}
    for key, default in defaults.items():
        if found[key] != default:
            cure = "set queue.url, or leave it out: the embedded server needs none of it"
            yield Wrong("has no meaning without queue.url", cure, [key])


QUEUE = Section(
    {
        "eventsMaxAge": (duration(least=60.0), 24 * 3600.0),
        "eventsMaxBytes": (size(MIN_QUEUE_BYTES), 500 * 2**20),
        "kubernetesEventsMaxLifetime": (duration(least=1.0), 3600.0),
        "url": (servers, None),
        "replicas": (replicas, 1),
        "name": (queue_name, "kigeon"),
        **dict.fromkeys(LOGINS, (some_text, None)),
        "tlsConfig": (_TLS, None),
    },
    _together,
)


def missing_files(given: Mapping[str, Any], folder: Path) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Say which of the files that *given* names can't be read; *given* need not be valid."""
    tls = given.get("tlsConfig")
    named: list[tuple[tuple[str, ...], Any]] = [((key,), given.get(key)) for key in LOGINS]
    named += [(("tlsConfig", key), tls.get(key)) for key in TLS_FILES if isinstance(tls, dict)]
    for path, name in named:
        if isinstance(name, str) and name and (problem := _unreadable(folder / name)):
            yield ("queue", *path), f"{folder / name}: {problem}", "a file's name is relative to this file"


def _unreadable(path: Path) -> str:
    try:
        with path.open("rb"):
            return ""
    except (OSError, ValueError) as error:
        return (error.strerror if isinstance(error, OSError) else None) or "it can't be read"


def queue_settings(found: Mapping[str, Any], folder: Path) -> QueueSettings:
    """Return the settings of what :data:`QUEUE` found, nothing where the file says nothing of it."""
    if not found:
        return QueueSettings()
    return QueueSettings(
        events_max_age=found["eventsMaxAge"],
        events_max_bytes=found["eventsMaxBytes"],
        kubernetes_events_max_lifetime=found["kubernetesEventsMaxLifetime"],
        external=_external(found, folder) if found["url"] is not None else None,
    )


def _external(found: Mapping[str, Any], folder: Path) -> ExternalQueue:
    tls = found["tlsConfig"] or {}
    return ExternalQueue(
        servers=found["url"],
        replicas=found["replicas"],
        name=found["name"],
        credentials_file=_path(folder, found["credentialsFile"]),
        username_file=_path(folder, found["usernameFile"]),
        password_file=_path(folder, found["passwordFile"]),
        token_file=_path(folder, found["tokenFile"]),
        tls=QueueTls(
            _path(folder, tls.get("caFile")),
            _path(folder, tls.get("certFile")),
            _path(folder, tls.get("keyFile")),
            tls.get("insecureSkipVerify", False),
        ),
    )


def _path(folder: Path, name: str | None) -> Path | None:
    return None if name is None else folder / name
