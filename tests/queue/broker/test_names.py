"""The names of one kigeon's streams, bucket and subjects."""

import re

from kigeon.queue.broker.names import StreamNames

ALL = (
    "events", "seen", "retry", "dead_letter", "outcomes", "state", "events_subject", "seen_subject", "retry_subjects",
    "dead_letter_subjects", "outcomes_subjects",
)  # fmt: skip


def test_every_name_begins_with_the_queues() -> None:
    assert all(getattr(StreamNames("prod"), name).startswith("prod") for name in ALL)
    assert StreamNames("prod").state_stream == "KV_prod-state"


def test_no_two_queues_share_a_name() -> None:
    one, other = StreamNames("a"), StreamNames("a-b")
    assert not {getattr(one, name) for name in ALL} & {getattr(other, name) for name in ALL}


def test_any_key_gives_a_subject_of_a_senders_own() -> None:
    names = StreamNames("prod")
    keys = ["http://loki:3100 tenant shop", "http://loki:3100 tenant shop ", "*", ">", "a.b", "", "ü" * 1000]
    subjects = [names.retry_subject("loki", key) for key in keys]
    assert len(set(subjects)) == len(keys)
    assert all(re.fullmatch(r"prod\.retry\.loki\.[0-9a-f]{16}", subject) for subject in subjects)


def test_an_operator_reaches_the_sender_of_this_queue_alone() -> None:
    assert StreamNames("a").operate_subject("loki") != StreamNames("b").operate_subject("loki")
