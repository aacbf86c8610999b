"""JetStream's error codes that kigeon acts upon.

Names and numbers come from nats-server's ``server/errors.json``; the names lack their ``JS`` and ``Err``.
"""

from __future__ import annotations

from enum import IntEnum


class ErrorCode(IntEnum):
    """The ``err_code`` of an answer to a request to JetStream's API, or to a publish."""

    CLUSTER_NOT_AVAILABLE = 10008
    """The server knows no leader: it is parted from the others, or there are too few of them."""
    NO_MESSAGE_FOUND = 10037
    SEQUENCE_NOT_FOUND = 10043
    STREAM_MSG_DELETE_FAILED = 10057
    STREAM_NAME_EXIST = 10058
    """A stream exists with another configuration."""
    STREAM_NOT_FOUND = 10059
    STREAM_WRONG_LAST_SEQUENCE = 10071
    """The expected last sequence is not the last, because another client has written."""
    STREAM_WRONG_LAST_SEQUENCE_CONSTANT = 10164
    """The same from a cluster that has not agreed on an earlier write yet, so that the last writer is not known."""
    STREAM_STORE_FAILED = 10077
    """The server can't store a message, above all because a stream that discards nothing is full."""


NOTHING_TO_DELETE = (
    ErrorCode.NO_MESSAGE_FOUND,
    ErrorCode.SEQUENCE_NOT_FOUND,
    ErrorCode.STREAM_MSG_DELETE_FAILED,
)
"""Codes for a message to delete that is missing, in the midst of a stream, at its end, or before its first."""
