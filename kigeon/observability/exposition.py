"""Prometheus' text format, version 0.0.4.

prometheus-client writes it too, but importing it takes 8 MiB in a process that has 12; the tests read what is written
here with its parser and with promtool.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


@dataclass(slots=True)
class Family:
    """The samples of one metric: label values and value of each; ``suffix`` as in ``_bucket``."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)

    def add(self, value: float | None, **labels: str) -> None:
        """Add a sample; one without a value is left out."""
        if value is not None:
            self.samples.append(("", labels, value))

    def add_histogram(self, told: Mapping[str, Any] | None, **labels: str) -> None:
        """Add what :meth:`kigeon.observability.histogram.Histogram.report` told."""
        if not told:
            return
        bounds = [*map(_number, told["bounds"]), "+Inf"]
        for bound, count in zip(bounds, told["counts"], strict=True):
            self.samples.append(("_bucket", {**labels, "le": bound}, count))
        self.samples.append(("_sum", labels, told["sum"]))
        self.samples.append(("_count", labels, told["counts"][-1]))


def expose(families: Iterable[Family]) -> bytes:
    """Return *families* as text; one without samples is left out."""
    lines: list[str] = []
    for family in families:
        if family.samples:
            lines += [f"# HELP {family.name} {_escaped(family.help)}", f"# TYPE {family.name} {family.type}"]
            lines += [
                f"{family.name}{suffix}{_labels(labels)} {_number(value)}" for suffix, labels, value in family.samples
            ]
    return ("\n".join(lines) + "\n").encode()


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value, quoted=True)}"' for name, value in labels.items()) + "}"


def _escaped(text: str, quoted: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    # What was cut in the middle of a character must not make all of it unreadable.
    return (text.replace('"', r"\"") if quoted else text).encode("utf-8", "replace").decode()


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
