"""Parses the API server's watch lines and list pages, without a model that could reject an object."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from kigeon.errors import KubernetesError, UnreadableEvent, shorten

MAX_LINE_BYTES = 8 * 1024 * 1024
"""Bytes of a line; a longer one is skipped, since etcd holds no object of even half that size."""

MOST_LEVELS = 254
"""Levels of nesting; orjson can read an object that is nested more deeply, but not write it again."""

_VERSION = re.compile(r"[!-~]{1,256}")
"""The characters of a version that can stand in a query and in a header; the API calls a version opaque."""

_TYPES = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"})
_PREFIXES = tuple((kind, f'{{"type":"{kind}","object":'.encode()) for kind in ("ADDED", "MODIFIED", "DELETED"))


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One line of a watch, the object with its raw JSON; ``type`` is ADDED, MODIFIED, DELETED, BOOKMARK or ERROR."""

    type: str
    object: dict[str, Any]
    raw: bytes

    @property
    def resource_version(self) -> str:
        """The version that the watch has reached with this line; "" where the line has none."""
        return resource_version_of(self.object)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list, the objects with their raw JSON; the ``continue_token`` is "" on the last page."""

    resource_version: str
    continue_token: str
    items: list[tuple[dict[str, Any], bytes]] = field(default_factory=list)
    unreadable: int = 0


class LineSplitter:
    """Cuts a stream of bytes into lines, at newlines alone; a line that grows too long is dropped and counted."""

    def __init__(self, most: int = MAX_LINE_BYTES) -> None:
        self._most = most
        self._begun = bytearray()
        self._dropping = False
        self.too_long = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that *data* completes, without blank ones."""
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
    """Parse one line of a watch; raises :class:`UnreadableEvent`, which says what is wrong with the line.

    The object's raw JSON is cut out of the line where the line has the form in which Go writes one.
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
        raise UnreadableEvent(f"not a line of a watch: {shorten(line, 200)}")
    if kind not in _TYPES:
        raise UnreadableEvent(f"a line of an unknown type: {shorten(line, 200)}")
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
    """Return *obj* as JSON; None when *obj* is nested too deeply to be written."""
    try:
        return orjson.dumps(obj)
    except orjson.JSONEncodeError:
        return None


def _is_too_deep(obj: dict[str, Any], raw: bytes) -> bool:
    """Return whether *obj* can't be written again; counting brackets decides that for nearly all objects."""
    return raw.count(b"{") + raw.count(b"[") > MOST_LEVELS and _bytes(obj) is None


def parse_page(body: bytes) -> Page:
    """Parse a page of a list; raises :class:`KubernetesError` when *body* is not one."""
    try:
        found = orjson.loads(body)
        metadata, items = found["metadata"], found.get("items") or []
        return page_of(metadata, [written_again(item) for item in items])
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise unreadable_page(body, error) from error


def unreadable_page(body: bytes, error: Exception) -> KubernetesError:
    """Return the error that says why *body* is not a page."""
    return KubernetesError(f"the API server's list can't be read ({error!r}): {shorten(body, 200)}")


def page_of(metadata: dict[str, Any], items: Sequence[tuple[dict[str, Any], bytes] | None]) -> Page:
    """Return the page with these *metadata*; an item that could not be read is None.

    Raises what reading of the wrong types raises: KeyError, TypeError, AttributeError.
    """
    version, token = metadata["resourceVersion"], metadata.get("continue") or ""
    if not isinstance(version, str) or not isinstance(token, str):
        raise TypeError("its metadata are of the wrong types")
    if not _VERSION.fullmatch(version):
        raise TypeError("it has no version to watch from")
    objects = [item for item in items if item is not None]
    return Page(version, token, objects, len(items) - len(objects))


def written_again(item: Any) -> tuple[dict[str, Any], bytes] | None:
    """Return an *item* with its JSON; None where it is no object, nested too deeply, or too long."""
    raw = _bytes(item) if isinstance(item, dict) else None
    return (item, raw) if raw is not None and len(raw) <= MAX_LINE_BYTES else None


def continue_token_of(body: bytes) -> str:
    """Return the continue token of a Status with which an expired list may go on; "" where there is none.

    Pages from that token on are newer than the pages before.
    """
    metadata = (_object(body) or {}).get("metadata")
    token = metadata.get("continue") if isinstance(metadata, dict) else None
    return token if isinstance(token, str) else ""


def resource_version_of(obj: dict[str, Any]) -> str:
    """Return metadata.resourceVersion of *obj*, or "" where it has none that a watch can begin from."""
    metadata = obj.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return version if isinstance(version, str) and _VERSION.fullmatch(version) else ""
