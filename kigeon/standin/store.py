"""What the stand-in API server holds: objects by collection, one resourceVersion for all, and a history to watch."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Condition
from typing import Any
from uuid import uuid4

import orjson

Key = tuple[str, str]
"""Namespace ("" for what has none) and name."""


@dataclass(slots=True)
class Stored:
    """An object, and its bytes as an item of a list, which has no kind and apiVersion."""

    object: dict[str, Any]
    item: bytes
    version: int


@dataclass(slots=True)
class Collection:
    """The objects of one kind, and their history as lines of a watch in the order of versions."""

    kind: str
    objects: dict[Key, Stored] = field(default_factory=dict)
    versions: list[int] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    floor: int = 0
    """The lowest version from which a watch can still begin."""

    def keys(self, namespace: str = "", name: str = "") -> list[Key]:
        """Return the sorted keys with this namespace and name; "" matches all."""
        if namespace and name:
            return [(namespace, name)] if (namespace, name) in self.objects else []
        return [key for key in sorted(self.objects) if key[0] == (namespace or key[0]) and key[1] == (name or key[1])]

    def line(self, event: str, stored: Stored) -> bytes:
        """Return a line of a watch, in the form in which Go writes it."""
        head = f'{{"type":"{event}","object":{{"kind":"{self.kind}","apiVersion":"v1",'.encode()
        return head + stored.item[1:] + b"}\n"

    def record(self, version: int, line: bytes) -> None:
        """Add a *line* to the history."""
        self.versions.append(version)
        self.lines.append(line)


Snapshot = tuple[int, list[tuple[Key, bytes]]]
"""A version, and the objects at that version in the order of keys."""


class Gone(Exception):
    """The version or the token has expired; ``token`` continues the list in a newer state."""

    def __init__(self, token: str = "") -> None:
        self.token = token
        super().__init__(token)


class Store:
    """All objects. Thread-safe; ``changed`` is notified when a watch may have to react."""

    def __init__(self, first_version: int = 1000) -> None:
        self.changed = Condition()
        self.collections = {
            "events": Collection("Event"),
            "namespaces": Collection("Namespace"),
            "pods": Collection("Pod"),
        }
        self.version = first_version
        self._snapshots: dict[str, Snapshot] = {}
        self._begins: dict[str, Key] = {}
        """Where the page of each token begins, kept after its snapshot is forgotten."""
        self._tokens = itertools.count(1)

    def put(self, name: str, objects: Iterable[Mapping[str, Any]]) -> None:
        """Create or replace *objects*; a uid and creationTimestamp are made where the metadata lack them."""
        with self.changed:
            collection = self.collections[name]
            for given in objects:
                metadata = dict(given.get("metadata", {}))
                key = (metadata.get("namespace", ""), metadata["name"])
                before = collection.objects.get(key)
                if before is not None:
                    metadata.setdefault("uid", before.object["metadata"]["uid"])
                    metadata.setdefault("creationTimestamp", before.object["metadata"]["creationTimestamp"])
                metadata.setdefault("uid", str(uuid4()))
                metadata.setdefault("creationTimestamp", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
                stored = self.stored({**given, "metadata": metadata})
                collection.objects[key] = stored
                collection.record(stored.version, collection.line("MODIFIED" if before else "ADDED", stored))
            self.changed.notify_all()

    def delete(self, name: str, keys: Iterable[Key]) -> None:
        """Delete objects; a missing object is no error."""
        with self.changed:
            collection = self.collections[name]
            for key in keys:
                before = collection.objects.pop(key, None)
                if before is not None:
                    stored = self.stored(before.object)
                    collection.record(stored.version, collection.line("DELETED", stored))
            self.changed.notify_all()

    def keys(self, name: str) -> list[Key]:
        """Return the keys of a collection."""
        with self.changed:
            return list(self.collections[name].objects)

    def get(self, name: str, key: Key) -> bytes | None:
        """Return an object as a GET returns it; None when there is none."""
        with self.changed:
            collection = self.collections[name]
            stored = collection.objects.get(key)
            if stored is None:
                return None
            return f'{{"kind":"{collection.kind}","apiVersion":"v1",'.encode() + stored.item[1:]

    def list(self, name: str, limit: int, token: str, only: str = "", namespace: str = "") -> bytes:
        """Return a page of a list whose pages are one snapshot; :class:`Gone` when *token* has expired.

        *only* is the name of the one object that is asked for; *namespace* restricts the list to one namespace.
        """
        with self.changed:
            collection, version = self.collections[name], self.version
            if token:
                version, items = self._go_on(collection, token)
            elif limit == 1 and not only:
                items = [(key, stored.item) for key, stored in itertools.islice(collection.objects.items(), 2)]
            else:
                items = [(key, collection.objects[key].item) for key in collection.keys(namespace, only)]
            page, rest = (items[:limit], items[limit:]) if limit else (items, [])
            metadata: dict[str, Any] = {"resourceVersion": str(version)}
            if rest:
                metadata |= {"continue": str(next(self._tokens)), "remainingItemCount": len(rest)}
                self._snapshots[metadata["continue"]] = (version, rest)
                self._begins[metadata["continue"]] = rest[0][0]
            head = orjson.dumps({"kind": f"{collection.kind}List", "apiVersion": "v1", "metadata": metadata})
            return head[:-1] + b',"items":[' + b",".join(item for _, item in page) + b"]}"

    def _go_on(self, collection: Collection, token: str) -> Snapshot:
        if token in self._snapshots:
            return self._snapshots.pop(token)
        begin = self._begins.pop(token.removeprefix("now-"), None)
        if begin is None:
            raise Gone
        if not token.startswith("now-"):
            self._begins[token] = begin
            raise Gone(f"now-{token}")
        return self.version, [(key, collection.objects[key].item) for key in sorted(collection.objects) if key >= begin]

    def begin_watch(self, name: str, version: int) -> int:
        """Return the place in the history after *version*; :class:`Gone` when that place is forgotten."""
        with self.changed:
            collection = self.collections[name]
            if version < collection.floor:
                raise Gone
            return bisect_right(collection.versions, version)

    def expire_history(self) -> None:
        """Forget the history until now: a watch from an earlier version gets 410."""
        with self.changed:
            for collection in self.collections.values():
                collection.floor = self.version
            self.changed.notify_all()

    def expire_tokens(self, for_good: bool = False) -> None:
        """Forget every list that has further pages; unless *for_good*, a newer state can continue them."""
        with self.changed:
            self._snapshots.clear()
            if for_good:
                self._begins.clear()

    def restore(self, version: int) -> None:
        """Go back to *version*, as etcd does when a backup is restored: the same objects, lower versions."""
        with self.changed:
            self.version = version
            for collection in self.collections.values():
                collection.objects = {key: self.stored(old.object) for key, old in collection.objects.items()}
                collection.versions.clear()
                collection.lines.clear()
                collection.floor = 0
            self.changed.notify_all()

    def stored(self, given: Mapping[str, Any]) -> Stored:
        """Return *given* as it is stored, with a version of its own; the caller holds ``changed``."""
        self.version += 1
        metadata = {**given["metadata"], "resourceVersion": str(self.version)}
        obj = {
            **{key: value for key, value in given.items() if key not in ("kind", "apiVersion")},
            "metadata": metadata,
        }
        return Stored(obj, orjson.dumps(obj), self.version)
