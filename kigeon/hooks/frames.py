"""The frames that a hook's worker and its parent exchange: length (four bytes, big-endian), kind (one byte), payload.

==== ========= =================================================================================================
kind direction payload
==== ========= =================================================================================================
L    to worker JSON: what to load — name, source, config, timeout
E    to worker an event as JSON: call transform with it
R    from      the script is loaded
X    from      the script can't be loaded: the message
S    from      transform returned the config unchanged
N    from      transform returned None
C    from      transform returned another config, as JSON
F    from      transform failed: the message
T    from      transform took too long
V    from      transform returned what is no config: the message
P    from      the script printed a line
==== ========= =================================================================================================

The worker imports this module too, so this module needs nothing but the standard library.
"""

MAX_FRAME = 16 * 1024 * 1024
"""Most bytes of a payload that the parent accepts; a worker that sends more is broken."""

LOAD, EVENT = b"L", b"E"
READY, UNLOADABLE = b"R", b"X"
SAME, NONE, CONFIG, FAILED, TIMED_OUT, INVALID = b"S", b"N", b"C", b"F", b"T", b"V"
PRINTED = b"P"


def encode(kind: bytes, payload: bytes = b"") -> bytes:
    """Return a frame."""
    return len(payload).to_bytes(4, "big") + kind + payload


class BrokenStream(Exception):
    """The other side sent what is no frame."""


class Decoder:
    """Cuts a stream of bytes into frames."""

    def __init__(self, most: int = MAX_FRAME) -> None:
        self._most = most
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Return the frames that *data* completes, as kind and payload; :class:`BrokenStream` for too large a one."""
        self._buffer += data
        frames = []
        start = 0
        while len(self._buffer) - start >= 5:
            size = int.from_bytes(self._buffer[start : start + 4], "big")
            if size > self._most:
                raise BrokenStream(f"a frame of {size} bytes")
            end = start + 5 + size
            if len(self._buffer) < end:
                break
            frames.append((bytes(self._buffer[start + 4 : start + 5]), bytes(self._buffer[start + 5 : end])))
            start = end
        del self._buffer[:start]
        return frames
