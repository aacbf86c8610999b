"""The last events as the page shows them."""

from kigeon.events.summary import EventSummary
from kigeon.http.events import KEPT, EventRows, row_of

PULLED = EventSummary(1_800_000_000.0, "Normal", "Pulled", "shop", "pod/web-0", "Pulled the image")
BACK_OFF = EventSummary(0.0, "Warning", "BackOff", "bank", "pod/api-1", "<script>alert(1)</script>", 3)


def rows() -> EventRows:
    found = EventRows()
    found.take([(1, PULLED), (2, BACK_OFF)], 10)
    return found


def test_a_row_shows_what_there_is() -> None:
    html = row_of(1, 10, PULLED).html
    assert '<time datetime="2027-01-15T08:00:00Z">08:00:00</time>' in html
    for shown in ("Normal", "Pulled", "shop/", "pod/web-0", "Pulled the image"):
        assert shown in html


def test_nothing_of_an_event_is_markup() -> None:
    html = row_of(1, 10, BACK_OFF).html
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "(x3)" in html
    every = EventSummary(1.0, "<b>", "<b>", "<b>", "<b>", "<b>")
    assert row_of(1, 1, every).html.count("<b>") == 0


def test_an_event_that_says_nothing_is_a_row_too() -> None:
    assert row_of(1, 1, EventSummary()).html.count("<span") == 3


def test_they_are_searched_by_words_in_any_order_and_case() -> None:
    assert rows().matching([])[1] == 2
    for query, reason in (("backoff", "BackOff"), ("WARNING bank/", "BackOff"), ("image shop", "Pulled")):
        html, found = rows().matching(query.split())
        assert (found, f"<strong>{reason}</strong>" in html) == (1, True)
    assert rows().matching(["image", "bank"]) == ("", 0)


def test_the_newest_is_the_first() -> None:
    html, _ = rows().matching([])
    assert html.index("BackOff") < html.index("Pulled")


def test_each_is_taken_once_and_told_to_who_has_not_seen_it() -> None:
    found = rows()
    assert found.take([(1, PULLED), (2, BACK_OFF)], 11) == 0
    assert found.take([(2, BACK_OFF), (3, PULLED)], 11) == 1
    assert found.after(9).count("<li") == 3
    assert found.after(10).count("<li") == 1
    assert found.after(11) == ""


def test_memory_is_bounded() -> None:
    found = EventRows()
    for number in range(5 * KEPT):
        found.take([(number, PULLED)], number)
    assert (len(found), found.matching([])[1]) == (KEPT, KEPT)
    assert len(found.plain()) == KEPT


def test_they_are_told_as_data_too() -> None:
    assert rows().plain()[1] == {**PULLED._asdict(), "time": "2027-01-15T08:00:00+00:00"}
    assert rows().plain()[0]["time"] is None
