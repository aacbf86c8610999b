"""Bodies and errors of the API server's answers, and the exceptions that reading an answer may raise."""

from __future__ import annotations

import urllib3

from kigeon.errors import KubernetesError, Unauthorized, shorten
from kigeon.kube.lines import continue_token_of

MAX_ERROR_BYTES = 4096
CHUNK = 1024 * 1024

READ_ERRORS = (urllib3.exceptions.HTTPError, OSError, ValueError, OverflowError)
"""What reading a body raises; ValueError and OverflowError come of a chunk whose size is negative or missing."""


def read_all(path: str, response: urllib3.BaseHTTPResponse) -> bytes:
    """Return the whole body, and release the connection. Raises :class:`KubernetesError`."""
    try:
        # Read in pieces, since a Content-Length that claims to be enormous must not be allocated at once.
        # stream() decodes a chunked body only where decode_content is given.
        return b"".join(response.stream(CHUNK, decode_content=True))
    except READ_ERRORS as error:
        raise KubernetesError(f"reading {path} failed: {shorten(str(error))}") from error
    finally:
        response.release_conn()


def error_of(path: str, response: urllib3.BaseHTTPResponse, method: str = "GET") -> KubernetesError:
    """Return the error that a *response* other than 2xx stands for; its body is read and its connection released."""
    try:
        body = bytes(response.read(MAX_ERROR_BYTES))
    except READ_ERRORS:
        body = b""
    if len(body) < MAX_ERROR_BYTES:
        response.release_conn()
    else:
        # Keeping the connection is not worth reading the rest of the body, which may have no end.
        response.close()
    message = f"{method} {path}: {response.status} {shorten(body)}"
    retry_after = response.headers.get("Retry-After", "")
    seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
    if response.status == 401:
        return Unauthorized(message, 401, seconds)
    return KubernetesError(message, response.status, seconds, continue_token_of(body) if response.status == 410 else "")
