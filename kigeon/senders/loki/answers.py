"""What Loki's answers mean. Sources: pkg/distributor and pkg/validation of grafana/loki.

============================== ========= ===========================================================================
answer                         verdict   why
============================== ========= ===========================================================================
204, 200                       DELIVERED stored (200: gateways that answer for Loki)
429, 5xx                       RETRY     a rate limit, or Loki is in trouble; Retry-After is honoured
413                            SPLIT     the body is too large
400                            INVALID   validation failed for some lines; the valid ones of the push were stored
401, 403, 404, other 4xx, 3xx  HOLD      an operator's mistake: credentials, tenant, URL
260, other 2xx                 HOLD      it looks like success and stored nothing (260: ingestion is blocked)
============================== ========= ===========================================================================

No answer at all (a timeout, a refused or broken connection) is RETRY; TLS that does not verify is HOLD.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from kigeon.errors import shorten
from kigeon.senders.sink import Answer, Verdict

_VERDICTS = {
    204: Verdict.DELIVERED,
    200: Verdict.DELIVERED,
    429: Verdict.RETRY,
    413: Verdict.SPLIT,
    400: Verdict.INVALID,
}


def answer_of(status: int, body: bytes, retry_after: str | None = None) -> Answer:
    """Return what a response means; its body, cut to some length, is the reason."""
    verdict = _VERDICTS.get(status, Verdict.RETRY if status >= 500 else Verdict.HOLD)
    return Answer(verdict, f"{status} {shorten(body)}".rstrip(), seconds_of(retry_after))


def seconds_of(retry_after: str | None, now: datetime | None = None) -> float | None:
    """Return a Retry-After header in seconds: it is a number of them or an HTTP date; None when it is neither."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        moment = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        return None
    return max((moment - (now or datetime.now(UTC))).total_seconds(), 0.0)
