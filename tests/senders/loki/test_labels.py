"""What is just taken: the other side of each limit in test_problems."""

from pathlib import Path

import pytest

from kigeon.senders.loki.labels import FIELDS, MAX_LABELS, named_alike
from tests.config.files import SENDER, load


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
