"""Decides when a server of a cluster is left that takes connections and does not do what it is asked. Pure.

A server that is parted from the others answers for ever that JetStream is not available, or nothing at all; the others
may be well.
"""

from __future__ import annotations

from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from kigeon.queue.broker.error_codes import ErrorCode

FAILURES = 2
"""What fails in a row, at least, before a server is left."""

SILENCE = 2.0
"""Seconds without an answer after which a server is left."""

REFUSALS = 5.0
"""Seconds of refusals alone after which it is: others refuse too, while the cluster elects a leader."""

_UNAVAILABLE = f'"err_code":{ErrorCode.CLUSTER_NOT_AVAILABLE}'.encode()


def is_refusal(answer: Msg) -> bool:
    """Whether a server says that it knows nothing of what the others have agreed on."""
    return _UNAVAILABLE in answer.data


def patience_of(error: BaseException) -> float | None:
    """Return the seconds for which a question may fail like that; None where the error says nothing of the server."""
    if isinstance(error, NoRespondersError):
        return REFUSALS
    return SILENCE if isinstance(error, (NatsTimeout, TimeoutError)) else None


class Unanswered:
    """What was asked of one server in a row in vain. Times are seconds on a steady clock."""

    def __init__(self) -> None:
        self._failures = 0
        self._since = 0.0

    def answered(self) -> None:
        """Note an answer."""
        self._failures = 0

    def failed(self, asked_at: float, now: float, patience: float) -> bool:
        """Note a question that was asked in vain; return whether the server is to be left. Then it begins anew."""
        if not self._failures:
            self._since = asked_at
        self._failures += 1
        if self._failures < FAILURES or now - self._since < patience:
            return False
        self._failures = 0
        return True
