from datetime import UTC, datetime
from itertools import islice

import orjson

from kigeon.events.fields import namespace_of
from kigeon.events.occurrence import identity_of, timestamp_of
from kigeon.standin.story import Storyteller

START = datetime(2026, 3, 1, tzinfo=UTC)
STORY = list(islice(Storyteller(7, START).tell(), 2000))


def test_the_same_seed_tells_the_same_story() -> None:
    assert list(islice(Storyteller(7, START).tell(), 2000)) == STORY
    assert list(islice(Storyteller(8, START).tell(), 10)) != STORY[:10]


def test_it_has_what_clusters_tell() -> None:
    reasons = {event["reason"] for event in STORY}
    assert {"Scheduled", "Pulled", "Unhealthy", "OOMKilling", "Evicted", "FailedMount", "BackOff"} <= reasons
    assert any(namespace_of(event) is None for event in STORY)
    assert any(event.get("series", {}).get("count", 0) > 2 for event in STORY)
    assert any(event["count"] > 2 for event in STORY)


def test_some_of_it_is_only_touched() -> None:
    identities = [identity_of(event) for event in STORY]
    assert 0 < len(identities) - len(set(identities)) < len(STORY) // 10


def test_every_occurrence_has_its_time() -> None:
    assert all(timestamp_of(event) >= START.timestamp() * 10**9 for event in STORY)


def test_events_are_of_a_lifelike_size() -> None:
    sizes = sorted(len(orjson.dumps(event)) for event in STORY)
    assert 900 < sizes[len(sizes) // 2] < 2000
