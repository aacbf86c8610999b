"""The kind that an event is counted as."""

from kigeon.events.kind import OTHER, EventKind, EventKinds
from tests.support.events import make_event


def test_a_kind_is_read_of_an_event_whatever_its_shape() -> None:
    event = make_event(1, namespace="shop", type="Warning", reason="BackOff")
    assert EventKinds().of(event) == EventKind("Warning", "BackOff")
    assert EventKinds(with_namespace=True).of(event) == EventKind("Warning", "BackOff", "shop")
    assert EventKinds(with_namespace=True).of({"type": ["?"], "reason": 7, "involvedObject": []}) == EventKind(
        OTHER, "7"
    )
    assert len(EventKinds().of({"reason": "x" * 5000}).reason) == 128


def test_equal_kinds_are_one_object() -> None:
    kinds = EventKinds()
    assert kinds.of(make_event(1, reason="BackOff")) is kinds.of(make_event(2, reason="BackOff"))
