"""Decides when a server of a cluster is left that takes connections and does not do what it is asked. Pure.

A server that is parted from the others answers for ever that JetStream is not available, or nothing at all; the others
may be well. It may answer some questions all the while, as a leader that has not noticed that it is none any more.
"""

from __future__ import annotations

import math

from nats.aio.msg import Msg
from nats.errors import NoRespondersError

from kigeon.queue.broker.error_codes import ErrorCode

FAILURES = 2
"""What fails in a row, at least, before a server is left."""

SILENCE = 2.0
"""Seconds without an answer after which a server is left."""

REFUSALS = 5.0
"""Seconds of refusals after which it is: others refuse too, while the cluster elects a leader."""

FORGOTTEN = 10.0
"""Seconds from one refusal to the next in which the cluster counts as well."""

_REFUSALS = tuple(
    f'"err_code":{code}'.encode()
    for code in (ErrorCode.CLUSTER_NOT_AVAILABLE, ErrorCode.STREAM_WRONG_LAST_SEQUENCE_CONSTANT)
)


def is_refusal(answer: Msg) -> bool:
    """Whether a server says that it can't agree with the others, or does not know what they have agreed on."""
    return any(refusal in answer.data for refusal in _REFUSALS)


class _Streak:
    """Failures, each no later after the one before than *forgotten* seconds."""

    def __init__(self, forgotten: float = math.inf) -> None:
        self._forgotten = forgotten
        self._count = 0
        self._last = 0.0
        self.since = math.inf
        """When the first of them was asked; infinity where there is none."""

    def begin(self) -> None:
        self._count, self.since = 0, math.inf

    def is_over(self, asked_at: float, now: float, patience: float) -> bool:
        if not self._count or now - self._last > self._forgotten:
            self._count, self.since = 0, asked_at
        self._count, self._last = self._count + 1, now
        return self._count >= FAILURES and now - self.since >= patience


class Unanswered:
    """What was asked of one server in vain. Times are seconds on a steady clock."""

    def __init__(self) -> None:
        self._silence = _Streak()
        self._refusals = _Streak(FORGOTTEN)

    def answered(self) -> None:
        """Note an answer: it is there."""
        self._silence.begin()

    def failed(self, error: BaseException, asked_at: float, now: float) -> bool:
        """Note a question that failed with *error*; return whether the server is to be left. Then it begins anew."""
        if isinstance(error, NoRespondersError):
            return self.refused(asked_at, now)
        # Others say something of the connection, or of the question.
        return isinstance(error, TimeoutError) and self._done(self._silence.is_over(asked_at, now, SILENCE))

    def refused(self, asked_at: float, now: float) -> bool:
        """Note a refusal; return what :meth:`failed` does. A silence goes on with it."""
        return self._done(self._refusals.is_over(min(asked_at, self._silence.since), now, REFUSALS))

    def _done(self, is_over: bool) -> bool:
        if is_over:
            self._silence.begin()
            self._refusals.begin()
        return is_over
