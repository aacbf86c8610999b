import pytest
from hypothesis import given

from kigeon.events.fields import fields_of, integer, namespace_of
from tests.support.malformed import MALFORMED_EVENTS


def event(own: str = "shop", **involved: str) -> dict[str, object]:
    return {"metadata": {"namespace": own}, "involvedObject": involved}


@pytest.mark.parametrize(
    ("given_event", "namespace"),
    [
        (event(kind="Pod", namespace="shop"), "shop"),
        (event("default", kind="Pod", namespace="shop"), "shop"),
        (event("default", kind="Node"), None),
        (event("kube-system", kind="Node"), None),
        (event("default", kind="Pod"), "default"),
        (event("shop", kind="Widget"), "shop"),
        (event("default", kind="Widget"), None),
        ({}, None),
    ],
)
def test_the_namespace_is_the_involved_objects(given_event: dict[str, object], namespace: str | None) -> None:
    assert namespace_of(given_event) == namespace


def test_count_is_the_larger_of_count_and_series_count_and_at_least_one() -> None:
    assert fields_of({"count": 3, "series": {"count": 7}}).count == 7
    assert fields_of({"count": 9, "series": {"count": 7}}).count == 9
    assert fields_of({"count": 0}).count == 1
    assert fields_of({"count": "3"}).count == 3


def test_scalars_of_the_wrong_type_become_their_text() -> None:
    fields = fields_of({"reason": 7, "type": True, "message": ["x"], "source": "kubelet"})
    assert (fields.reason, fields.type, fields.message, fields.source_component) == ("7", "true", "", "")


@given(MALFORMED_EVENTS)
def test_nothing_that_json_can_hold_makes_it_raise(given_event: dict[str, object]) -> None:
    assert fields_of(given_event).count >= 1
    namespace_of(given_event)


@pytest.mark.parametrize("value", [None, "", "x", "-1", "9" * 19, 1.5, float("inf"), 2.0**64, 10**18, [], {}])
def test_what_is_no_integer(value: object) -> None:
    assert integer(value) is None
