"""What is just taken: the other side of each limit in test_problems."""

import json
from pathlib import Path

import pytest

from kigeon.senders.loki.labels import FIELDS, MAX_LABEL_VALUE, MAX_LABELS, named_alike
from tests.config.files import SENDER, load
from tests.senders.loki.sinks import sink
from tests.support.events import make_event


@pytest.mark.parametrize("tenant", ["a" * 150, "...", "aZ09!-_.*'()", "1"])
def test_a_tenant_that_loki_takes(tmp_path: Path, tenant: str) -> None:
    (sender,) = load(tmp_path, f'{SENDER}    tenantID: "{tenant}"\n').senders
    assert sender.settings is not None
    assert sender.settings.tenant_id == tenant


def labels(count: int) -> str:
    return ", ".join(f"a{number}: name" for number in range(count))


@pytest.mark.parametrize(
    "more",
    [
        f"eventLabels: {{{labels(MAX_LABELS - 1)}}}",
        f"eventLabels: {{service_name: name, {labels(MAX_LABELS - 1)}}}",
        f"eventLabels: {{{labels(10)}}}\n    streamLabels: {{{labels(MAX_LABELS - 1)}}}",
        f"streamLabels: {{{labels(MAX_LABELS - 3)}}}",
        f"eventLabels: [{', '.join(list(FIELDS)[: MAX_LABELS - 1])}]",
        f"structuredMetadata: {{{labels(128)}}}",
    ],
)
def test_as_many_as_loki_takes(tmp_path: Path, more: str) -> None:
    """service_name is not counted; a name that is in both of streamLabels and eventLabels is one label."""
    load(tmp_path, f"{SENDER}    {more}\n")


def test_a_list_and_a_mapping_of_the_same_names_are_the_same(tmp_path: Path) -> None:
    (listed,) = load(tmp_path, f"{SENDER}    eventLabels: [reason, type]\n").senders
    (mapped,) = load(tmp_path, f"{SENDER}    eventLabels: {{reason: reason, type: type}}\n").senders
    assert listed.settings == mapped.settings
    assert listed.settings is not None
    assert listed.settings.event_labels == named_alike("reason", "type")
    assert hash(listed.settings.event_labels)


@pytest.mark.parametrize(
    ("kind", "level"), [("Normal", "info"), ("Warning", "warn"), ("Error", None), ("warning", None), ("", None)]
)
def test_the_level_is_what_kubernetes_says_and_nothing_where_it_says_nothing(kind: str, level: str | None) -> None:
    entry = sink().entry(make_event(1, type=kind), None)
    assert entry.metadata.get("level") == level
    assert "level" not in json.loads(entry.line)


def test_a_label_is_cut_to_what_loki_takes() -> None:
    entry = sink().entry(make_event(1, type="x" * 5000, reason="x" * 5000), None)
    assert dict(entry.stream)["type"] == entry.metadata["reason"] == "x" * MAX_LABEL_VALUE
    assert json.loads(entry.line)["reason"] == "x" * 5000


def test_a_label_is_cut_by_its_bytes_and_between_characters() -> None:
    entry = sink().entry(make_event(1, type="x" + "\u20ac" * 1000, reason="\u00e9" * 1024), None)
    assert dict(entry.stream)["type"] == "x" + "\u20ac" * ((MAX_LABEL_VALUE - 1) // 3)
    assert entry.metadata["reason"] == "\u00e9" * 1024


def test_a_label_holds_no_mark_of_what_is_no_character() -> None:
    """Kubernetes writes U+FFFD for bytes that are no UTF-8; Loki refuses a label that holds it."""
    entry = sink().entry(make_event(1, type="a\ufffdb", message="a\ufffdb"), None)
    assert dict(entry.stream)["type"] == "a?b"
    assert json.loads(entry.line)["type"] == json.loads(entry.line)["message"] == "a\ufffdb"
