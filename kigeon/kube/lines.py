"""What the API server sends, as bytes: watch lines and list pages, read without a model that could reject them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from kigeon.errors import KubernetesError, UnreadableEvent, shorten

MAX_LINE_BYTES = 8 * 1024 * 1024
"""A longer line is skipped: etcd holds no object of even half that size."""

MOST_LEVELS = 254
"""What is nested more deeply can be read but not written again: orjson's limit."""

_VERSION = re.compile(r"[!-~]{1,256}")
"""What a version may look like, so that it can stand in a query and in a header: the API calls it opaque."""

_TYPES = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"})
_PREFIXES = tuple((kind, f'{{"type":"{kind}","object":'.encode()) for kind in ("ADDED", "MODIFIED", "DELETED"))


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One line of a watch: ``type`` ADDED, MODIFIED, DELETED, BOOKMARK or ERROR, the object, and its own bytes."""

    type: str
    object: dict[str, Any]
    raw: bytes

    @property
    def resource_version(self) -> str:
        """The version that the watch has reached with it, "" where it tells none."""
        return resource_version_of(self.object)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: the objects with their own bytes, and where the list goes on ("": it is the last page)."""

    resource_version: str
    continue_token: str
    items: list[tuple[dict[str, Any], bytes]] = field(default_factory=list)
    unreadable: int = 0


class LineSplitter:
    """Cuts a stream of bytes into lines, at newlines alone. A line that grows too long is dropped and counted."""

    def __init__(self, most: int = MAX_LINE_BYTES) -> None:
        self._most = most
        self._begun = bytearray()
        self._dropping = False
        self.too_long = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that *data* completes; blank ones are none."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = bytes(self._begun) + lines[0]
            self._begun = bytearray()
            if self._dropping:
                del lines[0]
                self._dropping = False
        if rest and not self._dropping:
            self._begun += rest
            if len(self._begun) > self._most:
                self._begun, self._dropping = bytearray(), True
                self.too_long += 1
        fitting = [line for line in lines if len(line) <= self._most]
        self.too_long += len(lines) - len(fitting)
        return [line for line in fitting if line.strip()]


def parse_line(line: bytes) -> WatchEvent:
    """Read one line of a watch; :class:`UnreadableEvent` says what is wrong with it.

    The object's own bytes are cut out of the line where it has the form in which Go writes it.
    """
    for kind, prefix in _PREFIXES:
        if line.startswith(prefix) and line.endswith(b"}"):
            raw = line[len(prefix) : -1]
            obj = _object(raw)
            if obj is not None and isinstance(obj.get("metadata"), dict) and not _is_too_deep(obj, raw):
                return WatchEvent(kind, obj, raw)
    return _parse_any(line)


def _parse_any(line: bytes) -> WatchEvent:
    found = _object(line)
    kind, obj = (found.get("type"), found.get("object")) if found else (None, None)
    if not isinstance(kind, str) or not isinstance(obj, dict):
        raise UnreadableEvent(f"no line of a watch: {shorten(line, 200)}")
    if kind not in _TYPES:
        raise UnreadableEvent(f"a line of a type that nobody knows: {shorten(line, 200)}")
    if kind != "ERROR" and not isinstance(obj.get("metadata"), dict):
        raise UnreadableEvent(f"an object without metadata: {shorten(line, 200)}")
    raw = _bytes(obj)
    if raw is None:
        raise UnreadableEvent(f"an object that is nested too deeply: {shorten(line, 200)}")
    return WatchEvent(kind, obj, raw)


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _bytes(obj: dict[str, Any]) -> bytes | None:
    """Return *obj* as JSON; None when it is nested so deeply that it can be read but not written."""
    try:
        return orjson.dumps(obj)
    except orjson.JSONEncodeError:
        return None


def _is_too_deep(obj: dict[str, Any], raw: bytes) -> bool:
    """Return whether *obj* can't be written again; counting brackets tells that of nearly all of them."""
    return raw.count(b"{") + raw.count(b"[") > MOST_LEVELS and _bytes(obj) is None


def parse_page(body: bytes) -> Page:
    """Read a page of a list; :class:`KubernetesError` when it is none."""
    try:
        found = orjson.loads(body)
        metadata, items = found["metadata"], found.get("items") or []
        version, token = metadata["resourceVersion"], metadata.get("continue") or ""
        objects = [(item, raw) for item in items if isinstance(item, dict) and (raw := _bytes(item)) is not None]
        objects = [(item, raw) for item, raw in objects if len(raw) <= MAX_LINE_BYTES]
        if not isinstance(version, str) or not isinstance(token, str):
            raise TypeError("its metadata are of the wrong types")
        if not _VERSION.fullmatch(version):
            raise TypeError("it has no version to watch from")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise KubernetesError(f"the API server's list can't be read ({error!r}): {shorten(body, 200)}") from error
    return Page(version, token, objects, len(items) - len(objects))


def continue_token_of(body: bytes) -> str:
    """Return where a Status says that a list may be gone on with, "" for nowhere.

    What is listed from there on is newer than what was listed before.
    """
    metadata = (_object(body) or {}).get("metadata")
    token = metadata.get("continue") if isinstance(metadata, dict) else None
    return token if isinstance(token, str) else ""


def resource_version_of(obj: dict[str, Any]) -> str:
    """Return metadata.resourceVersion of *obj*, "" where there is none that can be watched from."""
    metadata = obj.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return version if isinstance(version, str) and _VERSION.fullmatch(version) else ""
