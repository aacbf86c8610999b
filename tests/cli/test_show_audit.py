"""What an audit looks like."""

from kigeon.cli.asking import Part
from kigeon.cli.show_audit import audit_lines
from kigeon.cli.terminal import Look


def test_an_audit_ends_with_the_sums() -> None:
    event = {"namespace": "shop", "name": "web-1.17a", "count": 1, "accounted": False, "senders": {}}
    parts = [
        Part("listed", 9, True),
        Part("unaccounted", 1, True),
        Part("senders", {"loki": {"unknown": 1, "sent": 8}, "out": {"sent": 9}}, True),
        Part("loki", {"loki": {"once": 8}}, True),
        Part("events", [{**event, "senders": {"loki": {"outcome": "unknown", "reason": "its note is gone"}}}]),
    ]
    assert list(audit_lines(parts, Look(80))) == [
        "shop/web-1.17a (count 1): UNACCOUNTED FOR; loki unknown (its note is gone)",
        "",
        "SENDER   SENT   UNKNOWN",
        "loki     8      1",
        "out      9      0",
        "",
        "IN LOKI   ONCE",
        "loki      8",
        "",
        "9 Events are in the cluster, 1 of them unaccounted for",
    ]
