"""What is read back from JetStream, damaged: envelopes, positions, the records and headers beside them.

Nothing but the documented error may be raised, and what is read must be such that it can be worked with and written
again: one that can not would end its reader at every start.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import orjson

from kigeon.errors import UnreadableEnvelope, UnreadablePosition
from kigeon.events.checkpoint import WatcherCheckpoint, read_checkpoint, write_checkpoint
from kigeon.events.envelope import Headers, pack, read_headers, unpack, write_headers
from kigeon.events.occurrence import DIGEST_SIZE
from kigeon.queue.log import checkpoint as settled
from kigeon.queue.log import compaction
from kigeon.queue.log import end as log_end
from kigeon.queue.log.protocol import LogEnd
from kigeon.queue.stores import dead_letter, outcomes, retry
from kigeon.senders.progress.envelope import EnvelopeProgress, Position
from kigeon.senders.progress.ledger import Ledger
from kigeon.senders.progress.outcome import Outcome
from kigeon.senders.progress.position import read_position, write_position
from tests.fuzz.account import Account
from tests.fuzz.lines import LineMaker
from tests.fuzz.mutate import Mutator

MARK = WatcherCheckpoint("a1b2c3d4e5f6", 9, 3, 2, 1795421167.256, 7200.0)
LARGEST = 2**63


def envelopes(seed: int, count: int) -> Account:
    """Open *count* damaged envelopes."""
    random = Random(seed)
    mutator, maker = Mutator(random), LineMaker(random)
    account = Account({"damaged envelopes": count, "refused": 0})
    for _ in range(count):
        events = [maker.item() for _ in range(random.randrange(1, 20))]
        envelope = pack(events, random.randbytes(DIGEST_SIZE * len(events)), str(random.getrandbits(40)))
        headers = write_headers(envelope, random.randrange(1, 10**12), "writer", MARK)
        _open(account, events, mutator.damaged(envelope.payload), _damaged(mutator, headers))
    return account


def _open(account: Account, events: list[bytes], payload: bytes, headers: dict[str, str]) -> None:
    try:
        found = unpack(payload)
        # A checksum tells damage; only where it is itself what was damaged away may the rest be as it was.
        if found != events:
            account.wrong.append(f"damage that was not noticed: {payload!r}")
    except UnreadableEnvelope:
        account.figures["refused"] += 1
    except Exception as error:  # noqa: BLE001 - that it raises nothing else is what is looked at
        account.wrong.append(f"{error!r}: {payload[:300]!r}")
    try:
        _check_headers(read_headers(headers))
    except UnreadableEnvelope:
        account.figures["refused"] += 1
    except Exception as error:  # noqa: BLE001
        account.wrong.append(f"{error!r}: {str(headers)[:1000]}")


def _check_headers(headers: Headers) -> None:
    assert headers.count * DIGEST_SIZE == len(headers.digests)
    assert 0 < headers.first < LARGEST
    _check_mark(headers.checkpoint)


def _check_mark(mark: WatcherCheckpoint) -> None:
    assert all(0 <= count < LARGEST for count in (mark.batch, mark.repeated, mark.unreadable))
    assert 0 <= mark.watched_until < 1e12
    # JetStream holds nanoseconds in 64 bits.
    assert 0 <= mark.lifetime < 9e9
    written = write_checkpoint(mark)
    assert write_checkpoint(read_checkpoint(written)) == written


def _damaged(mutator: Mutator, headers: dict[str, str]) -> dict[str, str]:
    """Return *headers* with one or two of them damaged, or gone."""
    found = dict(headers)
    for name in mutator.random.sample(sorted(headers), 2):
        chance = mutator.random.random()
        if chance < 0.1:
            del found[name]
        elif chance < 0.5:
            found[name] = mutator.damaged(found[name].encode()).decode("utf-8", "replace")
        else:
            found[name] = mutator.value().decode("utf-8", "replace").strip('"')
    return found


def _position(record: bytes) -> None:
    ledger = Ledger(read_position(record))
    ledger.balance(Outcome.EVICTED)
    ledger.envelopes.admit(max(ledger.envelopes.read_from, 1), 1, 3, 0.0)
    ledger.retry.restore(1, 2)
    ledger.retry.load(EnvelopeProgress(1, 1, 2, offsets=(1, 2)))
    assert ledger.envelopes.open_events >= 0
    assert all(count >= 0 for count in ledger.counts.values())
    read_position(write_position(ledger.position()))


def _covered(record: bytes) -> None:
    found = compaction._read_covered(record)
    assert 0 <= found.log_end.sequence < LARGEST
    assert 0 < found.log_end.next_offset < LARGEST
    assert 0 <= found.seen < LARGEST
    assert 0 < found.whole < LARGEST
    written = compaction._write_covered(found)
    assert compaction._write_covered(compaction._read_covered(written)) == written


def _settled(record: bytes) -> None:
    _, mark = settled._read(record)
    _check_mark(mark)


def _outcomes(record: bytes) -> None:
    noted = outcomes.read_noted(record, 1)
    if noted is not None:
        assert all(0 < first <= last for first, last, _, _ in noted.ranges)
        orjson.dumps([noted.ranges, noted.letters])


POSITION = Position(
    42,
    9001,
    501,
    [EnvelopeProgress(40, 8500, 3, 5), EnvelopeProgress(41, 8503, 2)],
    9,
    {7: 63},
    {Outcome.SENT: 8400, Outcome.FILTERED: 99},
)
RECORDS: dict[str, tuple[bytes, Callable[[bytes], Any]]] = {
    "positions": (write_position(POSITION), _position),
    "positions as the tail reads them": (write_position(POSITION), lambda record: log_end._offset_in(record)),
    "covered records": (
        compaction._write_covered(compaction.Covered(LogEnd(7, 9001, "812", MARK), 9, 2)),
        _covered,
    ),
    "settled records": (orjson.dumps({"number": 9001, "mark": write_checkpoint(MARK)}), _settled),
    "outcomes": (b'[["filtered","the namespace filter",[[17,25],[31,31]]],["dropped","x",[[26,26],"e3"]]]', _outcomes),
}
RETRY = {"Kigeon-Format": "1", "Kigeon-Key": "hook", "Kigeon-Numbers": "17,18,20", "Kigeon-Stored-At": "1795421167.25"}
LETTER = {
    "Kigeon-Format": "1",
    "Kigeon-Reason": "too old",
    "Kigeon-Sequence": "7",
    "Kigeon-Time": "2026-01-01T00:00:00Z",
}
SEEN = {compaction.NUMBERS: "17:3,25:2"}


def _retry(headers: dict[str, str]) -> None:
    found = retry._read(1, headers, 0.0)
    if found.problem:
        raise UnreadableEnvelope(found.problem)
    assert found.offsets
    assert all(0 < number < LARGEST for number in found.offsets)
    assert 0 <= found.stored_at < 1e12


def _letter(headers: dict[str, str]) -> None:
    found = dead_letter._letter(f"kigeon.dead-letter.a.{headers.get('Kigeon-Sequence', '')}", headers, b"")
    assert 0 <= found.sequence < LARGEST
    assert found.offset is None or found.offset < LARGEST
    assert found.event() is None


HEADERS: dict[str, tuple[dict[str, str], Callable[[dict[str, str]], Any]]] = {
    "headers of the retry stream": (RETRY, _retry),
    "headers of the dead-letter stream": (LETTER, _letter),
    "headers of the seen stream": (SEEN, lambda headers: list(compaction.seen_runs(headers, bytes(40)))),
}


def records(seed: int, count: int) -> Account:
    """Read *count* damaged records of each kind."""
    random = Random(seed)
    mutator = Mutator(random)
    account = Account({"damaged records": 0, "refused": 0})
    for _ in range(count):
        for name, (record, use) in RECORDS.items():
            damaged = mutator.damaged(record) if random.random() < 0.4 else mutator.json(json.loads(record))
            _try(account, name, use, damaged)
        for name, (headers, use_headers) in HEADERS.items():
            found = _damaged(mutator, headers) if len(headers) > 1 else {compaction.NUMBERS: _spans(mutator)}
            _try(account, name, use_headers, found)
    return account


def _spans(mutator: Mutator) -> str:
    return mutator.damaged(SEEN[compaction.NUMBERS].encode()).decode("utf-8", "replace")


def _try(account: Account, name: str, use: Callable[[Any], Any], damaged: Any) -> None:
    account.figures["damaged records"] += 1
    try:
        use(damaged)
    except (UnreadablePosition, UnreadableEnvelope):
        account.figures["refused"] += 1
    except Exception as error:  # noqa: BLE001 - that it raises nothing else is what is looked at
        account.wrong.append(f"{name}: {error!r}"[:300] + f": {str(damaged)[:300]}")
