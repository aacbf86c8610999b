"""What Loki's texts say, to the letter of Loki 3.7.8."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kigeon.senders.entry import PushStatus
from kigeon.senders.loki.answers import answer_of
from kigeon.senders.loki.refusals import (
    Fault,
    Refusal,
    find_stream,
    is_about,
    labels_of,
    read_invalid,
    read_stream_refusal,
)

SHOP = (("app", "k"), ("namespace", "shop"))
NAMED = '{app="k", namespace="shop", service_name="k"}'
RATE = (
    "Per stream rate limit exceeded (limit: 100KB/sec) while attempting to ingest for stream "
    f"'{NAMED}' totaling 904B, consider splitting a stream via additional labels or contact your Loki administrator"
    " to see if the limit can be increased"
)
OLDEST = "oldest acceptable timestamp is:"
BEHIND = f"entry too far behind, entry timestamp is: 2026-11-24T14:29:18Z, {OLDEST} 2026-11-24T16:29:18Z"
TOO_OLD = f"entry for stream '{NAMED}' has timestamp too old: 2026-11-04T10:00:00Z, {OLDEST} 2026-11-17T18:00:00Z"


def ignored(reason: str, count: int, of: int) -> str:
    lines = "".join(
        f"entry with timestamp 2026-11-24 14:29:{second:02}.881351494 +0000 UTC ignored, reason: '{reason}',\n"
        for second in range(min(count, 10))
    )
    return f"{lines}user 't', total ignored: {count} out of {of} for stream: {NAMED}"


def test_a_stream_limit_names_the_stream() -> None:
    text = (
        f"maximum active stream limit exceeded when trying to create stream {NAMED}, reduce the number of active"
        " streams (reduce labels or reduce label values), or contact your Loki administrator to see if the limit can be"
        " increased, user: 't'"
    )
    for spelled in (text, text.capitalize()):
        answer = answer_of(429, spelled.encode())
        assert answer.status is PushStatus.STREAM
        assert answer.refusals[0].fault is Fault.STREAMS
        assert is_about(answer.refusals[0].stream, SHOP)


@pytest.mark.parametrize(
    ("status", "reason", "fault", "rate"), [(429, RATE, Fault.RATE, 102400.0), (400, BEHIND, Fault.BEHIND, 0.0)]
)
def test_a_stream_s_rate_and_late_lines_are_counted(status: int, reason: str, fault: Fault, rate: float) -> None:
    answer = answer_of(status, ignored(reason, 12, 40).encode())
    assert answer.status is PushStatus.STREAM
    (found,) = answer.refusals
    assert (found.fault, found.count, found.of, found.rate) == (fault, 12, 40, rate)
    assert find_stream(found.stream, [(("app", "other"),), SHOP]) == SHOP


def test_the_tenant_s_rate_is_no_stream_s() -> None:
    text = (
        b"ingestion rate limit exceeded for user t (limit: 4194304 bytes/sec) while attempting to ingest '3000' lines"
        b" totaling '9000000' bytes, reduce log volume or contact your Loki administrator to see if the limit can be"
        b" increased"
    )
    assert answer_of(429, text).status is PushStatus.RETRY
    assert answer_of(429, b"slow down").status is PushStatus.RETRY


def test_invalid_lines_are_named_by_what_tells_them_apart() -> None:
    text = (
        f"2 errors like: {TOO_OLD}; "
        f"1 errors like: entry for stream '{NAMED}' has timestamp too new: 2026-11-24T23:00:00Z; "
        f"1 errors like: max entry size '262144' bytes exceeded for stream '{NAMED}' while adding an entry with length"
        " '300123' bytes; "
        f"3 errors like: stream '{NAMED}' has structured metadata too large: '70000' bytes, limit: '65536' bytes."
        " Please see `limits_config.max_structured_metadata_size` or contact your Loki administrator to increase it"
    )
    found = {refusal.fault: refusal for refusal in read_invalid(text)}
    stream = labels_of(NAMED)
    assert found == {
        Fault.OLD: Refusal(Fault.OLD, stream, 2, size=1793786400),
        Fault.NEW: Refusal(Fault.NEW, stream, 1, size=1795561200),
        Fault.LINE: Refusal(Fault.LINE, stream, 1, size=300123),
        Fault.METADATA: Refusal(Fault.METADATA, stream, 3, size=70000),
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Client sent an HTTP request to an HTTPS server.",
        f"entry for stream '{NAMED}' has 16 label names; limit 15",
        f"{TOO_OLD}; something that nobody knows",
    ],
)
def test_where_any_of_it_can_not_be_read_nothing_is_believed(text: str) -> None:
    assert read_invalid(text) == ()


@pytest.mark.parametrize(
    ("status", "text", "cure"),
    [
        (400, "stream '{a=\"b\"}' includes structured metadata, but this feature is disallowed. Please see", "allow"),
        (260, "ingestion blocked for user 't' until '2026-11-24T10:00:00Z' with status code '260'", "operator"),
        (400, "tenant ID 'a/b' contains unsupported character '/'", "tenantID"),
        (400, "Client sent an HTTP request to an HTTPS server.\n", "https://"),
        (400, "400 The plain HTTP request was sent to HTTPS port", "https://"),
        (401, "no org id", "tenantID"),
        (404, "404 page not found", "url"),
    ],
)
def test_what_concerns_every_event_holds_the_destination_and_has_a_cure(status: int, text: str, cure: str) -> None:
    answer = answer_of(status, text.encode())
    assert answer.status is PushStatus.HOLD
    assert cure in answer.cure


def test_a_message_that_is_too_large_for_loki_s_own_grpc_is_split() -> None:
    text = b"rpc error: code = ResourceExhausted desc = grpc: received message larger than max (4800000 vs. 4194304)"
    assert answer_of(500, text).status is PushStatus.SPLIT


def go_quoted(value: str) -> str:
    """Quote as Go's strconv.Quote does."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\x7f": "\\x7f"}
    return (
        '"' + "".join(escapes.get(char, char if char.isprintable() else f"\\u{ord(char):04x}") for char in value) + '"'
    )


texts = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(st.from_regex(r"[a-zA-Z_]\w{0,8}", fullmatch=True).filter(str.isascii), texts, min_size=1))
def test_labels_are_read_as_loki_writes_them(labels: dict[str, str]) -> None:
    written = "{" + ", ".join(f"{name}={go_quoted(value)}" for name, value in sorted(labels.items())) + "}"
    assert labels_of(written) == tuple(sorted(labels.items()))


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    read_invalid(text)
    read_stream_refusal(text)
    for status in (200, 204, 260, 400, 404, 429, 500):
        answer_of(status, text.encode("utf-8", "surrogatepass"))
