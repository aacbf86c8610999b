"""Where a push to Loki goes."""

from dataclasses import replace

from kigeon.senders.loki.entry import LokiDestination
from kigeon.senders.loki.settings import JSON, PROTOBUF

ONE = LokiDestination("http://loki:3100", "shop", "me", "hunter2", True)
OTHERS = [
    replace(ONE, url="http://other:3100"),
    replace(ONE, tenant_id="team"),
    replace(ONE, tenant_id=None),
    replace(ONE, username="you"),
    replace(ONE, insecure_skip_verify=True),
    replace(ONE, encoding=JSON),
]


def test_whatever_matters_for_a_push_makes_another_destination_with_another_label() -> None:
    found = [ONE, *OTHERS]
    assert len(set(found)) == len({each.label for each in found}) == len(found)
    assert replace(ONE, password="other") != ONE
    assert replace(ONE) == ONE


def test_tenants_of_one_loki_have_one_origin() -> None:
    assert replace(ONE, tenant_id="team").origin == ONE.origin != OTHERS[0].origin


def test_no_password_is_shown() -> None:
    assert "hunter2" not in f"{ONE!r} {ONE.label}"


def test_a_label_by_which_earlier_versions_stored_events_is_the_same() -> None:
    assert replace(ONE, encoding=PROTOBUF).label == "http://loki:3100 tenant shop as me"
