"""What the types of senders say of themselves."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from kigeon.config.load import load_settings
from kigeon.config.settings import HookSettings, SenderSettings
from kigeon.senders.loki.labels import named_alike
from kigeon.senders.loki.settings import LokiSettings
from kigeon.senders.registry import TYPES, config_types, example_sender, keep_namespaces_apart

ROOT = Path(__file__).parents[2]
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


def test_the_readme_and_the_example_list_all_types() -> None:
    (row,) = re.findall(
        r"^\| `eventsenders\[\]\.type` \| required \| (.*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    assert re.findall(r"`(\w+)`", row) == sorted(TYPES)
    assert f"# {', '.join(sorted(TYPES))}\n" in (ROOT / "examples" / "config" / "full.yaml").read_text()


def test_the_sender_that_stands_in_for_none_is_one_that_a_user_may_write(tmp_path: Path) -> None:
    sender = example_sender()
    file = tmp_path / "kigeon.yaml"
    file.write_text(
        yaml.safe_dump({"eventsenders": [{"name": sender.name, "type": sender.type, "config": dict(sender.config)}]})
    )
    (found,) = load_settings(file, config_types()).senders
    assert (found.name, found.type, found.config) == (sender.name, sender.type, sender.config)
