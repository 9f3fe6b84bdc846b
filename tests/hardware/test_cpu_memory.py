"""Cores and RAM under control groups of both versions, read from made-up roots."""

from pathlib import Path

import pytest

from kensho_tui.hardware.cgroup import MemoryGroup, cpu_quota, memory_groups
from kensho_tui.hardware.cpu import decode_threads, prefill_threads, usable, usable_cores
from kensho_tui.hardware.memory import Ram, ram, within

MIB = 1 << 20


def root_with(folder: Path, **files: str) -> Path:
    """A root folder with files; ``__`` in a name stands for a slash, ``_DOT_`` for a dot."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("affinity", "quota", "physical", "expected"),
    [
        (8, None, None, 8),
        (8, None, 4, 4),
        (8, 2.9, 4, 2),
        (8, 0.5, 4, 1),
        (1, 16.0, 8, 1),
        (2, 4.0, 8, 2),
        (64, 64.0, 32, 32),
    ],
)
def test_usable_is_the_least_and_at_least_one(
    affinity: int, quota: float | None, physical: int | None, expected: int
) -> None:
    assert usable(affinity, quota, physical) == expected


@pytest.mark.parametrize(("cores", "decode", "prefill"), [(1, 1, 1), (2, 1, 2), (8, 7, 8), (0, 1, 1)])
def test_decode_leaves_one_core_free(cores: int, decode: int, prefill: int) -> None:
    assert (decode_threads(cores), prefill_threads(cores)) == (decode, prefill)


def test_version_2_quota_of_an_ancestor_counts(tmp_path: Path) -> None:
    root = root_with(
        tmp_path,
        proc__self__cgroup="0::/user.slice/app.scope\n",
        sys__fs__cgroup__user_DOT_slice__cpu_DOT_max="150000 100000\n",
    )
    group = root / "sys/fs/cgroup/user.slice/app.scope"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text("max 100000\n")
    assert cpu_quota(root) == 1.5
    assert usable_cores(root) == 1


def test_version_1_quota_in_a_joined_mount(tmp_path: Path) -> None:
    root = root_with(tmp_path, proc__self__cgroup="4:cpu,cpuacct:/docker/abc\n0::/\n")
    mount = root / "sys/fs/cgroup/cpu,cpuacct"
    mount.mkdir(parents=True)
    # Inside a container its own group is mounted at the top and the host's path does not exist.
    (mount / "cpu.cfs_quota_us").write_text("300000\n")
    (mount / "cpu.cfs_period_us").write_text("100000\n")
    assert cpu_quota(root) == 3.0


@pytest.mark.parametrize("text", ["max 100000\n", "", "garbage\n", "100000 0\n"])
def test_no_usable_quota_is_no_limit(tmp_path: Path, text: str) -> None:
    root = root_with(tmp_path, proc__self__cgroup="0::/\n", sys__fs__cgroup__cpu_DOT_max=text)
    assert cpu_quota(root) is None


def test_no_control_groups_at_all(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None
    assert memory_groups(tmp_path) == ()


def test_version_2_memory_leaves_out_pages_that_can_be_dropped(tmp_path: Path) -> None:
    root = root_with(
        tmp_path,
        proc__self__cgroup="0::/../../box\n",
        sys__fs__cgroup__box__memory_DOT_max=f"{512 * MIB}\n",
        sys__fs__cgroup__box__memory_DOT_current=f"{300 * MIB}\n",
        sys__fs__cgroup__box__memory_DOT_stat=f"anon 1\ninactive_file {120 * MIB}\n"
        f"active_file {50 * MIB}\nslab_reclaimable {30 * MIB}\nfile_dirty 7\n",
        sys__fs__cgroup__memory_DOT_max="max\n",
        sys__fs__cgroup__memory_DOT_current=f"{400 * MIB}\n",
    )
    assert memory_groups(root) == (MemoryGroup(512 * MIB, 100 * MIB),)
    assert ram(root).total == 512 * MIB
    assert ram(root).limited


def test_version_1_memory_beside_version_2(tmp_path: Path) -> None:
    root = root_with(
        tmp_path,
        proc__self__cgroup="4:memory:/a\n0::/\n",
        sys__fs__cgroup__memory__a__memory_DOT_limit_in_bytes=f"{256 * MIB}\n",
        sys__fs__cgroup__memory__a__memory_DOT_usage_in_bytes=f"{64 * MIB}\n",
        sys__fs__cgroup__memory__memory_DOT_limit_in_bytes="9223372036854771712\n",
        sys__fs__cgroup__memory__memory_DOT_usage_in_bytes=f"{999 * MIB}\n",
    )
    (root / "sys/fs/cgroup/unified").mkdir()
    assert memory_groups(root) == (MemoryGroup(256 * MIB, 64 * MIB),)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ((), Ram(1000, 600)),
        ((MemoryGroup(2000, 0),), Ram(1000, 600)),
        ((MemoryGroup(500, 100),), Ram(500, 400, limited=True)),
        ((MemoryGroup(500, 100), MemoryGroup(800, 790)), Ram(500, 10, limited=True)),
        ((MemoryGroup(500, 700),), Ram(500, 0, limited=True)),
        ((MemoryGroup(900, 0),), Ram(900, 600, limited=True)),
    ],
)
def test_the_tightest_group_decides(groups: tuple[MemoryGroup, ...], expected: Ram) -> None:
    assert within(1000, 600, groups) == expected


def test_this_machine() -> None:
    now = ram()
    assert 0 < now.available <= now.total
    assert now.used == now.total - now.available
    assert usable_cores() >= 1
