"""The sample Event of a check."""

from datetime import UTC, datetime

from kigeon.events.fields import fields_of
from kigeon.events.occurrence import timestamp_of
from kigeon.events.sample import REASON, sample_event, sample_pod
from kigeon.kube.pods import pod_key_of

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)


def test_it_happened_when_it_was_made() -> None:
    assert timestamp_of(sample_event(NOW)) == int(NOW.timestamp()) * 10**9


def test_its_pod_is_the_one_that_a_hook_is_shown() -> None:
    key, metadata = pod_key_of(sample_event()), sample_pod()["metadata"]
    assert key is not None
    assert (key.namespace, key.name, key.uid) == (metadata["namespace"], metadata["name"], metadata["uid"])


def test_it_has_all_that_may_be_a_label_but_what_only_newer_events_have() -> None:
    fields = fields_of(sample_event())
    assert fields.reason == REASON
    assert all((fields.namespace, fields.type, fields.source_component, fields.source_host, fields.uid))
