"""Nothing is acknowledged, and no event is handed to a sender, before it is on the disk."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kigeon.standin.apiserver import ApiServer
from tests.faults.store.broker import Stored
from tests.faults.store.tracing import Trace, traced
from tests.support.events import make_event
from tests.support.kigeon import loki_sender
from tests.support.loki import Loki
from tests.support.names import DEAD_LETTER, EVENTS, OUTCOMES, SEEN, STATE, retry_stream

pytestmark = pytest.mark.timeout(300)

BUCKET = f"KV_{STATE}"

WAITS = """
def transform(config, event):
    if event["metadata"]["uid"].endswith("3"):
        fail("not yet")
    return config
"""


def lifelike(number: int) -> dict[str, Any]:
    """Return an event; some are too long for Loki."""
    return make_event(number, message="x" * (3000 if number % 100 == 77 else 30))


def test_envelopes_positions_dead_letters_retries_and_digests(tmp_path: Path, api: ApiServer, loki: Loki) -> None:
    script = tmp_path / "waits.star"
    script.write_text(WAITS)
    loki.limits.max_line = 2000
    sender = loki_sender(loki, hook={"script": str(script), "onError": "fail", "timeout": "1s"})
    with Stored(tmp_path, api, [sender]) as kigeon:
        kigeon.wait_until_accounted("watcher", lists=1)
        path = tmp_path / "trace"
        with traced(kigeon.server(), path):
            for start in range(0, 45000, 500):
                api.put_events([lifelike(number) for number in range(start, start + 500)])
            kigeon.wait_until_accounted("sender/loki", 90, sent=40050, parked=450)
            kigeon.wait_until_compacted()
    trace = Trace(path)
    acknowledged = Counter(stream for stream, _ in trace.acknowledged)
    assert acknowledged.keys() == {EVENTS, SEEN, retry_stream("loki"), DEAD_LETTER, OUTCOMES, BUCKET}
    assert acknowledged[DEAD_LETTER] == 450
    assert acknowledged[BUCKET] >= 10
    assert [message for message, was_durable in trace.acknowledged.items() if not was_durable] == []
    delivered = {message: was_durable for message, was_durable in trace.delivered.items() if message[0] == EVENTS}
    assert len(delivered) >= acknowledged[EVENTS]
    assert all(delivered.values())
