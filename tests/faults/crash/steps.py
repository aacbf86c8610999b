"""Every step of an event's way that changes durable state: where it is taken, and what makes it be taken."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Trigger(Enum):
    """What a test does for a step to be taken."""

    FLOW = "events flow; two of a hook's destinations are away, some lines are refused, some events are skipped"
    RELIST = "the watch expires: everything is listed again, and nothing of it is new"
    HEAL = "the destination that was away comes back"
    REPLAY = "an operator replays what was parked; Loki takes it now"
    STOP = "it is told to stop: digests are compacted"


@dataclass(frozen=True, slots=True)
class Step:
    """*call* is the function that takes it, *about* a text in its arguments."""

    name: str
    call: str
    about: str
    trigger: Trigger = Trigger.FLOW
    nth: tuple[int, ...] = (1,)


STEPS = (
    Step("envelope stored", "publish", "'kigeon.events'", nth=(1, 2)),
    Step("answer to the Watcher", "_report", "Stored", nth=(1, 2)),
    Step("why events were not sent", "publish", "'kigeon.outcomes.loki'"),
    Step("position written", "publish", "'$KV.kigeon-state.position.loki'", nth=(1, 3)),
    Step("dead letter written", "publish", "'kigeon.dead-letter.loki.", nth=(1, 3)),
    Step("retry written", "publish", "'kigeon.retry.loki.", nth=(1, 2)),
    Step("retry deleted", "delete_msg", "'kigeon-retry-loki'", Trigger.HEAL),
    Step("books settled", "publish", "'$KV.kigeon-state.queue.settled'", Trigger.RELIST),
    Step("dead letter replayed", "publish", "'Kigeon-Key': 'replay'", Trigger.REPLAY),
    Step("dead letter deleted", "purge_stream", "'kigeon-dead-letter'", Trigger.REPLAY, nth=(1, 3)),
    Step("digests compacted", "publish", "'kigeon.seen'", Trigger.STOP),
    Step("compaction recorded", "publish", "'$KV.kigeon-state.queue.covered'", Trigger.STOP),
)

CASES = [(step, when, nth) for step in STEPS for when in ("before", "after") for nth in step.nth]
