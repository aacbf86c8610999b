"""What the types of senders say of themselves."""

from pathlib import Path
from typing import Any

import pytest

from kigeon.config.settings import HookSettings, SenderSettings
from kigeon.senders.loki.labels import named_alike
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.registry import keep_namespaces_apart

URL = "http://loki:3100"
TWO_NAMES = (("namespace", "namespace"), ("ns", "namespace"))


def loki(**settings: Any) -> SenderSettings:
    return SenderSettings("loki", "loki", settings=LokiSettings(URL, **settings))


@pytest.mark.parametrize(
    ("senders", "apart"),
    [
        ([loki()], True),
        ([loki(event_labels=(("ns", "namespace"),))], True),
        ([loki(event_labels=named_alike("type", "involved_object_namespace"))], False),
        ([loki(event_labels=())], False),
        ([loki(stream_labels={"namespace": "all"})], False),
        (
            [loki(stream_labels={"namespace": "all"}, event_labels=TWO_NAMES)],
            True,
        ),
        ([loki(), loki(event_labels=named_alike("type"))], False),
        ([loki(), SenderSettings("out", "stdout")], False),
        ([SenderSettings("hooked", "loki", hook=HookSettings(Path("a.star")), settings=LokiSettings(URL))], False),
    ],
    ids=[
        "as they are by default",
        "by another name",
        "an object may be in no namespace",
        "none",
        "a label of the configuration wins",
        "and another tells",
        "one sender of two does not",
        "lines on standard output are one stream",
        "a hook may set any labels",
    ],
)
def test_events_of_different_namespaces_need_no_order_where_no_stream_holds_both(
    senders: list[SenderSettings], apart: bool
) -> None:
    assert keep_namespaces_apart(senders) is apart
