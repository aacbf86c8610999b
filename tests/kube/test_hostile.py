"""What a hostile API server can say: it is skipped and counted, or an error; it is never the end of the informer."""

from typing import Any

import orjson
import pytest

from kigeon.errors import KubernetesError, UnreadableEvent
from kigeon.events.occurrence import identity_of
from kigeon.kube.collector import EventCollector
from kigeon.kube.lines import MAX_LINE_BYTES, parse_line, parse_page
from kigeon.kube.outbox import Outbox
from kigeon.kube.reflector import ListPage, Reflector, Watch
from kigeon.kube.resume_anchor import anchor_of, read_anchor, write_anchor
from tests.support.events import make_event


def nested(levels: int) -> bytes:
    return b'{"metadata":{"uid":"1"},"count":' + b"[" * levels + b"]" * levels + b"}"


@pytest.mark.parametrize("levels", [254, 980, 1015])
def test_an_event_that_is_nested_too_deeply_is_skipped_in_whatever_form_it_comes(levels: int) -> None:
    with pytest.raises(UnreadableEvent, match="too deeply"):
        parse_line(b'{"type":"ADDED","object":%s}' % nested(levels))
    page = parse_page(b'{"metadata":{"resourceVersion":"9"},"items":[%s]}' % nested(levels))
    assert (page.items, page.unreadable) == ([], 1)


def test_as_deep_as_it_can_be_written_it_is_an_event() -> None:
    line = parse_line(b'{"type":"ADDED","object":%s}' % nested(250))
    assert len(identity_of(line.object)) == 8
    flat = orjson.dumps({"metadata": {}, "many": [[]] * 1000})
    assert parse_line(b'{"type":"ADDED","object":%s}' % flat).raw == flat


@pytest.mark.parametrize("kind", ["SYNC", "added", "", "ADDED "])
def test_a_line_of_an_unknown_type_is_not_dropped_in_silence(kind: str) -> None:
    with pytest.raises(UnreadableEvent, match="an unknown type"):
        parse_line(orjson.dumps({"type": kind, "object": {"metadata": {"resourceVersion": "7"}}}))


@pytest.mark.parametrize("version", ["7\r\nX: y", "7 8", "\u0663", "\0", "9" * 5000])
def test_a_version_that_no_header_may_hold_is_none(version: str) -> None:
    line = parse_line(orjson.dumps({"type": "ADDED", "object": {"metadata": {"resourceVersion": version}}}))
    assert line.resource_version == ""
    with pytest.raises(KubernetesError, match="no version"):
        parse_page(orjson.dumps({"metadata": {"resourceVersion": version}, "items": []}))


def test_a_version_that_is_refused_is_not_asked_for_for_ever() -> None:
    reflector = Reflector(jitter=lambda low, high: low)
    reflector.page("5", "")
    reflector.line(parse_line(b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"rubbish"}}}'))
    reflector.closed(1)
    reflector.probed("9")
    assert reflector.next().action == Watch("rubbish")
    reflector.failed(KubernetesError("invalid resource version", 400))
    step = reflector.next()
    assert step.action == ListPage("")
    assert step.delay > 0
    assert "version rubbish is refused" in reflector.relisted


def test_a_continue_token_that_is_refused_is_not_asked_for_for_ever() -> None:
    reflector = Reflector()
    reflector.page("5", "token")
    reflector.failed(KubernetesError("continue key is not valid", 400))
    assert reflector.next().action == ListPage("")


def test_a_list_that_is_refused_is_no_reason_to_say_that_it_is_listed_anew() -> None:
    reflector = Reflector()
    reflector.failed(KubernetesError("bad request", 400))
    assert (reflector.next().action, reflector.relisted) == (ListPage(""), "")


def test_an_item_that_is_too_long_is_skipped() -> None:
    item = {"metadata": {}, "message": "x" * MAX_LINE_BYTES}
    page = parse_page(orjson.dumps({"metadata": {"resourceVersion": "9"}, "items": [item, {"metadata": {}}]}))
    assert (len(page.items), page.unreadable) == (1, 1)


def listed(*stamps: Any) -> EventCollector:
    """Return an collector that was away for two hours, and then saw a list of events with these times."""
    collector = EventCollector(Outbox(), 3600.0, watched_until=1_000_000_000.0, clock=lambda: 1_000_007_200.0)
    events = [make_event(number, lastTimestamp=stamp) for number, stamp in enumerate(stamps)]
    for event in events:
        event["metadata"] = {"uid": "1"}
    collector.on_list_page([(event, b"{}") for event in events], "9")
    return collector


@pytest.mark.parametrize("stamp", ["9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59Z", "3000-01-01T00:00:00Z"])
def test_a_time_in_a_far_future_ends_no_gap_and_no_informer(stamp: str) -> None:
    (gap,) = listed(stamp).completeness.gaps
    assert (gap.since, gap.until) == (1_000_000_000.0, 1_000_007_200.0)
    assert listed(stamp).report()["lastGap"] == ["2001-09-09T01:46:40+00:00", "2001-09-09T03:46:40+00:00"]


@pytest.mark.parametrize("stamp", ["!", "", "0", 7, "0001-01-01T00:00:00Z"])
def test_a_time_that_is_none_hides_no_other(stamp: Any) -> None:
    assert listed(stamp, "2001-09-09T01:46:00Z").completeness.gaps == []
    (gap,) = listed(stamp, "2001-09-09T02:46:40Z").completeness.gaps
    assert gap.until == 1_000_003_600.0


@pytest.mark.parametrize("key", ["namespace", "name", "uid", "resourceVersion"])
@pytest.mark.parametrize("word", ["a\nb", "a,metadata.name=b", "..", "\u00e9", "a/b", "a b", "x" * 300, 7, "%2e"])
def test_what_may_not_stand_in_a_path_or_a_mark_is_no_witness(key: str, word: Any) -> None:
    """A mark with a line's end in it was read as none: the books were lost."""
    event = make_event(1)
    event["metadata"]["resourceVersion"] = "7"
    assert read_anchor(write_anchor(anchor_of(event))) == anchor_of(event) is not None
    event["metadata"][key] = word
    assert anchor_of(event) is None
    words = {"namespace": "shop", "name": "web", "uid": "1", "resourceVersion": "7", key: str(word)}
    assert word == 7 or read_anchor("/".join(words.values())) is None
