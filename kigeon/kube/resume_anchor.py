"""Resume anchors are the objects that were seen last; one that is unchanged proves that etcd was not restored.

An etcd that was restored from a backup has lost all writes after the backup, and gives the lost versions out again.
Once the restored etcd has passed the version that a watch is to be resumed from, the version alone proves nothing. But
the object that was seen last is then missing, or has another version.
"""

from __future__ import annotations

import heapq
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

KEPT = 16

_WORD = re.compile(r"[A-Za-z0-9._:-]{1,253}")


class ResumeAnchor(NamedTuple):
    """An object as it was seen; ``namespace`` is "" for an object of the whole cluster."""

    namespace: str
    name: str
    uid: str
    version: str

    def is_there(self, objects: Iterable[Mapping[str, Any]]) -> bool:
        """Return whether the anchored object is among *objects*, unchanged."""
        return any(anchor_of(found) == self for found in objects)


def anchor_of(obj: Mapping[str, Any]) -> ResumeAnchor | None:
    """Return *obj* as an anchor; None where its name, uid or version is missing or malformed."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        return None
    words = [metadata.get(key) or "" for key in ("namespace", "name", "uid", "resourceVersion")]
    if not isinstance(words[0], str) or not all(map(_is_word, words[1:])) or (words[0] and not _is_word(words[0])):
        return None
    return ResumeAnchor(*words)


def _is_word(text: Any) -> bool:
    """Return whether *text* may stand in a path, a field selector and a checkpoint, as all Kubernetes names may."""
    return isinstance(text, str) and bool(_WORD.fullmatch(text)) and text not in (".", "..")


def write_anchor(anchor: ResumeAnchor | None) -> str:
    """Return *anchor* as text without a blank; "" for none."""
    return "/".join(anchor) if anchor is not None else ""


def read_anchor(text: str) -> ResumeAnchor | None:
    """Read the text that :func:`write_anchor` wrote; None where *text* is malformed."""
    words = text.split("/")
    return (
        ResumeAnchor(*words) if len(words) == 4 and all(map(_is_word, filter(None, words))) and all(words[1:]) else None
    )


def question_for(anchor: ResumeAnchor | None, path: str) -> tuple[str, dict[str, str]]:
    """Return path and query that list *anchor* alone, of the resource at *path*; without one, the first object."""
    if anchor is None:
        return path, {"limit": "1"}
    if anchor.namespace:
        folder, _, plural = path.rpartition("/")
        path = f"{folder}/namespaces/{anchor.namespace}/{plural}"
    return path, {"limit": "1", "fieldSelector": f"metadata.name={anchor.name}"}


class ResumeAnchors:
    """The last objects that were seen and not deleted; the API server is asked for the latest."""

    def __init__(self, first: ResumeAnchor | None = None) -> None:
        self._seen: OrderedDict[tuple[str, str], ResumeAnchor] = OrderedDict()
        if first is not None:
            self._add(first)

    @property
    def latest(self) -> ResumeAnchor | None:
        """The object that was seen last."""
        return next(reversed(self._seen.values()), None)

    def clear(self) -> None:
        """Forget all anchors, because a list begins."""
        self._seen.clear()

    def listed(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """Note a page of a list; the objects with the highest versions of all pages are kept."""
        # A page has hundreds of objects: they are sorted by version first, and only the few to keep become anchors.
        highest = heapq.nlargest(KEPT, self._worth_keeping(objects), key=_version_order)
        known = [*self._seen.values(), *(anchor for obj in highest if (anchor := anchor_of(obj)))]
        self._seen.clear()
        for anchor in reversed(heapq.nlargest(KEPT, known, key=_order)):
            self._add(anchor)

    def _worth_keeping(self, objects: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
        """Return the *objects* with higher versions than the lowest anchor; most pages have none."""
        if len(self._seen) < KEPT:
            return objects
        length, version = min(map(_order, self._seen.values()))
        return [obj for obj in objects if _version_order(obj) > (length, version)]

    def changed(self, objects: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Note lines of a watch, given as pairs of type and object."""
        lines = list(objects)
        for index, (kind, obj) in enumerate(lines):
            if kind != "DELETED" and index < len(lines) - KEPT:
                continue
            anchor = anchor_of(obj)
            if anchor is not None and kind == "DELETED":
                self._seen.pop((anchor.namespace, anchor.name), None)
            elif anchor is not None and kind in ("ADDED", "MODIFIED"):
                self._add(anchor)

    def _add(self, anchor: ResumeAnchor) -> None:
        key = (anchor.namespace, anchor.name)
        self._seen[key] = anchor
        self._seen.move_to_end(key)
        if len(self._seen) > KEPT:
            self._seen.popitem(last=False)


def _version_order(obj: Mapping[str, Any]) -> tuple[int, str]:
    metadata = obj.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return (len(version), version) if isinstance(version, str) else (0, "")


def _order(anchor: ResumeAnchor) -> tuple[int, str]:
    version = anchor.version.lstrip("0")
    return len(version), version
