"""What JetStream answers with when it does not do what it was asked for: the codes that kigeon acts upon.

Names and numbers are those of nats-server's ``server/errors.json``, without their ``JS`` and ``Err``.
"""

from __future__ import annotations

from enum import IntEnum


class ErrorCode(IntEnum):
    """``err_code`` of an answer of JetStream's API, or of a publish."""

    CLUSTER_NOT_AVAILABLE = 10008
    """The server knows no leader: it is parted from the others, or there are too few of them."""
    NO_MESSAGE_FOUND = 10037
    SEQUENCE_NOT_FOUND = 10043
    STREAM_MSG_DELETE_FAILED = 10057
    STREAM_NAME_EXIST = 10058
    """A stream exists with another configuration."""
    STREAM_NOT_FOUND = 10059
    STREAM_WRONG_LAST_SEQUENCE = 10071
    """The expected last sequence is not the last: somebody else has written."""
    STREAM_WRONG_LAST_SEQUENCE_CONSTANT = 10164
    """The same, of a cluster that has not agreed on an earlier write yet: who has written last is not known."""
    STREAM_STORE_FAILED = 10077
    """Above all: a stream that discards nothing has no room for a message."""


NOTHING_TO_DELETE = (
    ErrorCode.NO_MESSAGE_FOUND,
    ErrorCode.SEQUENCE_NOT_FOUND,
    ErrorCode.STREAM_MSG_DELETE_FAILED,
)
"""What is answered when a message that is to be deleted is not there: in the midst of a stream or at its end, or before
its first."""
