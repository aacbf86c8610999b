"""What a move has to do, by the marks of both ends and by what they hold. Pure.

::

    source      target       then
    none, here  empty        copy
    leaving     empty        copy, anew: an earlier try ended
    leaving     arriving     copy, anew, where both are marks of the same move
    leaving     beginning    copy, anew
    moved       arriving     compare, and finish, where both are marks of the same move
    moved       here         nothing: it is done
    here        moved        copy: it goes back to where it came from; what was left there is deleted

Anything else is refused: at the target lies what may be somebody's, or the source is not the valid end.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kigeon.errors import MoveRefused
from kigeon.queue.broker.mark import Mark, MoveState, why_unusable


class Step(StrEnum):
    """With what a move begins."""

    COPY = "copy"
    FINISH = "finish"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Found:
    """An end as it was found. ``place`` names it for people, ``holds`` is whether there is a stream of the queue.

    ``has_begun`` is whether nothing is there but the beginning of a stream, which has no mark yet.
    """

    place: str
    mark: Mark | None
    holds: bool
    has_begun: bool = False

    @property
    def state(self) -> MoveState | None:
        """What its mark says; None where it has none."""
        return self.mark.state if self.mark is not None else None


@dataclass(frozen=True, slots=True)
class Plan:
    """The first step, the id of the move, and that of the move before by which the queue came to the source."""

    step: Step
    id: str
    follows: str = ""


def decide(source: Found, target: Found, new_id: str) -> Plan:
    """Return what is to be done; raises :class:`MoveRefused` with the place and the cure."""
    if source.mark is not None and source.state is MoveState.MOVED:
        return _gone_on_with(source, source.mark, target)
    if source.state in (MoveState.ARRIVING, MoveState.UNREADABLE):
        said, cure = why_unusable(source.mark, shared=True)
        raise MoveRefused(f"{source.place}: {said}: {cure}")
    if not source.holds:
        raise MoveRefused(f"{source.place} holds no queue, nothing is to be moved: check what the configuration names")
    mark = source.mark
    follows = "" if mark is None else mark.id if mark.state is MoveState.HERE else mark.follows
    if mark is not None and mark.state is MoveState.LEAVING:
        return _begun_before(mark, target)
    _check_room(target, follows)
    return Plan(Step.COPY, new_id, follows)


def undo(source: Found, target: Found) -> Mark:
    """Return the source's mark, where its move can be given up; raises :class:`MoveRefused`."""
    if source.mark is None or source.state not in (MoveState.LEAVING, MoveState.MOVED):
        raise MoveRefused(f"{source.place}: no move has begun here: nothing is to be undone")
    if target.mark is not None and target.state is MoveState.ARRIVING and target.mark.id == source.mark.id:
        return source.mark
    if source.state is MoveState.LEAVING:
        # Nothing of this move is at the target: whatever lies there is left alone.
        return source.mark
    raise MoveRefused(
        f"{source.place}: the move to {source.mark.other} was finished: move the queue back instead of undoing the move"
    )


def _gone_on_with(source: Found, mark: Mark, target: Found) -> Plan:
    """Return what is to be done where the source has been given up already."""
    if target.mark is not None and target.mark.id == mark.id:
        if target.state is MoveState.ARRIVING:
            return Plan(Step.FINISH, mark.id, mark.follows)
        if target.state is MoveState.HERE:
            return Plan(Step.NOTHING, mark.id)
    raise MoveRefused(
        f"{source.place}: its queue was moved at {mark.at} to {mark.other}, and {target.place} is not that or has gone "
        "on to move: move it from where it is now"
    )


def _begun_before(mark: Mark, target: Found) -> Plan:
    """Return what is to be done where an earlier try has not come far."""
    if target.has_begun or (
        target.mark is not None and target.state is MoveState.ARRIVING and target.mark.id == mark.id
    ):
        return Plan(Step.COPY, mark.id, mark.follows)
    _check_room(target, mark.follows)
    return Plan(Step.COPY, mark.id, mark.follows)


def _check_room(target: Found, follows: str) -> None:
    """Refuse a target in which something lies that is not known to be old."""
    if not target.holds and target.mark is None:
        return
    mark = target.mark
    if mark is not None and mark.state is MoveState.MOVED and follows and mark.id == follows:
        return
    if mark is not None and mark.state is MoveState.ARRIVING:
        said, cure = f"an unfinished move from {mark.other} lies there", "finish or undo that move first"
    elif mark is not None and mark.state is MoveState.MOVED:
        said = f"a queue lies there that was moved to {mark.other}, and it is not that one which would come now"
        cure = "delete it where it is not needed"
    else:
        said, cure = "a queue lies there already", "move into an empty place, or delete what nobody needs"
    raise MoveRefused(f"{target.place} is not empty: {said}: {cure}")
