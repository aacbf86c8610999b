"""When a server is left that does not do what it is asked."""

from __future__ import annotations

from nats.aio.msg import Msg
from nats.errors import ConnectionReconnectingError, NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from kigeon.queue.broker.unanswered import REFUSALS, SILENCE, Unanswered, is_refusal, patience_of


def test_one_question_in_vain_is_none_too_many_however_long_it_took() -> None:
    assert not Unanswered().failed(0.0, 100.0, SILENCE)


def test_two_in_a_row_are_when_they_took_long_enough() -> None:
    asked = Unanswered()
    assert not asked.failed(0.0, 0.5, SILENCE)
    assert not asked.failed(0.5, 1.0, SILENCE)
    assert asked.failed(1.0, 2.0, SILENCE)
    assert not asked.failed(2.0, 4.5, SILENCE), "the next server is asked anew"


def test_refusals_are_borne_for_as_long_as_a_cluster_may_elect() -> None:
    asked = Unanswered()
    assert not asked.failed(0.0, 0.0, REFUSALS)
    assert not asked.failed(SILENCE, SILENCE, REFUSALS)
    assert asked.failed(REFUSALS, REFUSALS, REFUSALS)


def test_an_answer_begins_the_count_anew() -> None:
    asked = Unanswered()
    asked.failed(0.0, 1.0, SILENCE)
    asked.answered()
    assert not asked.failed(1.0, 5.0, SILENCE)


def test_what_says_something_of_a_server() -> None:
    assert patience_of(NatsTimeout()) == patience_of(TimeoutError()) == SILENCE
    assert patience_of(NoRespondersError()) == REFUSALS
    assert patience_of(ConnectionReconnectingError()) is None
    refused = (
        b'{"type":"x","error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}'
    )
    assert is_refusal(Msg(_client=None, data=refused))  # type: ignore[arg-type]
    assert not is_refusal(Msg(_client=None, data=b'{"seq":10008}'))  # type: ignore[arg-type]
