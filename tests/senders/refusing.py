"""A sink that refuses."""

from collections.abc import Sequence

from kigeon.senders.entry import Answer, PushStatus
from kigeon.senders.loki.entry import LokiDestination, LokiEntry
from tests.support.sending import HangingSink


class RefusingSink(HangingSink):
    """What would hang is refused instead."""

    def push(self, destination: LokiDestination, entries: Sequence[LokiEntry]) -> Answer:
        if destination.tenant_id and not self.answering.is_set():
            return Answer(PushStatus.RETRY, "told to")
        return super().push(destination, entries)
