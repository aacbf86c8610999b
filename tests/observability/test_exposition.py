"""The text of metrics, as Prometheus' own parser reads it."""

import os
import re
import string
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from kigeon.http.processes import process_metrics
from kigeon.observability.exposition import Family, expose
from kigeon.observability.metrics import health_metrics, metrics
from tests.observability.snapshots import NOW, SENDS, WELL


def test_the_document_names_each_metric_its_type_and_its_labels() -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (gauge|counter|histogram) \| (.*?) \| (.*) \|$", page, re.MULTILINE)
    families = [
        *metrics(replace(WELL, children={**WELL.children, **SENDS.children}), NOW),
        *health_metrics(True, True),
        *process_metrics({"root": os.getpid()}),
    ]
    assert rows == [
        (family.name, family.type, ", ".join(f"`{name}`" for name in labels_of(family)), family.help)
        for family in families
    ]


def labels_of(family: Family) -> list[str]:
    return sorted({name for _, labels, _ in family.samples for name in labels} - {"le"})


@given(st.dictionaries(st.text(string.ascii_lowercase, min_size=1, max_size=4), st.text()), st.floats(allow_nan=False))
def test_any_label_and_any_value_can_be_read_again(labels: dict[str, str], number: float) -> None:
    if number in (float("inf"), float("-inf")):
        return
    family = Family("kigeon_test", "gauge", "A\nhelp \\ text.")
    family.add(number, **labels)
    ((sample,),) = (found.samples for found in text_string_to_metric_families(expose([family]).decode()))
    assert sample.value == number
    assert sample.labels == {name: text.encode("utf-8", "replace").decode() for name, text in labels.items()}
