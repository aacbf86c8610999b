"""Which version an Event of a list goes with, so that a watch is never resumed where something would be missed."""

from __future__ import annotations

import pytest

from kigeon.kube import list_at_hand
from kigeon.kube.list_at_hand import ListAtHand
from kigeon.kube.resume_anchor import read_anchor
from kigeon.kube.waiting import Received
from tests.support.events import make_event

HOUR = 3600 * 10**9


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a batch be two Events."""
    monkeypatch.setattr(list_at_hand, "MAX_BATCH_EVENTS", 2)


def held(*hours: int, resume_from: str = "") -> ListAtHand:
    """Return a list that showed Events of these *hours*, each in a slot of time of its own."""
    found = ListAtHand()
    found.begin(resume_from)
    for hour in hours:
        found.add("shop", hour * HOUR, Received(bytes(8), str(hour).encode()))
    return found


def versions(batches: list[list[Received]]) -> list[list[tuple[str, str]]]:
    return [[(event.raw.decode(), event.resource_version) for event in batch] for batch in batches]


def test_only_its_last_event_goes_with_the_lists_own_version() -> None:
    batches = list(held(3, 1, 2).take("90"))
    assert versions(batches) == [[("1", ""), ("2", "")], [("3", "90")]]


def test_one_that_has_not_come_to_its_end_is_gone_on_with_nowhere() -> None:
    found = held(2, 1)
    assert versions(list(found.take())) == [[("1", ""), ("2", "")]]
    assert list(found.take("90")) == [[]], "nothing is left that could carry the version"


def test_until_its_end_the_watch_resumes_from_where_it_was_in_doubt() -> None:
    batches = list(held(1, 2, 3, resume_from="70").take("90"))
    assert versions(batches) == [[("1", "70"), ("2", "70")], [("3", "90")]]


def test_without_a_version_of_its_own_every_event_goes_with_that() -> None:
    found = held(1, resume_from="70")
    found.listed([make_event(1)])
    ((event,),) = found.take()
    assert (event.resource_version, event.anchor) == ("70", "")


def test_with_the_version_goes_the_object_that_was_listed_last() -> None:
    found = held(1)
    objects = [make_event(number) for number in (1, 2)]
    for obj, version in zip(objects, ("8", "7"), strict=True):
        obj["metadata"]["resourceVersion"] = version
    found.listed(objects)
    ((event,),) = found.take("90")
    anchor = read_anchor(event.anchor)
    assert anchor is not None
    assert (anchor.name, anchor.version) == (objects[0]["metadata"]["name"], "8")


def test_of_a_namespace_that_was_listed_what_is_watched_goes_at_once() -> None:
    found = ListAtHand(by_namespace=True)
    found.add("a", HOUR, Received(bytes(8), b"listed"))
    found.add("b", HOUR, Received(bytes(8), b"being listed"))
    found.add_watched("a", HOUR, Received(bytes(8), b"watched"))
    assert versions(list(found.ready())) == [[("listed", ""), ("watched", "")]]
    assert versions(list(found.take())) == [[("being listed", "")]]
