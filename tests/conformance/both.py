"""A real Loki and the stand-in side by side: each push goes to both, and both are to say and to hold the same."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import requests

from kigeon.senders.loki.settings import JSON
from tests.conformance.loki import RealLoki
from tests.support.loki import Loki
from tests.support.loki.protobuf import write_push

MEBI = 1024 * 1024
Shape = Callable[[Any], Any]

LIMITS: Mapping[str, tuple[str, Shape]] = {
    "max_streams": ("max_global_streams_per_user", int),
    "stream_rate": ("per_stream_rate_limit", "{}B".format),
    "stream_burst": ("per_stream_rate_limit_burst", "{}B".format),
    "shard_streams": ("shard_streams", lambda value: {"enabled": value}),
    "tenant_rate": ("ingestion_rate_mb", lambda value: value / MEBI),
    "tenant_burst": ("ingestion_burst_size_mb", lambda value: value / MEBI),
    "allow_structured_metadata": ("allow_structured_metadata", bool),
    "blocked_until": ("block_ingestion_until", lambda value: datetime.fromtimestamp(value, UTC).isoformat()),
}
"""The stand-in's limits: Loki's name of each, and how it wants to be told."""

HELD = Counter[tuple[int, str, tuple[tuple[str, str], ...]]]
"""Time, line, and labels with structured metadata, of what is held."""


class Both:
    """Loki and its stand-in, with the same limits of the same tenants."""

    def __init__(self, real: RealLoki, standin: Loki) -> None:
        self.real = real
        self.standin = standin
        self.encoding = JSON

    def limit(self, *tenants: str, **limits: Any) -> None:
        """Limit *tenants* by what are the names of the stand-in's limits."""
        self.real.limit(dict.fromkeys(tenants, real_limits(limits)))
        self.standin.overrides.update(dict.fromkeys(tenants, replace(self.standin.limits, **limits)))

    def push(self, tenant: str, *streams: Mapping[str, Any]) -> tuple[int, str]:
        """Push *streams* to both; return status and text, which are the same."""
        real, standin = (post(url, tenant, streams, self.encoding) for url in (self.real.url, self.standin.url))
        assert real[0] == standin[0], f"Loki answers {real}, the stand-in {standin}"
        assert comparable(real[1]) == comparable(standin[1])
        return standin

    def held(self, tenant: str) -> HELD:
        """Return what is held for *tenant*: in both the same."""
        real = Counter(
            (line.timestamp, line.line, tuple(sorted(without_level(line.labels).items())))
            for line in self.real.lines(tenant)
        )
        standin = Counter(
            (line.timestamp, line.line, tuple(sorted((*line.labels, *line.metadata))))
            for line in self.standin.lines
            if line.tenant == tenant
        )
        assert real == standin, f"Loki alone has {real - standin}, the stand-in alone {standin - real}"
        return standin


def real_limits(limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return *limits* of the stand-in as Loki's ``limits_config`` names them."""
    found: dict[str, Any] = {"block_ingestion_status_code": 260} if "blocked_until" in limits else {}
    for name, value in limits.items():
        real, shape = LIMITS[name]
        found[real] = shape(value)
    return found


def post(url: str, tenant: str, streams: Sequence[Mapping[str, Any]], encoding: str) -> tuple[int, str]:
    """Push *streams*; return status and text."""
    kind = "json" if encoding == JSON else "x-protobuf"
    headers = {"Content-Type": f"application/{kind}", "X-Scope-OrgID": tenant}
    body = orjson.dumps({"streams": streams}) if encoding == JSON else write_push(streams)
    response = requests.post(f"{url}/loki/api/v1/push", data=body, headers=headers, timeout=30)
    return response.status_code, response.text


def comparable(text: str) -> list[str]:
    """Return the parts of an answer, without what a clock has to do with, or the parser's own words."""
    text = re.sub(r"(too old: \S+ oldest acceptable timestamp is: )\S+", r"\1…", text.strip())
    text = re.sub(r"(couldn't parse labels: ).*", r"\1…", text)
    return sorted(text.split("; "))


def without_level(labels: Mapping[str, str]) -> dict[str, str]:
    """Return *labels* without the level that Loki finds in a line."""
    return {name: value for name, value in labels.items() if name != "detected_level"}


def stream(name: str, *lines: tuple[float, str] | str, metadata: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a stream of a push; a line is its text, or its age in seconds and its text."""
    values = []
    for number, line in enumerate(lines):
        age, text = line if isinstance(line, tuple) else (10.0, line)
        stamp = time.time_ns() - int(age * 1e9) + number
        values.append([str(stamp), text, *([dict(metadata)] if metadata else [])])
    return {"stream": {"app": name}, "values": values}
