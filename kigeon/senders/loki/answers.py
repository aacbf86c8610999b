"""What Loki's answers mean. Sources: pkg/distributor, pkg/ingester and pkg/validation of grafana/loki (3.7).

============================== ========= ===========================================================================
answer                         verdict   why
============================== ========= ===========================================================================
204, 200                       DELIVERED the last stream of the push is stored (200: gateways)
429 that names a stream        STREAM    the tenant's stream limit, or the stream's rate: that stream waits
400 "too far behind"           STREAM    the ingester refused lines of one stream, and says how many
other 429, 5xx                 RETRY     the tenant's rate, or Loki is in trouble; Retry-After is honoured
413, "larger than max"         SPLIT     the body is too large, for HTTP or for Loki's own gRPC
other 400                      INVALID   validation failed for some lines; the valid ones of the push were stored
400 about the whole request    HOLD      structured metadata not allowed, a tenant ID that is refused
401, 403, 404, other 4xx, 3xx  HOLD      an operator's mistake: credentials, tenant, URL
260, other 2xx                 HOLD      it looks like success and stored nothing (260: ingestion is blocked)
============================== ========= ===========================================================================

No answer at all (a timeout, a refused or broken connection) is RETRY; TLS that does not verify is HOLD.
:mod:`kigeon.senders.loki.refusals` reads what a text says about streams and lines.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from kigeon.errors import shorten
from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.loki.cures import limit_cure
from kigeon.senders.loki.refusals import read_invalid, read_stream_refusal

_VERDICTS = {204: PushStatus.DELIVERED, 200: PushStatus.DELIVERED, 429: PushStatus.RETRY, 413: PushStatus.SPLIT}

_TOO_LARGE = ("larger than max", "trying to send message larger")
"""gRPC's words where the message that Loki's distributor makes from a push is too large: a status 500."""

_HELD = (
    (
        "structured metadata, but this feature is disallowed",
        "allow it in Loki (limits_config.allow_structured_metadata, schema v13), or configure `structuredMetadata: []`",
    ),
    ("ingestion blocked", "Loki's operator has blocked this tenant's ingestion"),
    ("unsupported character", "correct tenantID"),
    ("tenant ID is", "correct tenantID"),
    ("HTTP request was sent to HTTPS port", "begin the url with https://"),
    ("HTTP request to an HTTPS server", "begin the url with https://"),
)
"""Parts of answers that concern every event, and what cures them."""

_CURES = {
    401: "check basicAuth and tenantID",
    403: "check basicAuth and tenantID",
    404: "check url: /loki/api/v1/push is appended to it",
    405: "check url: the server there is not Loki",
    415: "the server there takes no protobuf: configure `encoding: json`",
}


def answer_of(status: int, body: bytes, retry_after: str | None = None) -> Answer:
    """Return what a response means; its shortened body is the reason."""
    text = body.decode("utf-8", "replace")
    reason = f"{status} {shorten(text)}".rstrip()
    wait = seconds_of(retry_after)
    for part, cure in _HELD if status not in (200, 204) else ():
        if part in text:
            return Answer(PushStatus.HOLD, reason, wait, cure)
    if status in (400, 429) and (refusal := read_stream_refusal(text)):
        return Answer(PushStatus.STREAM, reason, wait, limit_cure(text), refusals=(refusal,))
    if status == 400:
        return Answer(PushStatus.INVALID, reason, wait, limit_cure(text), refusals=read_invalid(text))
    if any(part in text for part in _TOO_LARGE):
        return Answer(PushStatus.SPLIT, reason, wait)
    verdict = _VERDICTS.get(status, PushStatus.RETRY if status >= 500 else PushStatus.HOLD)
    cure = _CURES.get(status, "") or limit_cure(text)
    return Answer(verdict, reason, wait, cure, concerns_all=status >= 500)


def seconds_of(retry_after: str | None, now: datetime | None = None) -> float | None:
    """Return a Retry-After header, a number of seconds or an HTTP date, in seconds; None when it is neither."""
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
