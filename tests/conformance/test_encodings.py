"""A real Loki takes a push for the same in both encodings: what it holds by one it drops when it comes by the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import yaml

from kigeon.events.occurrence import timestamp_of
from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.line import fields_to_send, line_of
from kigeon.senders.loki.settings import ENCODINGS, LokiSettings
from kigeon.senders.loki.sink import LokiSink
from kigeon.standin.apiserver import ApiServer
from tests.conformance.holding import assert_held_once, sender, wait_for_sent
from tests.conformance.loki import RealLoki
from tests.conformance.relay import Relay
from tests.support.events import make_event
from tests.support.kigeon import Kigeon

ODD = [
    "plain",
    'quotes " and \\ and \\" and `',
    "lines\nof\r\nmany\u2028kinds\t\v\f",
    "\0\x01\x7f\x85\ufeff",
    "ü 語 \N{GRINNING FACE} \U000e0001 e\u0301",
    "a mark for no character: \ufffd",
    '{a="b", c=~"d"} | json != `x`',
    "ü" * 3000,
]
"""Messages, and values of labels and of metadata: the reason and the host are both."""


def push(settings: LokiSettings, events: Sequence[Mapping[str, Any]]) -> Answer:
    """Push *events*."""
    sink = LokiSink(settings)
    try:
        entries = [sink.entry(event, None) for event in events]
        return sink.push(entries[0].destination, entries)
    finally:
        sink.close()


def odd_event(number: int) -> dict[str, Any]:
    text = ODD[number % len(ODD)]
    source = {"component": text, "host": text[::-1]}
    return make_event(number, message=f"{number} {text}", reason=text, source=source)


@pytest.mark.parametrize("order", list(permutations(ENCODINGS)), ids="-".join)
def test_what_one_encoding_brought_the_other_repeats(real_loki: RealLoki, tenant: str, order: tuple[str, str]) -> None:
    events = [odd_event(number) for number in range(5 * len(ODD))]
    for encoding in order:
        settings = LokiSettings(real_loki.url, tenant, event_labels=(("reason", "reason"),), encoding=encoding)
        assert push(settings, events).status is PushStatus.DELIVERED
    held = real_loki.lines(tenant)
    assert sorted((line.timestamp, line.line) for line in held) == sorted(
        (timestamp_of(event), line_of(fields_to_send(event))) for event in events
    )
    assert real_loki.count(tenant) == len(events)
    # Nothing of labels and metadata was lost on the way, but what Loki would refuse.
    shown = {(line.labels["reason"], line.labels["source_host"]) for line in held}
    assert shown == {(taken(text), taken(text[::-1])) for text in ODD}


def taken(text: str) -> str:
    """Return what of *text* Loki takes as a label."""
    return text.replace("\ufffd", "?").encode()[:2048].decode(errors="ignore")


@pytest.mark.parametrize(("before", "after"), list(permutations(ENCODINGS)))
def test_a_push_whose_answer_was_lost_is_repeated_in_another_encoding(
    api: ApiServer, real_loki: RealLoki, folder: Path, tenant: str, before: str, after: str
) -> None:
    events = [make_event(number) for number in range(300)]
    api.put_events(events)
    with Relay(real_loki.url) as relay, Kigeon(folder, api, [sender(relay, tenant, encoding=before)]) as kigeon:
        relay.lose = 1000
        relay.wait_for_losses(1)
        kigeon.kill_tree()
        relay.lose = 0
        file = yaml.safe_load(kigeon.config.read_text())
        file["eventsenders"][0]["config"]["encoding"] = after
        kigeon.config.write_text(yaml.safe_dump(file))
        kigeon.start()
        wait_for_sent(kigeon, 300)
        assert kigeon.stop() == 0
    assert_held_once(real_loki, tenant, events)
    assert real_loki.count(tenant) == 300
