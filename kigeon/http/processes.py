"""The kernel's figures for each of kigeon's processes, named as prometheus-client's ``process_*`` metrics."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kigeon.observability.exposition import Family

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """The figures of one process, in seconds and bytes; ``start_time`` is in seconds since the epoch."""

    cpu_seconds: float
    resident_bytes: int
    virtual_bytes: int
    start_time: float
    open_fds: int
    max_fds: int


def read_process(pid: int, boot_time: float, proc: Path = Path("/proc")) -> ProcessFigures | None:
    """Return the figures of the process *pid*; None where the process is gone, or may not be read."""
    folder = proc / str(pid)
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        limits = (folder / "limits").read_text()
        open_fds = len(os.listdir(folder / "fd"))  # noqa: PTH208 - only the number of names is needed
    except OSError:
        return None
    line = next((line for line in limits.splitlines() if line.startswith("Max open files")), "Max open files 0")
    soft = line.split()[3]
    return ProcessFigures(
        cpu_seconds=(int(fields[11]) + int(fields[12])) / TICKS,
        resident_bytes=int(fields[21]) * PAGE,
        virtual_bytes=int(fields[20]),
        start_time=boot_time + int(fields[19]) / TICKS,
        open_fds=open_fds,
        max_fds=int(soft) if soft.isdigit() else 0,
    )


def boot_time(proc: Path = Path("/proc")) -> float:
    """Return when the machine booted, in seconds since the epoch."""
    line = next(line for line in (proc / "stat").read_text().splitlines() if line.startswith("btime"))
    return float(line.split()[1])


def process_metrics(processes: Mapping[str, int]) -> Iterator[Family]:
    """Yield the metrics of *processes*, which maps names to process ids."""
    booted = boot_time()
    found = {name: figures for name, pid in processes.items() if (figures := read_process(pid, booted)) is not None}
    cpu = Family("process_cpu_seconds_total", "counter", "Seconds of the processor, the user's and the system's.")
    resident = Family("process_resident_memory_bytes", "gauge", "Bytes of memory, shared ones counted in each process.")
    virtual = Family("process_virtual_memory_bytes", "gauge", "Bytes of address space.")
    began = Family("process_start_time_seconds", "gauge", "When the process began, in seconds since the epoch.")
    open_fds = Family("process_open_fds", "gauge", "Open file descriptors.")
    max_fds = Family("process_max_fds", "gauge", "File descriptors that may be open.")
    for name, figures in found.items():
        cpu.add(figures.cpu_seconds, process=name)
        resident.add(figures.resident_bytes, process=name)
        virtual.add(figures.virtual_bytes, process=name)
        began.add(figures.start_time, process=name)
        open_fds.add(figures.open_fds, process=name)
        max_fds.add(figures.max_fds, process=name)
    yield from (cpu, resident, virtual, began, open_fds, max_fds)
