"""How many processors a process may use."""

import os
from pathlib import Path

import pytest

from kigeon.hooks import processors as module
from kigeon.hooks.processors import processors, processors_granted


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


V1 = "9:name=systemd:/\n4:memory:/pod\n1:cpu,cpuacct:/kubepods/pod\n"


@pytest.mark.parametrize(
    ("memberships", "files", "granted"),
    [
        ("", {}, None),
        ("0::/\n", {}, None),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b\n", {"a/b/cpu.max": "400000 100000\n", "a/cpu.max": "max 100000\n"}, 4.0),
        ("0::/a/b\n", {"a/b/cpu.max": "400000 100000\n", "a/cpu.max": "50000 20000\n"}, 2.5),
        ("0::/a/b\n", {"cpu.max": "300000 100000\n"}, 3.0),
        ("0::/../other\n", {"cpu.max": "300000 100000\n", "../other/cpu.max": "100000 100000\n"}, 3.0),
        ("0::/\n", {"cpu.max": "nonsense\n"}, None),
        ("0::/\n", {"cpu.max": ""}, None),
        (V1, {"cpu/kubepods/pod/cpu.cfs_quota_us": "-1\n", "cpu/kubepods/pod/cpu.cfs_period_us": "100000\n"}, None),
        (V1, {"cpu/kubepods/pod/cpu.cfs_quota_us": "250000\n", "cpu/kubepods/pod/cpu.cfs_period_us": "100000\n"}, 2.5),
        (V1, {"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.0),
        (V1, {"memory/pod/cpu.cfs_quota_us": "200000\n", "memory/pod/cpu.cfs_period_us": "100000\n"}, None),
        ("4:cpuset:/a\n", {"cpu/a/cpu.cfs_quota_us": "200000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, None),
    ],
)
def test_what_control_groups_grant(
    tmp_path: Path, memberships: str, files: dict[str, str], granted: float | None
) -> None:
    assert processors_granted(memberships, lay(tmp_path / "cgroup", files)) == granted


@pytest.mark.parametrize(
    ("may_run_on", "granted", "expected"),
    [(8, "max", 8), (8, "250000", 2), (8, "50000", 1), (2, "800000", 2), (1, "max", 1)],
)
def test_the_least_of_both_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may_run_on: int, granted: str, expected: int
) -> None:
    monkeypatch.setattr(module, "_CGROUPS", lay(tmp_path, {"cpu.max": f"{granted} 100000\n"}))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(may_run_on)))
    monkeypatch.setattr(module, "_MEMBERSHIPS", lay(tmp_path, {"of-self": "0::/\n"}) / "of-self")
    assert processors() == expected


def test_of_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert 1 <= processors() <= len(os.sched_getaffinity(0))
    monkeypatch.setattr(module, "_MEMBERSHIPS", tmp_path / "missing")
    assert processors() >= 1
