"""The envelope: one JetStream message that holds one batch of Events.

The payload is the zstd-compressed, newline-joined JSON of the raw objects as the API server wrote them; the
headers hold what is needed without unpacking it. So events, their digests and the place in the watch become
durable in one step. Headers (all text):

===========================  ========================================================================
``Kigeon-Format``            ``1``
``Kigeon-Count``             how many events are in it, at least 1
``Kigeon-Digests``           base64 of their digests in order, eight bytes each
``Kigeon-First``             the offset of the first, from 1; the others follow
``Kigeon-Resource-Version``  where to resume the watch after it; inside a list the version that it doubts, if any
``Kigeon-Writer``            which process wrote it: tells one's own publish from a stranger's
``Kigeon-Mark``              the Watcher's books up to it: :mod:`kigeon.events.checkpoint`
===========================  ========================================================================
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

import zstandard

from kigeon.errors import UnreadableEnvelope
from kigeon.events.checkpoint import WatcherCheckpoint, read_checkpoint, write_checkpoint
from kigeon.events.occurrence import DIGEST_SIZE

ENVELOPE_FORMAT = "1"
EMPTY = WatcherCheckpoint()
MOST_OFFSET = 10**17
"""An offset that is larger was never given out: it is damage."""

MAX_UNPACKED_BYTES = 64 * 1024 * 1024
"""No envelope that kigeon writes unpacks to more: a damaged one must not fill the memory."""

# One of each per process: both keep megabytes of work space, and no two threads may share them. The checksum finds
# flipped bits.
_compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)
_decompressor = zstandard.ZstdDecompressor()
_compressing, _decompressing = Lock(), Lock()


@dataclass(frozen=True, slots=True)
class Envelope:
    """A batch of Events, packed. ``resource_version`` is empty when the batch ends inside a list."""

    # Left out of the repr: Thespian formats the repr of every message that it sends.
    payload: bytes = field(repr=False)
    digests: bytes = field(repr=False)
    resource_version: str = ""

    @property
    def count(self) -> int:
        """How many events are in it."""
        return len(self.digests) // DIGEST_SIZE


@dataclass(frozen=True, slots=True)
class Headers:
    """What the headers of a stored envelope say."""

    count: int
    first: int
    digests: bytes
    resource_version: str
    writer: str
    checkpoint: WatcherCheckpoint = EMPTY


def pack(events: Sequence[bytes], digests: bytes, resource_version: str = "") -> Envelope:
    """Pack raw Event objects (JSON without a newline) and their digests, in the same order."""
    with _compressing:
        payload = _compressor.compress(b"\n".join(events))
    return Envelope(payload, digests, resource_version)


def unpack(payload: bytes) -> list[bytes]:
    """Return the raw Event objects in *payload*; :class:`UnreadableEnvelope` when it is damaged."""
    try:
        size = zstandard.frame_content_size(payload)
        if not 0 < size <= MAX_UNPACKED_BYTES:
            raise UnreadableEnvelope(f"the envelope claims to unpack to {size} bytes")
        with _decompressing:
            unpacked = _decompressor.decompress(payload, max_output_size=MAX_UNPACKED_BYTES)
    except zstandard.ZstdError as error:
        raise UnreadableEnvelope(f"the envelope does not unpack: {error}") from error
    return unpacked.split(b"\n")


def keep(envelope: Envelope, indexes: Iterable[int]) -> Envelope:
    """Return *envelope* with only the events at *indexes*; the place in the watch stays."""
    events = unpack(envelope.payload)
    chosen = list(indexes)
    digests = b"".join(envelope.digests[i * DIGEST_SIZE : (i + 1) * DIGEST_SIZE] for i in chosen)
    return pack([events[i] for i in chosen], digests, envelope.resource_version)


def write_headers(envelope: Envelope, first: int, writer: str, checkpoint: WatcherCheckpoint = EMPTY) -> dict[str, str]:
    """Return the headers for storing *envelope* with *first* as its first offset."""
    return {
        "Kigeon-Format": ENVELOPE_FORMAT,
        "Kigeon-Count": str(envelope.count),
        "Kigeon-Digests": b64encode(envelope.digests).decode("ascii"),
        "Kigeon-First": str(first),
        "Kigeon-Resource-Version": envelope.resource_version,
        "Kigeon-Writer": writer,
        "Kigeon-Mark": write_checkpoint(checkpoint),
    }


def read_headers(headers: Mapping[str, str] | None) -> Headers:
    """Read what :func:`write_headers` wrote; :class:`UnreadableEnvelope` says which header is wrong."""
    found = headers or {}
    if found.get("Kigeon-Format") != ENVELOPE_FORMAT:
        raise UnreadableEnvelope(
            f"Kigeon-Format is {found.get('Kigeon-Format')!r}, this kigeon reads {ENVELOPE_FORMAT!r}"
        )
    try:
        digests = b64decode(found.get("Kigeon-Digests", ""), validate=True)
    except ValueError as error:
        raise UnreadableEnvelope("Kigeon-Digests is no base64") from error
    count = _positive(found, "Kigeon-Count")
    if len(digests) != count * DIGEST_SIZE:
        raise UnreadableEnvelope(f"Kigeon-Digests has {len(digests)} bytes for {count} events")
    return Headers(
        count,
        _positive(found, "Kigeon-First"),
        digests,
        found.get("Kigeon-Resource-Version", "").strip(),
        found.get("Kigeon-Writer", ""),
        read_checkpoint(found.get("Kigeon-Mark", "")),
    )


def declared_count(headers: Mapping[str, str] | None) -> int:
    """Return how many events the headers of an envelope say that it holds; 0 where they can't be read."""
    return natural((headers or {}).get("Kigeon-Count", "")) or 0


def _positive(headers: Mapping[str, str], name: str) -> int:
    value = headers.get(name, "")
    found = natural(value)
    if not found:
        raise UnreadableEnvelope(f"{name} is {value[:40]!r}, not a positive number")
    return found


def natural(text: str) -> int | None:
    """Return the number that *text* is, of at most 18 digits; None where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
