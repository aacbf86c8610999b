"""What is told of an API server that answers, refuses, and answers again."""

import logging

import pytest

from kigeon.errors import KubernetesError
from kigeon.kube import contact as contact_module
from kigeon.kube.contact import Contact
from tests.support.actors import ManualTime


def test_a_problem_is_told_until_it_answers(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(contact_module, "time", ManualTime())
    contact = Contact()
    assert (contact.report()["heardAt"], contact.report()["problem"]) == (0.0, "")
    contact.refused(KubernetesError("no route to host"))
    contact.refused(KubernetesError("forbidden", 403))
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.ERROR]
    assert (contact.report()["errors"], contact.report()["problem"]) == (2, "forbidden")
    contact.heard()
    assert (contact.report()["heardAt"], contact.report()["problem"]) == (1000.0, "")


def test_lists_that_should_not_have_been_needed_are_counted_by_their_causes() -> None:
    contact = Contact()
    for cause in ("expired", "doubt", "expired"):
        contact.relisted(cause)
    assert (contact.report()["relists"], contact.report()["relistsByCause"]) == (3, {"expired": 2, "doubt": 1})
