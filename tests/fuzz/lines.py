"""Lines of a watch, by the million: lifelike ones, among them damaged ones of every kind."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Any

from kigeon.standin.story import Storyteller
from tests.fuzz.mutate import Mutator, deep

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TEMPLATES = 400

_ODD_LINES = (
    *(b"", b"  ", b"\r", b"null", b"7", b"[]", b"{}", b'""', b"\x00", b"\xef\xbb\xbf{}", b'{"type":"ADDED"}', b"<a>"),
    *(b'{"type":"ADDED","object":null}', b'{"type":"ADDED","object":{}}', b'{"type":"ADDED","object":{"metadata":[]}}'),
    *(b'{"type":"ADDED","object":{"metadata":{}}}', b'{"type":"MODIFIED","object":{"metadata":{},"metadata":null}}'),
    *(b'{"type":"SYNC","object":{"metadata":{}}}', b'{"type":"added","object":{"metadata":{"uid":"1"}}}'),
    *(b'{"type":7,"object":{"metadata":{}}}', b'{"type":["ADDED"],"object":{"metadata":{}}}', b'{"type":"ERROR"}'),
    *(b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}', b'{"type":"BOOKMARK","object":{}}'),
    *(b'{"type":"DELETED","object":{"metadata":{"uid":"1"}}} ', b'{"type":"DELETED","object":{"metadata":"x"}}'),
    *(b'{"type":"ADDED","object":{"metadata":{"uid":"2"}},"type":"DELETED"}', b'{"kind":"Status","code":410}'),
)

_ERRORS = (
    b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}',
    b'{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcdserver: leader changed"}}',
    b'{"type":"ERROR","object":{}}',
    b'{"type":"ERROR","object":{"code":"410","reason":["Gone"],"details":{"retryAfterSeconds":-3}}}',
    b'{"type":"ERROR","object":{"code":429,"details":{"retryAfterSeconds":1e300}}}',
    b'{"type":"ERROR","object":{"code":true,"message":"%s"}}' % (b"z" * 100_000),
)


class LineMaker:
    """Makes lines; the same seed makes the same."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._mutator = Mutator(random)
        stories = Storyteller(random.randrange(10**6), BEGIN).tell()
        self._events = list(islice(stories, TEMPLATES))
        self._number = 0
        self._lines: list[tuple[bytes, bytes]] = []
        for event in self._events:
            marked = {**event, "metadata": {**event["metadata"], "uid": "@uid@", "resourceVersion": "@version@"}}
            before, after = self._line("MODIFIED" if event.get("count", 1) > 1 else "ADDED", marked).split(b"@uid@")
            self._lines.append((before, after))

    def line(self) -> bytes:
        """Return a line, without its newline."""
        chance = self._random.random()
        if chance < 0.70:
            return self._plain()
        if chance < 0.82:
            return self._mutator.damaged(self._plain())
        if chance < 0.995:
            return self._structural()
        if chance < 0.9999:
            return self._random.choice(_ODD_LINES)
        return self._extreme()

    def error(self) -> bytes:
        """Return a line that ends the watch, or should."""
        found = self._random.choice(_ERRORS)
        return self._mutator.json(json.loads(found)) if self._random.random() < 0.3 else found

    def item(self) -> bytes:
        """Return an item of a list."""
        self._number += 1
        if self._random.random() < 0.05:
            return self._random.choice((b"null", b"7", b'"x"', b"[]", deep(300, in_objects=True)))
        return self._mutator.json(self.event()) if self._random.random() < 0.3 else json.dumps(self.event()).encode()

    def _plain(self) -> bytes:
        """A lifelike line; now and then one whose occurrence was told before."""
        self._number += 1
        number = self._number if self._random.random() < 0.9 else self._random.randrange(self._number)
        before, after = self._lines[number % len(self._lines)]
        uid = b"00000000-0000-4000-8000-%012d" % number
        return before + uid + after.replace(b"@version@", b"%d" % self._number)

    def _structural(self) -> bytes:
        self._number += 1
        kind = self._random.choice(("ADDED", "MODIFIED", "DELETED"))
        if self._random.random() < 0.1:
            return self._mutator.json({"type": kind, "object": self.event()})
        return b'{"type":"%s","object":%s}' % (kind.encode(), self._mutator.json(self.event()))

    def event(self) -> dict[str, Any]:
        """Return an Event; each is another object."""
        event = self._random.choice(self._events)
        uid = f"10000000-0000-4000-8000-{self._number:012d}"
        metadata = {**event["metadata"], "uid": uid, "resourceVersion": str(self._number)}
        return {**event, "metadata": metadata}

    def _extreme(self) -> bytes:
        """Very long: random text that hardly compresses, blanks that do, a thousand labels."""
        size = self._random.choice((300_000, 1_000_000, 2_000_000, 9_000_000))
        message = self._random.randbytes(size // 2).hex() if self._random.random() < 0.5 else " " * size
        self._number += 1
        return self._line("ADDED", {**self.event(), "message": message})

    def _line(self, kind: str, event: dict[str, Any]) -> bytes:
        return b'{"type":"%s","object":%s}' % (kind.encode(), json.dumps(event, separators=(",", ":")).encode())
