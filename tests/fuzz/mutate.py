"""Damage, from a seed: bytes are flipped, cut and doubled; values in JSON are swapped for what nobody expects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

HOSTILE = (
    *(b"null", b"true", b"false", b"0", b"-0", b"-1", b"7", b"1.5", b"-0.0", b"1e5", b"1e300", b"1e-400", b"1e400"),
    *(b"NaN", b"Infinity", b"-Infinity", b"01", b"+1", b"0x10", b"1_000", b"9223372036854775807", b"1e999999999"),
    *(b"9223372036854775808", b"-9223372036854775809", b"18446744073709551615", b"18446744073709551616"),
    *(b"9" * 19, b"9" * 30, b"9" * 400, b"9" * 5000, b"-" + b"9" * 5000, b"[]", b"{}", b"[{}]", b'{"":{}}', b"[[],[]]"),
    *(b'""', b'" "', b'"\\u0000"', b'"\\n"', b'"\\r\\nX: y"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\ud83d\\ude00"'),
    *(b'"\\ufeff"', b'"\\u2028"', b'"\\u202e"', b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"a\x00b"', b'"\\ufffd"'),
    *(b'"\xf0\x9f\x90\xb3"', b'"0"', b'"-1"', b'"7"', b'"true"', b'"null"', b'"NaN"', b'"\\u0663"', b'"\\u00b2"'),
    *(b'"0001-01-01T00:00:00Z"', b'"1969-12-31T23:59:59Z"', b'"9999-12-31T23:59:59Z"', b'"2026-02-30T10:00:00Z"'),
    *(b'"9999-12-31T23:59:59.999999999-23:59"', b'"0001-01-01T00:00:00+23:59"', b'"2026-01-01T00:00:60Z"'),
    *(b'"2026-01-01T00:00:00+99:99"', b'"2026-01-01t00:00:00.1234567890123456789z"', b'"yesterday"', b'".."', b'"a/b"'),
    *(b'"' + b"x" * 3000 + b'"', b'"' + "\u00e9".encode() * 2048 + b'"', b'"' + b"<&>" * 2000 + b'"'),
)
"""Values as they stand in a text of JSON, or can't."""

DEPTHS = (3, 50, 120, 200, 253, 254, 255, 260, 500, 900, 980, 1000, 1015, 1023, 1030, 5000)


class Mutator:
    """Damages bytes and JSON; the same seed does the same."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self._ways: tuple[Callable[[bytearray, int, int], None], ...] = (_flip, _replace, _delete, _insert, _double)

    def damaged(self, data: bytes, most: int = 3) -> bytes:
        """Return *data* damaged in one to *most* places; never with a newline that was not there."""
        found = bytearray(data)
        for _ in range(self.random.randint(1, most)):
            self.random.choice(self._ways)(found, self.random.randrange(len(found) + 1), self.random.getrandbits(24))
        if self.random.random() < 0.1:
            del found[self.random.randrange(len(found) + 1) :]
        return bytes(found) if b"\n" in data else bytes(found).replace(b"\n", b" ")

    def value(self) -> bytes:
        """Return a hostile value as JSON, or as what only looks like it."""
        chance = self.random.random()
        if chance < 0.08:
            return deep(self.random.choice(DEPTHS), self.random.random() < 0.5)
        if chance < 0.09:
            return b'"%s"' % (b"y" * self.random.randrange(300_000))
        return self.random.choice(HOSTILE)

    def json(self, document: Any, most: int = 3) -> bytes:
        """Return *document* as JSON in which one to *most* values are swapped, removed, doubled or moved."""
        marked = json.loads(json.dumps(document))
        swapped: dict[str, bytes] = {}
        for number in range(self.random.randint(1, most)):
            self._change(marked, f"@{number}@", swapped)
        # Sometimes written as Go does not.
        spaced = self.random.random() < 0.1
        text = json.dumps(marked, ensure_ascii=self.random.random() < 0.5, separators=None if spaced else (",", ":"))
        raw = text.encode("utf-8", "surrogatepass")
        for mark, value in swapped.items():
            raw = raw.replace(b'"%s"' % mark.encode(), value)
        return raw

    def _change(self, document: Any, mark: str, swapped: dict[str, bytes]) -> None:
        places = list(_places(document))
        if not places:
            return
        parent, key = self.random.choice(places)
        chance = self.random.random()
        if chance < 0.6:
            parent[key] = mark
            swapped[mark] = self.value()
        elif chance < 0.75:
            del parent[key]
        elif chance < 0.9:
            other, other_key = self.random.choice(places)
            parent[key] = json.loads(json.dumps(other[other_key]))
        elif isinstance(parent, dict):
            # A key that is there twice.
            doubled = json.dumps(key).encode()
            parent[key] = mark
            swapped[mark] = b"%s,%s:%s" % (self.value(), doubled, self.value())


def deep(levels: int, in_objects: bool = False) -> bytes:
    """Return JSON that is nested so deeply."""
    return b'{"a":' * levels + b"1" + b"}" * levels if in_objects else b"[" * levels + b"]" * levels


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    keys = document if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    for key in keys:
        yield document, key
        yield from _places(document[key])


def _flip(data: bytearray, place: int, dice: int) -> None:
    if place < len(data):
        data[place] ^= 1 << dice % 8


def _replace(data: bytearray, place: int, dice: int) -> None:
    data[place : place + 1] = bytes([dice % 256])


def _delete(data: bytearray, place: int, dice: int) -> None:
    del data[place : place + 1 + dice % 20]


def _insert(data: bytearray, place: int, dice: int) -> None:
    data[place:place] = HOSTILE[dice % len(HOSTILE)]


def _double(data: bytearray, place: int, dice: int) -> None:
    data[place:place] = data[place : place + dice % 200]
