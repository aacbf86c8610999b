"""What a real Loki ought to hold, compared with what it holds, event by event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from kigeon.events.occurrence import timestamp_of
from kigeon.senders.line import fields_to_send, line_of
from tests.conformance.loki import RealLoki
from tests.support.kigeon import Kigeon, accounts
from tests.support.processes import wait_until


class HasUrl(Protocol):
    """A Loki, or the way to one."""

    url: str


def sender(loki: HasUrl, tenant: str, **more: Any) -> dict[str, Any]:
    """Return a sender to *tenant*; further keys of its config come by keyword."""
    config = {"url": loki.url, "tenantID": tenant, "streamLabels": {"app": "kigeon"}, **more}
    return {"name": "loki", "type": "loki", "config": config}


def wanted_of(events: Sequence[Mapping[str, Any]]) -> Counter[tuple[int, str]]:
    """Return time and line of each of *events*, as Loki ought to hold them."""
    return Counter((timestamp_of(event), line_of(fields_to_send(event))) for event in events)


def held_of(loki: RealLoki, tenant: str) -> Counter[tuple[int, str]]:
    """Return time and line of what *tenant* holds, without what an API server tells of itself: of its own Service."""
    lines = loki.lines(tenant)
    return Counter((line.timestamp, line.line) for line in lines if '"involvedObjectKind":"Service"' not in line.line)


def assert_held_once(loki: RealLoki, tenant: str, events: Sequence[Mapping[str, Any]]) -> None:
    """Assert that *tenant* holds the line of each of *events* at its time, once, and nothing else."""
    held = held_of(loki, tenant)
    wanted = wanted_of(events)
    assert not wanted or max(wanted.values()) == 1, "the test tells its events apart"
    doubled = [line for line, times in held.items() if times > 1]
    assert not doubled, f"{len(doubled)} are held more than once, {copies_of(loki, tenant, doubled[0])} among them"
    assert not wanted - held, f"{len(wanted - held)} of {len(wanted)} are missing, {list(wanted - held)[:2]} among them"
    assert not held - wanted, f"{len(held - wanted)} were never sent, {list(held - wanted)[:2]} among them"


def copies_of(loki: RealLoki, tenant: str, line: tuple[int, str]) -> list[Mapping[str, str]]:
    """Return the labels and the metadata with which *tenant* holds *line*, for each time."""
    return [held.labels for held in loki.lines(tenant) if (held.timestamp, held.line) == line]


def wait_for_sent(kigeon: Kigeon, count: int, timeout: float = 90.0) -> None:
    """Return when the sender has sent *count* events, in all."""
    try:
        wait_until(lambda: accounts(kigeon).get("sent") == count, timeout)
    except TimeoutError as error:
        raise TimeoutError(f"{count} were to be sent: {accounts(kigeon)}") from error


def wait_for_held(loki: RealLoki, tenant: str, events: Sequence[Mapping[str, Any]], timeout: float = 60.0) -> None:
    """Return when *tenant* holds as many lines as there are *events*, or nothing comes any more."""
    try:
        wait_until(lambda: held_of(loki, tenant).total() >= len(events), timeout)
    except TimeoutError:
        assert_held_once(loki, tenant, events)
