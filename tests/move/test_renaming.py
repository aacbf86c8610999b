import pytest

from kigeon.move.renaming import Renaming, is_of_queue, order_of
from kigeon.queue.broker.names import StreamNames

OUT = Renaming(StreamNames(), StreamNames("prod-eu"))


def test_each_stream_and_each_subject_has_its_counterpart() -> None:
    old, new = OUT.source, OUT.target
    for name in ("events", "seen", "outcomes", "dead_letter", "retry", "state_stream"):
        assert OUT.stream(getattr(old, name)) == getattr(new, name)
    assert OUT.stream(old.retry_stream("loki-2")) == new.retry_stream("loki-2")
    assert OUT.subject(old.retry_subject("loki", "key")) == new.retry_subject("loki", "key")
    assert OUT.subject(old.record_subject("position.loki")) == new.record_subject("position.loki")
    assert OUT.subject(old.events_subject) == new.events_subject


def test_what_is_somebody_else_s_has_none() -> None:
    for name in ("orders", "kigeon-events-2", "kigeon-check", "prod-eu-events", "KV_prod-eu-state", "kigeon-retry-"):
        assert OUT.stream(name) == ""
        assert not is_of_queue(OUT.source, name)
    for subject in ("kigeon", "kigeons.events", "$KV.kigeon.a", "prod-eu.events"):
        with pytest.raises(ValueError, match="is not one of kigeon"):
            OUT.subject(subject)


def test_who_leads_is_no_matter_of_the_other_end_s() -> None:
    assert OUT.is_left_behind("$KV.kigeon-state.replicas.role.pipeline")
    assert OUT.is_left_behind("$KV.kigeon-state.replicas.lease.1")
    assert not OUT.is_left_behind("$KV.kigeon-state.position.replicas")
    assert not OUT.is_left_behind("$KV.prod-eu-state.replicas.lease.1")


def test_the_events_come_first() -> None:
    streams = ["KV_kigeon-state", "kigeon-seen", "kigeon-events"]
    assert min(streams, key=lambda name: order_of(OUT.source, name)) == "kigeon-events"
