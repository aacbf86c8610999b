"""``kigeon move`` as a whole: looks at both ends, names every reason against the move, and carries it out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

from kigeon.checks.account import mebi
from kigeon.checks.queue import examine
from kigeon.checks.volume import check_volume, free_bytes
from kigeon.config.settings import ExternalQueue, Settings
from kigeon.errors import MoveRefused, QueueError
from kigeon.finding import Finding
from kigeon.move.copying import Compared
from kigeon.move.deciding import Found, Step, decide
from kigeon.move.ends import Cluster, DataDirectory, End, streams_of
from kigeon.move.mover import CURE, Move, Told, found_at
from kigeon.queue.broker.mark import MoveState
from kigeon.queue.broker.scan import stream_state

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of it. ``streams`` is what each of the target's holds; none where there was nothing to do."""

    source: str
    target: str
    step: Step
    streams: Mapping[str, Compared] = field(default_factory=dict)


async def run_move(settings: Settings, external: ExternalQueue, outwards: bool, undoes: bool, told: Told) -> Moved:
    """Move the queue to *external*, or (not *outwards*) from there to the data directory; or undo that.

    Raises :class:`~kigeon.errors.KigeonError`: :class:`MoveRefused` has a line for each reason.
    """
    with DataDirectory(settings.global_.data_dir, settings.queue) as directory:
        cluster = Cluster(external)
        source, target = (directory, cluster) if outwards else (cluster, directory)
        try:
            return await _run(settings, external, Move(source, target, settings.queue, told), directory, undoes)
        except QueueError as error:
            raise MoveRefused(f"{error}: when the queue answers, {CURE}") from error
        finally:
            await cluster.close()
            await directory.close()


async def _run(
    settings: Settings, external: ExternalQueue, move: Move, directory: DataDirectory, undoes: bool
) -> Moved:
    local = Found(directory.place, await directory.mark(), await directory.holds())
    if local.holds and (move.source is directory or local.state is MoveState.ARRIVING):
        move.told("starting nats-server in the data directory", 0, 0)
        await directory.open()
    move.told("looking at the servers", 0, 0)
    senders = await _senders(directory) if move.source is directory and local.holds else []
    findings = await examine(settings, external, senders)
    cluster = move.target if move.source is directory else move.source
    problems = [f"{finding.subject}: {finding.said}: {finding.cure}" for finding in findings if not finding.is_well]
    if not any(finding.is_well for finding in findings):
        raise MoveRefused("\n".join(problems))
    await cluster.open()
    remote = await found_at(cluster)
    source, target = (local, remote) if move.source is directory else (remote, local)
    if undoes:
        await move.undo(source, target)
        return Moved(source.place, target.place, Step.NOTHING)
    try:
        plan = decide(source, target, uuid4().hex)
    except MoveRefused as error:
        raise MoveRefused("\n".join([*problems, str(error)])) from error
    if plan.step is Step.COPY:
        problems += [f"{finding.said}: {finding.cure}" for finding in await _room(settings, move, directory)]
    if problems and plan.step is not Step.NOTHING:
        raise MoveRefused("\n".join(problems))
    if plan.step is Step.NOTHING:
        return Moved(source.place, target.place, plan.step)
    log.info("the queue is moved", extra={"from": source.place, "to": target.place, "step": plan.step})
    return Moved(source.place, target.place, plan.step, await move.carry_out(plan))


async def _senders(end: End) -> list[str]:
    """Return the senders of which something waits at *end*, configured or not."""
    prefix = f"{end.address.names.retry}-"
    return [name.removeprefix(prefix) for name in await streams_of(end) if name.startswith(prefix)]


async def _room(settings: Settings, move: Move, directory: DataDirectory) -> Sequence[Finding]:
    """Return what is too small for what is to be moved."""
    states = {name: await stream_state(move.source.client, name) for name in await streams_of(move.source)}
    events = states.get(move.source.address.names.events)
    found = list(_evicted(settings, events.bytes if events is not None else 0))
    if move.target is directory:
        embedded = replace(settings, queue=replace(settings.queue, external=None))
        found += [finding for finding in check_volume(embedded, moves=True) if not finding.is_well]
        held, free = sum(state.bytes for state in states.values()), free_bytes(settings.global_.data_dir)
        if free < held:
            said = f"dataDir: {settings.global_.data_dir} has {mebi(free)} free, and the queue holds {mebi(held)}"
            found.append(Finding("dataDir", False, said, "give it a larger volume"))
    return found


def _evicted(settings: Settings, held: int) -> Iterator[Finding]:
    most = settings.queue.events_max_bytes
    if held > most:
        said = f"queue: the events take {mebi(held)}, and queue.eventsMaxBytes is {mebi(most)}"
        yield Finding("queue", False, said, "raise it, else the oldest would be evicted; lower it later")
