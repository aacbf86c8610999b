"""What is shown of an event on the status page."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from kigeon.events.summary import LONGEST_MESSAGE, NOTHING, EventSummary, summaries
from tests.support.events import make_event


def test_it_is_what_kubectl_shows() -> None:
    event = make_event(3, lastTimestamp="2027-01-15T08:00:00Z", count=7)
    assert summaries([orjson.dumps(event)]) == (
        EventSummary(
            1_800_000_000.0,
            "Warning",
            "BackOff",
            "shop",
            event["involvedObject"]["kind"].lower() + "/" + event["involvedObject"]["name"],
            event["message"],
            7,
        ),
    )


def test_of_an_address_no_credentials_are_shown() -> None:
    event = make_event(1, message='Failed to pull image "https://bob:hunter2@registry/shop": denied')
    (found,) = summaries([orjson.dumps(event)])
    assert found.message == 'Failed to pull image "https://***@registry/shop": denied'
    at_the_cut = make_event(1, message="x" * (LONGEST_MESSAGE - 20) + " https://bob:hunter2@registry/shop")
    assert "bob" not in summaries([orjson.dumps(at_the_cut)])[0].message


def test_it_is_short_however_long_the_event() -> None:
    long = "x" * 100_000
    event = make_event(1, message=long, reason=long, type=long, involvedObject={"kind": long, "name": long})
    (found,) = summaries([orjson.dumps(event)])
    assert sum(len(text) for text in found if isinstance(text, str)) < 1000
    assert found.message.endswith("x…")


@given(st.lists(st.binary(max_size=50) | st.from_regex(rb'\{"(reason|message|involvedObject)": ?(1|null|\[\]|"a")\}')))
def test_whatever_it_is_there_is_one_for_each(raws: list[bytes]) -> None:
    assert len(summaries(raws)) == len(raws)


def test_what_can_not_be_read_is_nothing() -> None:
    assert summaries([b"{", b"[]", b""]) == (NOTHING,) * 3
