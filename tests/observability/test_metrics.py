"""The metrics of a snapshot, read with Prometheus' own parser."""

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kigeon.observability.exposition import expose
from kigeon.observability.metrics import health_metrics, metrics
from kigeon.observability.snapshot import Snapshot
from tests.observability.snapshots import NOW, SENDS, WELL, with_child, with_report

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(snapshot: Snapshot) -> Samples:
    text = expose([*metrics(snapshot, NOW), *health_metrics(True, False)]).decode()
    families = text_string_to_metric_families(text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, tuple(sorted(labels.items()))))


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("kigeon_events_received_total", {}, 14),
        ("kigeon_events_stored_total", {}, 10),
        ("kigeon_events_repeated_total", {}, 3),
        ("kigeon_events_unreadable_total", {}, 1),
        ("kigeon_cluster_events_total", {"type": "Warning", "reason": 'Back"Off\\\n'}, 7),
        ("kigeon_watch_up", {}, 1),
        ("kigeon_watch_relists_total", {"reason": "expired"}, 1),
        ("kigeon_watch_last_heard_timestamp_seconds", {}, NOW.day - 5),
        ("kigeon_watch_pending_events", {}, 3),
        ("kigeon_queue_bytes", {"stream": "events"}, 900),
        ("kigeon_queue_oldest_timestamp_seconds", {"stream": "events"}, 1_799_999_500),
        ("kigeon_queue_limit_bytes", {}, 2**20),
        ("kigeon_queue_digests", {}, 9),
        ("kigeon_dead_letters", {}, 1),
        ("kigeon_sender_account_events", {"sender": "loki", "account": "sent"}, 5),
        ("kigeon_sender_account_events", {"sender": "loki", "account": "waiting"}, 2),
        ("kigeon_sender_account_events", {"sender": "loki", "account": "stored"}, 10),
        ("kigeon_sender_events_total", {"sender": "loki", "outcome": "parked"}, 1),
        ("kigeon_sender_pushes_total", {"sender": "loki", "outcome": "no_answer"}, 1),
        ("kigeon_sender_push_duration_seconds_bucket", {"sender": "loki", "le": "1"}, 2),
        ("kigeon_sender_push_duration_seconds_bucket", {"sender": "loki", "le": "+Inf"}, 3),
        ("kigeon_sender_push_duration_seconds_sum", {"sender": "loki"}, 3.5),
        ("kigeon_sender_event_age_seconds_count", {"sender": "loki", "since": "arrival"}, 5),
        ("kigeon_sender_hook_duration_seconds_count", {"sender": "loki"}, 4),
        ("kigeon_sender_hook_workers", {"sender": "loki"}, 2),
        ("kigeon_sender_streams", {"sender": "loki", "state": "held"}, 1),
        ("kigeon_sender_blocked_destinations", {"sender": "loki"}, 1),
        ("kigeon_actor_restarts_total", {"actor": "sender/loki"}, 2),
        ("kigeon_nats_server_up", {}, 1),
        ("kigeon_config_hash", {}, 42),
        ("kigeon_live", {}, 1),
        ("kigeon_ready", {}, 0),
    ],
)
def test_a_figure_is_told(name: str, labels: dict[str, str], expected: float) -> None:
    assert value(parsed(WELL), name, **labels) == expected


def test_what_is_not_known_yet_is_left_out() -> None:
    told = {name for name, _ in parsed(Snapshot(senders=("loki",)))}
    assert told >= {"kigeon_build_info", "kigeon_ready", "kigeon_nats_server_up"}
    assert not {name for name in told if name.startswith(("kigeon_events", "kigeon_sender", "kigeon_watch"))}


def test_accounts_that_were_told_at_different_times_are_never_negative() -> None:
    found = parsed(with_report("sender/loki", number=14, sent=9))
    assert value(found, "kigeon_sender_account_events", sender="loki", account="waiting") == 2
    assert value(found, "kigeon_sender_account_events", sender="loki", account="stored") == 14


def test_the_labels_are_bounded_by_the_configuration() -> None:
    snapshot = with_child("sender/gone", WELL.child("sender/loki"), replace(WELL, senders=("loki",)))
    senders = {dict(labels).get("sender") for name, labels in parsed(snapshot) if name.startswith("kigeon_sender_")}
    assert senders == {"loki"}


def test_replicas_tell_who_holds_which_role_since_when() -> None:
    found = parsed(SENDS)
    assert value(found, "kigeon_role_held", role="sender.loki") == 1
    assert value(found, "kigeon_role_held", role="pipeline") == 0
    assert value(found, "kigeon_role_taken_timestamp_seconds", role="pipeline", replica="kigeon-a") == 1795867200
    assert value(found, "kigeon_replicas") == 3
