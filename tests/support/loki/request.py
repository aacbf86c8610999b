"""From a request to streams, as Loki reads one (pkg/loghttp/push, and dskit's pkg/tenant)."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from tests.support.loki.lines import Labels, Line, Refused, Stream, written_labels
from tests.support.loki.protobuf import read_labels, read_push

SERVICE_NAME = "service_name"
NAMES_OF_A_SERVICE = (
    "service",
    "app",
    "application",
    "app_name",
    "name",
    "app_kubernetes_io_name",
    "container",
    "container_name",
    "k8s_container_name",
    "component",
    "workload",
    "job",
    "k8s_job_name",
)
"""Where a stream has no ``service_name``, the first of these labels that it has becomes that, too."""

LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
TENANT = re.compile(r"[a-zA-Z0-9!\-_.*'()]*")
LONGEST_TENANT = 150


class Malformed(Refused):
    """A body that is no push: whoever made it has a fault."""

    def __init__(self, reason: str) -> None:
        super().__init__(400, reason)


def tenant_of(header: str) -> str:
    """Return the tenant that an X-Scope-OrgID names; :class:`Refused` where Loki takes it for none."""
    tenant, *others = (part.partition(":")[0] for part in header.split("|"))
    odd = next((sign for sign in tenant if not TENANT.fullmatch(sign)), "")
    if odd:
        raise Refused(400, f"tenant ID '{tenant}' contains unsupported character '{odd}'")
    if len(tenant) > LONGEST_TENANT:
        raise Refused(400, f"tenant ID is too long: max {LONGEST_TENANT} characters")
    if tenant in (".", ".."):
        raise Refused(400, "tenant ID is '.' or '..'")
    if any(other != tenant for other in others):
        raise Refused(400, "multiple org IDs present")
    return tenant


def parse(tenant: str, headers: Mapping[str, str], body: bytes) -> list[Stream]:
    """Return the streams of a body; raises :class:`Malformed`, or :class:`Refused` for labels that are none."""
    try:
        return [_stream(tenant, stream["stream"], stream["values"]) for stream in _streams(headers, body)]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OSError) as error:
        raise Malformed(f"couldn't parse push request: {error}") from error


def _streams(headers: Mapping[str, str], body: bytes) -> Iterable[Mapping[str, Any]]:
    """Return the streams as JSON has them; labels of protobuf are a text still."""
    if headers.get("Content-Type") == "application/x-protobuf":
        return read_push(body)
    raw = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
    streams: list[Mapping[str, Any]] = orjson.loads(raw)["streams"]
    return streams


def _stream(tenant: str, given: Mapping[str, str] | str, values: Sequence[Sequence[Any]]) -> Stream:
    labels = _labels(_parsed(given) if isinstance(given, str) else given)
    lines = [Line(tenant, labels, _timestamp(value[0]), value[1], _metadata(value)) for value in values]
    return Stream(labels, written_labels(labels), lines)


def _labels(given: Mapping[str, str]) -> Labels:
    """Return labels as Loki goes by them: sorted, none empty, with a ``service_name``."""
    for name, value in given.items():
        if not LABEL_NAME.fullmatch(name):
            raise Refused(400, f"couldn't parse labels: 1:2: parse error: unexpected character inside braces: {name!r}")
        if "\ufffd" in value:
            raise Refused(400, "couldn't parse labels: 1:2: parse error: invalid UTF-8 rune")
    found = {name: value for name, value in given.items() if value}
    if SERVICE_NAME not in found:
        named = (found[name] for name in NAMES_OF_A_SERVICE if name in found)
        found[SERVICE_NAME] = next(named, "unknown_service")
    return tuple(sorted(found.items()))


@lru_cache(4096)
def _parsed(text: str) -> Mapping[str, str]:
    try:
        return read_labels(text)
    except ValueError as error:
        raise Refused(400, f"couldn't parse labels: {error}") from error


def _timestamp(value: Any) -> int:
    if not isinstance(value, str):
        raise TypeError("a timestamp is a string of nanoseconds")
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError("a timestamp is an integer of 64 bits")
    return number


def _metadata(value: Sequence[Any]) -> tuple[tuple[str, str], ...]:
    if not isinstance(value[1], str):
        raise TypeError("a line is a string")
    metadata = value[2] if len(value) > 2 else {}
    if not all(isinstance(text, str) for text in metadata.values()):
        raise TypeError("structured metadata are strings")
    return tuple(metadata.items())
