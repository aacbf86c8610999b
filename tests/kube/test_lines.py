import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.errors import KubernetesError, UnreadableEvent
from kigeon.kube.lines import LineSplitter, parse_line, parse_page
from tests.support.events import make_event

LINES = st.lists(st.binary(min_size=1, max_size=30).filter(lambda line: b"\n" not in line and line.strip()), max_size=8)


@given(LINES, st.data())
def test_lines_are_the_same_however_the_stream_is_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    splitter, found = LineSplitter(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += splitter.feed(stream[start:end])
    assert found == lines


def test_a_line_that_is_too_long_is_dropped_and_counted() -> None:
    splitter = LineSplitter(most=10)
    assert splitter.feed(b"a\n" + b"x" * 11) == [b"a"]
    assert splitter.feed(b"y" * 50) == []
    assert splitter.feed(b"z\nb\n") == [b"b"]
    assert splitter.too_long == 1


def go_line(kind: str, event: dict[str, object]) -> bytes:
    """Return a line of a watch as Go writes it."""
    return b'{"type":"%s","object":%s}' % (kind.encode(), orjson.dumps(event))


@given(
    st.dictionaries(
        st.text(), st.recursive(st.text() | st.integers(-(2**63), 2**63), st.lists, max_leaves=5), max_size=5
    )
)
def test_the_bytes_of_an_object_are_those_of_the_line(fields: dict[str, object]) -> None:
    event = {**fields, "metadata": {"resourceVersion": "7"}}
    line = go_line("ADDED", event)
    parsed = parse_line(line)
    assert parsed.object == event == orjson.loads(parsed.raw)
    assert parsed.raw in line
    assert parsed.resource_version == "7"


@pytest.mark.parametrize(
    "line",
    [
        b'{"object":{"metadata":{"resourceVersion":"7"}},"type":"ADDED"}',
        b'{"type": "ADDED", "object": {"metadata": {"resourceVersion": "7"}}}',
        b'{"type":"ADDED","object":{"metadata":{"resourceVersion":"7"}},"more":1}',
        b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}\r',
    ],
)
def test_other_forms_of_a_line_are_read_too(line: bytes) -> None:
    parsed = parse_line(line)
    assert parsed.resource_version == "7"
    assert json.loads(parsed.raw) == parsed.object


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"x", b"[]", b"{}", b"\xff", b'{"type":"ADDED"}', b'{"type":7,"object":{}}'),
        *(b'{"type":"ADDED","object":[]}', b'{"type":"ADDED","object":{}}', b'{"type":"ADDED","object":{"a":}}'),
        b'{"type":"ADDED","object":{"metadata":[]}}',
    ],
)
def test_what_is_no_line_of_a_watch_is_told_with_its_beginning(line: bytes) -> None:
    with pytest.raises(UnreadableEvent):
        parse_line(line)


def test_an_error_needs_no_metadata() -> None:
    assert parse_line(b'{"type":"ERROR","object":{"code":410}}').object["code"] == 410


def test_a_page_is_read_with_each_object_as_bytes() -> None:
    events = [make_event(number) for number in range(3)]
    body = orjson.dumps({"metadata": {"resourceVersion": "9", "continue": "t"}, "items": [*events, 7]})
    page = parse_page(body)
    assert (page.resource_version, page.continue_token, page.unreadable) == ("9", "t", 1)
    assert [orjson.loads(raw) for _, raw in page.items] == events


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"metadata":{"resourceVersion":7}}'])
def test_what_is_no_list_is_an_error_of_the_api_server(body: bytes) -> None:
    with pytest.raises(KubernetesError, match="can't be read"):
        parse_page(body)
