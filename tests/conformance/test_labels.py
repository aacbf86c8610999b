"""What ``check`` says of labels and tenants is what a real Loki does with them, on both sides of each limit."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kigeon.config.load import load_settings
from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from kigeon.senders.loki.labels import (
    DEFAULT_EVENT_LABELS,
    MAX_LABELS,
    MAX_METADATA,
    SERVICE_LABELS,
    Labels,
    named_alike,
)
from kigeon.senders.loki.reader import read_lines, selector_of
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.loki.sink import LokiSink
from kigeon.senders.registry import config_types
from tests.conformance.loki import HOUR, RealLoki
from tests.support.events import make_event

CONFIGURATIONS = Path(__file__).parents[2] / "examples" / "config"


def push(settings: LokiSettings, *events: dict[str, Any], **other: Any) -> Answer:
    """Push *events*, whatever a check would say of *settings*; *other* things of each entry are replaced."""
    sink = LokiSink(settings)
    try:
        entries: list[LokiEntry] = [sink.entry(event, None)._replace(**other) for event in events or (make_event(1),)]
        return sink.push(entries[0].destination, entries)
    finally:
        sink.close()


def settings_of(real_loki: RealLoki, tenant: str, **more: Any) -> LokiSettings:
    return LokiSettings(real_loki.url, tenant, **more)


def labels(count: int) -> Labels:
    return tuple((f"a{number}", "name") for number in range(count))


@pytest.mark.parametrize("wrong", ["a/b", "a@b", "a b", "..", ".", "a|b", "x" * 151])
def test_a_tenant_that_is_refused(real_loki: RealLoki, wrong: str) -> None:
    answer = push(settings_of(real_loki, wrong))
    assert answer.status is not PushStatus.DELIVERED, answer


@pytest.mark.parametrize("right", ["aZ09!-_.*'()", "...", "x" * 150])
def test_a_tenant_that_is_taken(real_loki: RealLoki, right: str) -> None:
    assert push(settings_of(real_loki, right)).status is PushStatus.DELIVERED


def test_a_late_line_has_room_for_its_label(real_loki: RealLoki, tenant: str) -> None:
    """The most that is taken of a configuration, then what Loki takes and refuses."""
    most = settings_of(real_loki, tenant, event_labels=labels(MAX_LABELS - 1))
    late = (*((name, "web") for name, _ in labels(MAX_LABELS - 1)), ("late", "2026-11-24T09"))
    assert push(most).status is PushStatus.DELIVERED
    assert push(most, stream=(*late, ("service_name", "kigeon"))).status is PushStatus.DELIVERED
    refused = push(most, stream=(*late, ("one", "more"), ("service_name", "kigeon")))
    assert refused.status is PushStatus.INVALID
    assert "label names" in refused.reason


def test_as_much_structured_metadata_as_is_taken(real_loki: RealLoki, tenant: str) -> None:
    most = settings_of(real_loki, tenant, structured_metadata=labels(MAX_METADATA))
    assert push(most).status is PushStatus.DELIVERED
    assert push(replace(most, structured_metadata=labels(MAX_METADATA + 1))).status is PushStatus.INVALID


@pytest.mark.parametrize("name", ["a-b", "a.b", "7a", "ä"])
def test_a_name_that_is_refused(real_loki: RealLoki, tenant: str, name: str) -> None:
    answer = push(settings_of(real_loki, tenant, event_labels=((name, "reason"),)))
    assert answer.status is not PushStatus.DELIVERED, answer


@pytest.mark.parametrize("name", ["_", "_a", "A9", "by", "sum", "json", "on", "x" * 1024])
def test_a_name_that_is_taken(real_loki: RealLoki, tenant: str, name: str) -> None:
    chosen = settings_of(real_loki, tenant, event_labels=((name, "reason"),))
    assert push(chosen).status is PushStatus.DELIVERED
    now = time.time_ns()
    (line,) = read_lines(LokiDestination(real_loki.url, tenant), selector_of({}), now - HOUR, now)
    assert line.labels[name] == "BackOff"


def test_loki_knows_the_service_by_each_label_that_may_name_it(real_loki: RealLoki, tenant: str) -> None:
    for number, name in enumerate(sorted(SERVICE_LABELS)):
        chosen = settings_of(real_loki, tenant, event_labels=named_alike("reason"), stream_labels={name: f"s{number}"})
        assert push(chosen, make_event(number)).status is PushStatus.DELIVERED
    held = real_loki.lines(tenant)
    assert {line.labels["service_name"] for line in held} == {f"s{number}" for number in range(len(SERVICE_LABELS))}


def test_metadata_of_a_label_s_name_is_shown_beside_it(real_loki: RealLoki, tenant: str) -> None:
    """So it is taken; kigeon leaves it out where both are of the same field."""
    chosen = settings_of(
        real_loki,
        tenant,
        event_labels=(("reason", "reason"), ("name", "name")),
        structured_metadata=(("reason", "reason"), ("name", "involved_object_name")),
    )
    assert push(chosen).status is PushStatus.DELIVERED
    (line,) = real_loki.lines(tenant)
    shown = {name: value for name, value in line.labels.items() if name.startswith(("reason", "name"))}
    assert shown == {"reason": "BackOff", "name": "web-1.17a", "name_extracted": "web-1"}


@pytest.mark.parametrize("name", ["go-kigeon-labels.yaml", "alloy-labels.yaml"])
def test_the_labels_that_others_write(real_loki: RealLoki, tenant: str, name: str) -> None:
    (found,) = load_settings(CONFIGURATIONS / name, config_types(), {}).senders
    assert found.settings is not None
    chosen = replace(found.settings, url=real_loki.url, tenant_id=tenant)
    quiet = make_event(1, type="Normal", message="an error: level=error")
    assert push(chosen, quiet, make_event(2)).status is PushStatus.DELIVERED
    assert sorted(line.labels["detected_level"] for line in real_loki.lines(tenant)) == ["info", "warn"]
    asked = {"job": "integrations/kubernetes/eventhandler"} if name.startswith("alloy") else {"source_host": "node-1"}
    now = time.time_ns()
    assert list(read_lines(LokiDestination(real_loki.url, tenant), selector_of(asked), now - HOUR, now))


def test_an_audit_finds_what_was_sent_before_kigeon_named_the_service(real_loki: RealLoki, tenant: str) -> None:
    before = (("namespace", "shop"), ("reason", "BackOff"), ("type", "Warning"))
    chosen = settings_of(real_loki, tenant)
    assert chosen.event_labels == DEFAULT_EVENT_LABELS
    assert push(chosen, make_event(1), stream=before).status is PushStatus.DELIVERED
    assert push(chosen, make_event(2)).status is PushStatus.DELIVERED
    now = time.time_ns()
    selector = selector_of({"service_name": "kigeon", "namespace": "shop", "type": "Warning"})
    held = list(read_lines(LokiDestination(real_loki.url, tenant), selector, now - HOUR, now))
    assert {line.labels["service_name"] for line in held} == {"kigeon", "unknown_service"}
