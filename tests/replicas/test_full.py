"""The disk of a nats-server of a cluster is full, and later it is not: the others go on without it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.replicas.rig import BACK_WITHIN, Rig
from tests.support.disk import Disk
from tests.support.nats import NatsCluster
from tests.support.processes import wait_until

pytestmark = pytest.mark.long

MEGABYTES = 64


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[list[Disk]]:
    """One for the store of each server."""
    with ExitStack() as stack:
        places = (tmp_path / "nats" / f"n{number}" / "store" for number in (1, 2, 3))
        yield [stack.enter_context(Disk(place, MEGABYTES)) for place in places]


def test_each_disk_is_full_in_turn(tmp_path: Path, disks: list[Disk]) -> None:
    with NatsCluster(tmp_path / "nats", disks=disks) as cluster, Rig(tmp_path, cluster) as rig:
        for disk, node in zip(disks, cluster.nodes, strict=True):
            disk.fill()
            rig.flows(BACK_WITHIN)
            wait_until(lambda node=node: "no space left on device" in node.log, what="a server that can't write")
            rig.lasts(5)
            rig.flows(BACK_WITHIN)
            disk.free()
            # A server that could not write has switched its JetStream off.
            node.kill()
            node.start()
            rig.is_whole()
        rig.settle()
