"""What a process does to its files and its connections, in order: strace, and what a trace proves."""

from __future__ import annotations

import codecs
import re
import shutil
import signal
import struct
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CALLS = "write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync"

_LINE = re.compile(r"^(\d+) +(?:<\.\.\. (?P<resumed>\w+) resumed>|(?P<call>\w+)\((?P<rest>.*))", re.DOTALL)
_BLOCK = re.compile(r"^\d+<.*/streams/(?P<stream>[^/]+)/msgs/\d+\.blk>")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ACK = re.compile(rb'\{"stream":"([^"]+)", ?"seq":(\d+)')
_DELIVERY = re.compile(rb"\$JS\.ACK\.([^.]+)\.[^.]+\.\d+\.(\d+)\.")

Message = tuple[str, int]
"""A stream and a sequence in it."""


@contextmanager
def traced(pid: int, path: Path) -> Iterator[None]:
    """Have strace write to *path* what *pid* does, for the length of a block; skip the test where it may not."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    command = ["strace", "-f", "-y", "-s", "1000000", "-e", f"trace={CALLS}", "-o", str(path), "-p", str(pid)]
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        assert tracer.stderr is not None
        said = tracer.stderr.readline().decode()
        if "attached" not in said:
            pytest.skip(f"tracing is not permitted here: {said.strip()}")
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate()


class Trace:
    """Reads a trace. ``acknowledged`` and ``delivered`` hold, for each message that was, whether it was durable then.

    Durable is what was written by a call that had returned before an fsync of that file began, which itself had
    returned with 0.
    """

    def __init__(self, path: Path) -> None:
        self.acknowledged: dict[Message, bool] = {}
        self.delivered: dict[Message, bool] = {}
        self._written: defaultdict[str, set[int]] = defaultdict(set)
        self._durable: defaultdict[str, set[int]] = defaultdict(set)
        self._under_way: dict[str, tuple[str, str, set[int]]] = {}
        for line in path.read_text(errors="surrogateescape").splitlines():
            self._take(line)

    def _take(self, line: str) -> None:
        found = _LINE.match(line)
        if found is None:
            return
        pid = found[1]
        if found["call"]:
            self._begin(pid, found["call"], found["rest"])
        if not line.endswith("<unfinished ...>") and pid in self._under_way:
            self._end(*self._under_way.pop(pid), line.endswith(" = 0"))

    def _begin(self, pid: str, call: str, rest: str) -> None:
        block = _BLOCK.match(rest)
        if block and call in ("fsync", "fdatasync"):
            self._under_way[pid] = (call, block["stream"], set(self._written[block["stream"]]))
        elif block:
            self._under_way[pid] = (call, block["stream"], set(_sequences(_data(rest))))
        elif ("socket:" in rest or "TCP:" in rest) and ('\\"stream\\":' in rest or "$JS.ACK." in rest):
            self._sent(_data(rest))

    def _end(self, call: str, stream: str, sequences: set[int], is_zero: bool) -> None:
        if not call.endswith("sync"):
            self._written[stream] |= sequences
        elif is_zero:
            self._durable[stream] |= sequences

    def _sent(self, data: bytes) -> None:
        for pattern, messages in ((_ACK, self.acknowledged), (_DELIVERY, self.delivered)):
            for stream, sequence in pattern.findall(data):
                message = stream.decode(), int(sequence)
                messages.setdefault(message, message[1] in self._durable[message[0]])


def _data(rest: str) -> bytes:
    return b"".join(codecs.escape_decode(text.encode("latin-1"))[0] for text in _TEXT.findall(rest))


def _sequences(records: bytes) -> Iterator[int]:
    """Yield the sequence of each record: its length (the highest bits are flags) and its sequence come first."""
    while len(records) >= 12:
        length, sequence = struct.unpack_from("<IQ", records)
        yield sequence
        records = records[length & 0x3FFFFFFF :]
