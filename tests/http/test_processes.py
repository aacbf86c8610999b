"""What the kernel tells of a process."""

import os
import time

from kigeon.http.processes import boot_time, process_metrics, read_process


def test_a_process_is_read() -> None:
    figures = read_process(os.getpid(), boot_time())
    assert figures is not None
    assert 0 < figures.cpu_seconds < 10_000
    assert 2**20 < figures.resident_bytes < figures.virtual_bytes
    assert 0 < time.time() - figures.start_time < 86_400
    assert 0 < figures.open_fds < figures.max_fds


def test_one_that_is_gone_is_left_out() -> None:
    assert read_process(2**22 + 1, boot_time()) is None
    told = {family.name: family.samples for family in process_metrics({"root": os.getpid(), "gone": 2**22 + 1})}
    assert [labels for _, labels, _ in told["process_resident_memory_bytes"]] == [{"process": "root"}]
