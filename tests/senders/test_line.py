"""The line that a reader sees of an event."""

import json

from kigeon.senders.line import fields_to_send, line_of
from tests.senders.loki.sinks import ORDER, sink
from tests.support.events import make_event


def test_a_full_line_has_every_key_in_the_documented_order() -> None:
    event = make_event(1, action="Killing", reportingComponent="kubelet")
    event["involvedObject"]["fieldPath"] = "spec.containers{web}"
    line = line_of(fields_to_send(event))
    assert list(json.loads(line)) == ORDER
    assert ": " not in line.replace("failed container, 1", "")


def test_an_event_of_the_newer_api_has_its_reporter_for_a_source() -> None:
    event = make_event(1, source={}, reportingComponent="kubelet", reportingInstance="node-7")
    line = json.loads(sink().entry(event, None).line)
    assert (line["sourceComponent"], line["sourceHost"]) == ("kubelet", "node-7")
