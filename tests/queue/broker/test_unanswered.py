"""When a server is left that does not do what it is asked."""

from __future__ import annotations

import pytest
from nats.aio.msg import Msg
from nats.errors import ConnectionReconnectingError, NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from kigeon.queue.broker.unanswered import FORGOTTEN, REFUSALS, SILENCE, Unanswered, is_refusal

LATE, NOBODY = NatsTimeout(), NoRespondersError()


def test_one_question_in_vain_is_none_too_many_however_long_it_took() -> None:
    assert not Unanswered().failed(LATE, 0.0, 100.0)


def test_two_in_a_row_are_when_they_took_long_enough() -> None:
    asked = Unanswered()
    assert not asked.failed(LATE, 0.0, 0.5)
    assert not asked.failed(TimeoutError(), 0.5, 1.0)
    assert asked.failed(LATE, 1.0, SILENCE)
    assert not asked.failed(LATE, 2.0, 4.5), "the next server is asked anew"


def test_an_answer_ends_a_silence() -> None:
    asked = Unanswered()
    asked.failed(LATE, 0.0, 1.0)
    asked.answered()
    assert not asked.failed(LATE, 1.0, 5.0)


def test_a_refusal_ends_none() -> None:
    asked = Unanswered()
    asked.failed(LATE, 0.0, 4.0)
    assert not asked.refused(4.0, 4.0)
    assert asked.refused(REFUSALS, REFUSALS), "since the silence began"
    asked.failed(LATE, 10.0, 11.0)
    asked.refused(11.0, 11.0)
    assert asked.failed(LATE, 11.0, 10.0 + SILENCE)


def test_refusals_are_borne_for_as_long_as_a_cluster_may_elect_whatever_else_is_answered() -> None:
    asked = Unanswered()
    assert not asked.refused(0.0, 0.0)
    asked.answered()
    assert not asked.failed(NOBODY, SILENCE, SILENCE)
    asked.answered()
    assert asked.refused(REFUSALS, REFUSALS)


def test_refusals_of_long_ago_are_forgotten() -> None:
    asked = Unanswered()
    asked.refused(0.0, 0.0)
    assert not asked.refused(FORGOTTEN + 1.0, FORGOTTEN + 1.0)
    assert asked.refused(FORGOTTEN + 1.0 + REFUSALS, FORGOTTEN + 1.0 + REFUSALS)


def test_what_says_nothing_of_a_server() -> None:
    asked = Unanswered()
    assert not any(asked.failed(ConnectionReconnectingError(), now, now) for now in (0.0, 10.0, 20.0))


@pytest.mark.parametrize("code", [10008, 10164])
def test_a_refusal_is_known_by_its_code(code: int) -> None:
    """Among them what a former leader says of a write that it could not agree on with the others."""
    refused = f'{{"error":{{"code":503,"err_code":{code},"description":"x"}}}}'.encode()
    assert is_refusal(Msg(_client=None, data=refused))  # type: ignore[arg-type]
    assert not is_refusal(Msg(_client=None, data=f'{{"seq":{code}}}'.encode()))  # type: ignore[arg-type]
