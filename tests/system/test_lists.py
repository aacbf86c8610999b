"""A list on its way to Loki: what flows of it before it ends, and in which order."""

import os
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kigeon.kube.ordering import SLOT
from kigeon.standin.apiserver import ApiServer
from tests.support.events import assert_once, make_event
from tests.support.kigeon import Kigeon, loki_sender
from tests.support.loki import Loki

HOURS = 5
EACH = 300
"""Events of a namespace: the first page of a list shows all of the first, and some of the second."""


def hours_of_events(*namespaces: str) -> list[dict[str, Any]]:
    """Return events that happened in the last hours; the order of their names is not that of their times."""
    events = []
    for number in range(EACH * len(namespaces)):
        at = datetime.now(UTC) - timedelta(seconds=60 + number * 7919 % (HOURS * 3600))
        stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        event = make_event(number, namespaces[number // EACH], firstTimestamp=stamp, lastTimestamp=stamp)
        event["metadata"]["creationTimestamp"] = stamp
        events.append(event)
    return events


@pytest.mark.parametrize("labels", [["namespace", "type"], ["type"]])
def test_whatever_the_labels_each_stream_gets_a_list_oldest_first(
    tmp_path: Path, api: ApiServer, loki: Loki, labels: list[str]
) -> None:
    events = hours_of_events("a", "b", "c")
    api.put_events(events)
    with Kigeon(tmp_path, api, [loki_sender(loki, eventLabels=labels)]):
        lines = loki.wait_for(len(events))
    assert_once(lines, events)
    assert not any("late" in dict(line.labels) for line in lines)
    for stream in {line.labels for line in lines}:
        times = [line.timestamp for line in lines if line.labels == stream]
        assert all(earlier - later < SLOT for earlier, later in pairwise(times))


def test_what_a_list_has_shown_of_a_namespace_is_at_loki_before_it_ends_and_once_whatever_becomes_of_it(
    tmp_path: Path, api: ApiServer, loki: Loki
) -> None:
    events = hours_of_events("a", "b")
    api.put_events(events)
    api.faults.fail_next(3, 503, kind="page")
    with Kigeon(tmp_path, api, [loki_sender(loki)]) as kigeon:
        first = loki.wait_for(EACH)
        assert {line.fields["namespace"] for line in first} == {"a"}
        os.kill(kigeon.actor("watcher"), 9)
        lines = loki.wait_for(len(events))
        assert kigeon.stop() == 0
    assert_once(lines, events)
    assert loki.repeats == 0
