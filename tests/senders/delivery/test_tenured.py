"""A sink that pushes during a tenure alone."""

from __future__ import annotations

from typing import Any

import pytest

from kigeon.errors import TenureEnded
from kigeon.senders.delivery.sink import begin_of
from kigeon.senders.delivery.tenured import TenuredSink
from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.stdout.sink import StdoutSink
from kigeon.tenure import Tenure
from tests.support.clock import Clock


def test_nothing_is_begun_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a sink can begin a push at all."""
    sink = StdoutSink()
    assert begin_of(TenuredSink(sink, Tenure())) is None
    monkeypatch.setattr(sink, "begin", lambda *given: given, raising=False)
    begin: Any = begin_of(TenuredSink(sink, Tenure(105.0, clock := Clock())))
    assert begin("there", ["entry"]) == ("there", ["entry"])
    clock.now = 105.0
    with pytest.raises(TenureEnded):
        begin("there", ["entry"])


def test_nothing_is_pushed_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pushed: list[Any] = []

    def push(*given: Any) -> Answer:
        pushed.append(given)
        return Answer(PushStatus.DELIVERED)

    sink = StdoutSink()
    monkeypatch.setattr(sink, "push", push)
    tenured = TenuredSink(sink, Tenure(105.0, clock := Clock()))
    assert tenured.push("there", ["entry"]).status is PushStatus.DELIVERED
    clock.now = 105.0
    with pytest.raises(TenureEnded):
        tenured.push("there", ["entry"])
    assert pushed == [("there", ["entry"])]
