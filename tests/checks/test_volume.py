"""What kigeon check --connect says of the data directory."""

from __future__ import annotations

import os

import pytest

from tests.support.checking import Setup
from tests.support.unprivileged import as_a_user_like_any_other, in_a_namespace_where_it_is_read_only


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_read_only_volume(setup: Setup) -> None:
    setup.data.mkdir()
    said, cure = setup.failure(preexec_fn=in_a_namespace_where_it_is_read_only(setup.data))
    assert said == f"dataDir: {setup.data}: Read-only file system"
    assert cure == "mount the volume for writing (readOnly: false)"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory away")
def test_a_data_directory_of_another_owner(setup: Setup) -> None:
    setup.data.mkdir(mode=0o700)
    os.chown(setup.data, 65534, 65534)
    said, cure = setup.failure(preexec_fn=as_a_user_like_any_other)
    assert said.startswith(f"dataDir: {setup.data}: Permission denied")
    assert "belongs to the user 65534, this process runs as the user 0" in said
    assert "securityContext.fsGroup" in cure


def test_too_little_room(setup: Setup) -> None:
    setup.queue["eventsMaxBytes"] = "900Ti"
    said, cure = setup.failure()
    assert "the queue may grow to 921600Gi" in said
    assert cure == "give it a larger volume, or lower queue.eventsMaxBytes"
