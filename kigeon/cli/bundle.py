"""``kigeon support-bundle`` writes one file, without secrets, that can be sent to somebody who is to help."""

from __future__ import annotations

import argparse
import io
import os
import platform
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from http.client import HTTPConnection, HTTPException
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import orjson
import yaml

from kigeon import __version__
from kigeon.cli.asking import as_json, ask
from kigeon.cli.describe import describe
from kigeon.cli.table import paragraph
from kigeon.cli.terminal import look_of
from kigeon.config.settings import Settings
from kigeon.config.source import read_document
from kigeon.errors import OperatorError, StartError
from kigeon.observability.recent import recent_lines
from kigeon.queue.broker.binary import find_binary, version_of
from kigeon.redaction import HIDDEN, hide, is_secret, redact, redact_all, secrets_in

METRICS_TIMEOUT = 5.0
"""Seconds to wait for the metrics."""

MOST_LOG = 256 * 1024
"""Bytes that are taken of one log, from its end."""

NAMES = ("EnvVar", "File")
"""Endings of keys that name the place of a secret, and hold no secret themselves."""

TO_STDOUT = Path("-")

Member = tuple[str, str]
"""A file of the bundle: its name, its text."""


def run_bundle(settings: Settings, arguments: argparse.Namespace) -> int:
    """Write the bundle, say where it is. Raises :class:`OperatorError` when it can't be written."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    output: Path = arguments.output or Path(f"kigeon-support-{moment}.tar.gz")
    document = read_document(arguments.config.read_text("utf-8-sig"), str(arguments.config)).data
    secrets = _secrets(settings, document)
    members = [(name, hide(redact(text), secrets)) for name, text in _members(settings, document, arguments.log)]
    packed = _packed(f"kigeon-support-{moment}", members)
    if output == TO_STDOUT:
        sys.stdout.buffer.write(packed)
        return 0
    try:
        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(packed)
    except OSError as error:
        cure = "name another file with --output, or - for standard output"
        raise OperatorError(f"{output} can't be written: {error.strerror} ({cure})") from error
    held = paragraph("", ", ".join(name for name, _ in members), look_of(sys.stdout), 2)
    sys.stdout.writelines(f"{line}\n" for line in (f"{output} holds", *held))
    return 0


def _secrets(settings: Settings, document: Any) -> list[str]:
    """Return every secret that the configuration holds, or names in the environment, the longest first."""
    named = {os.environ.get(name, "") for name in _variables(document)}
    found = {*secrets_in(document), *(secret for sender in settings.senders for secret in secrets_in(sender.config))}
    return sorted((found | named) - set(_variables(document)) - {""}, key=len, reverse=True)


def _variables(document: Any) -> Iterator[str]:
    if isinstance(document, Mapping):
        for key, value in document.items():
            if str(key).endswith(NAMES) and isinstance(value, str):
                yield value
            else:
                yield from _variables(value)
    elif isinstance(document, list):
        for value in document:
            yield from _variables(value)


def _members(settings: Settings, document: Any, log: Path | None) -> Iterator[Member]:
    yield "about.json", _json(about(settings))
    yield "config.yaml", yaml.safe_dump(redact_all(without_secrets(document)), sort_keys=False, allow_unicode=True)
    yield "check.txt", describe(settings)
    yield "volume.json", _json(_volume(settings.global_.data_dir))
    yield "status.json", _status(settings)
    if settings.http.listen:
        yield "metrics.txt", _served(settings.http.listen, "/metrics")
        yield "health.txt", _served(settings.http.listen, "/readyz?verbose")
    yield from _logs(settings, log)


def about(settings: Settings) -> dict[str, Any]:
    """Return the versions of kigeon, of what it runs on, and of the hooks."""
    scripts = {sender.name: _digest(sender.hook.script) for sender in settings.senders if sender.hook is not None}
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "kigeon": __version__,
        "python": sys.version,
        "platform": platform.platform(),
        "user": os.geteuid(),
        "inCluster": "KUBERNETES_SERVICE_HOST" in os.environ,
        "packages": dict(_packages()),
        "natsServer": _nats_server(),
        "hooks": scripts,
    }


def _packages() -> Iterator[tuple[str, str]]:
    """Yield the version of each package that kigeon is declared to need."""
    for requirement in requires("kigeon") or ():
        name, _, condition = requirement.partition(";")
        if "extra" not in condition:
            name = name.split()[0].split("<")[0].split(">")[0].split("=")[0].split("!")[0]
            try:
                yield name, version(name)
            except PackageNotFoundError:
                yield name, "not there"


def _nats_server() -> dict[str, str]:
    try:
        binary = find_binary()
    except StartError as error:
        return {"error": str(error)}
    return {"path": str(binary), "version": ".".join(map(str, version_of(binary)))}


def _digest(script: Path) -> str:
    try:
        return sha256(script.read_bytes()).hexdigest()
    except OSError as error:
        return f"it can't be read: {error.strerror}"


def without_secrets(config: Any, secret: bool = False) -> Any:
    """Return *config* with every value hidden that is under a key with a secret's name."""
    if isinstance(config, Mapping):
        return {
            key: without_secrets(value, not str(key).endswith(NAMES) and (secret or is_secret(str(key))))
            for key, value in config.items()
        }
    if isinstance(config, list):
        return [without_secrets(value, secret) for value in config]
    return HIDDEN if secret and config is not None else config


def _volume(data_dir: Path) -> dict[str, Any]:
    if not data_dir.is_dir():
        return {"error": "there is no such directory"}
    room = os.statvfs(data_dir)
    files = {str(path.relative_to(data_dir)): _size(path) for path in sorted(data_dir.rglob("*")) if path.is_file()}
    return {"freeBytes": room.f_bavail * room.f_frsize, "freeInodes": room.f_favail, "files": files}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _status(settings: Settings) -> str:
    try:
        return "".join(as_json(ask(settings.global_.data_dir, {"command": "status"}, lambda text: None)))
    except OperatorError as error:
        return _json({"error": str(error)})


def _served(listen: str, path: str) -> str:
    """Return what a running kigeon serves at *path*, or why it does not."""
    address = listen if not listen.startswith(":") else f"127.0.0.1{listen}"
    connection = HTTPConnection(address, timeout=METRICS_TIMEOUT)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return f"# {answer.status} {path}\n{answer.read().decode('utf-8', 'replace')}"
    except (OSError, HTTPException, ValueError) as error:
        return f"# {path} at {address}: {error}\n"
    finally:
        connection.close()


def _logs(settings: Settings, log: Path | None) -> Iterator[Member]:
    if log is None:
        for actor, lines in recent_lines(settings.global_.data_dir):
            yield f"log/{actor}.log", _last(lines)
        return
    try:
        yield "log/kigeon.log", _last(log.read_bytes())
    except OSError as error:
        raise OperatorError(f"{log} can't be read: {error.strerror}") from error


def _last(lines: bytes) -> str:
    """Return the last whole lines."""
    kept = lines[-MOST_LOG:]
    return (kept if len(kept) == len(lines) else kept.partition(b"\n")[2]).decode("utf-8", "replace")


def _packed(folder: str, members: Sequence[Member]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in members:
            data = text.encode()
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size, member.mtime, member.mode = len(data), int(time.time()), 0o600
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
