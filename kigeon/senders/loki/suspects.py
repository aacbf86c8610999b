"""Finds the refused event where the answer does not name it: the push is divided, and parking needs evidence.

An event that is refused alone is *accused*. It is parked if the destination takes other events after that, and then
refuses it alone once more. If several events in a row are refused alone, the destination is at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from kigeon.senders.delivery.lane import Item
from kigeon.senders.delivery.planner import PushResult
from kigeon.senders.entry import Answer, PushStatus

CALM_AFTER = 60.0
"""Seconds after a refusal until unproven streams may share a push with others again."""

SUSPICIOUS = 2
"""Events refused alone in a row, for no known reason, after which the destination is at fault."""


class Suspects:
    """What one destination refused alone and took lately."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._answers = 0
        self._took_last = 0
        self._lone = 0
        self.took_at = -inf
        """When the destination took an event last, on the monotonic clock."""

    @property
    def is_destination_suspicious(self) -> bool:
        """Whether the destination itself seems to be at fault."""
        return self._lone >= SUSPICIOUS

    def answered(self) -> None:
        """Note that there was an answer."""
        self._answers += 1

    def took(self) -> None:
        """Note that by the last answer the destination took an event."""
        self.took_at, self._took_last, self._lone = self._clock(), self._answers, 0

    def took_others_since(self, accused: Item) -> bool:
        """Whether the destination took anything since an event was refused alone."""
        return self._took_last > accused.accused_at

    def narrow_down(self, push: Sequence[Item], answer: Answer) -> PushResult:
        """Divide *push*, of which an unknown part is refused: one event alone first; where others are taken, halves."""
        if len(push) == 1:
            self._lone += 1
            return self._accuse(push[0], answer)
        if self.is_destination_suspicious:
            return PushResult(away=list(push), is_hopeless=True)
        result = PushResult()
        if answer.status is PushStatus.SPLIT or (self._lone == 0 and self._clock() - self.took_at < CALM_AFTER):
            result.pieces = _halves(push)
        else:
            result.pieces = [list(push[:1]), list(push[1:])]
        return result

    def _accuse(self, item: Item, answer: Answer) -> PushResult:
        """Park an event that was refused alone before and after others were taken; otherwise accuse it."""
        if item.accused_for and self.took_others_since(item):
            return PushResult(parked=[(item, answer.reason)])
        item.accused_at, item.accused_for = self._answers, answer.reason
        return PushResult(accused=[item], is_hopeless=self.is_destination_suspicious)


def _halves(push: Sequence[Item]) -> list[list[Item]]:
    middle = max(len(push) // 2, 1)
    return [list(half) for half in (push[:middle], push[middle:]) if half]
