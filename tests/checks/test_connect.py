"""kigeon check --connect as a whole."""

from __future__ import annotations

import socket

from kigeon.events.sample import REASON
from kigeon.standin.apiserver import ApiServer
from tests.support.checking import Setup
from tests.support.loki import Loki


def test_with_all_well_it_says_so_and_sends_one_sample_line(setup: Setup, loki: Loki) -> None:
    done = setup.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "the configuration is valid" in done.stdout
    for line in ("cluster", "dataDir", "nats-server", "loki loki"):
        assert f"\nok       {line}" in done.stdout
    assert done.stdout.endswith("checks are well\n")
    assert [line.fields["reason"] for line in loki.lines] == [REASON]
    assert not setup.data.exists()


def test_a_loki_and_a_cluster_that_are_not_there(setup: Setup, api: ApiServer) -> None:
    api.stop()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        setup.config["url"] = f"http://127.0.0.1:{unused.getsockname()[1]}"
        code, found = setup.check()
    assert (code, [finding.subject for finding in found]) == (2, ["cluster", "loki loki"])
    assert all("firewall" in finding.cure for finding in found)
