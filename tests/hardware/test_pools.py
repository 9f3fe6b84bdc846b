"""Memory by device and whose it is: scripted cards, made-up process files, and this process."""

import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kensho_tui.hardware.card import Gpu
from kensho_tui.hardware.memory import Ram, ram
from kensho_tui.hardware.metal import metal_limit
from kensho_tui.hardware.own import GONE, OwnMemory, _resident, own_memory
from kensho_tui.hardware.pools import Pool, metal_pool, pools
from tests.support.nvml import LOST, NOT_SUPPORTED, Card, ScriptedNvml, eight, installed

GIB = 1 << 30
MIB = 1 << 20
GONE_PID = 999_999_999


def test_the_processor_works_in_ram() -> None:
    (pool,) = pools("CPU")
    assert (pool.kind, pool.name, pool.device, pool.total) == ("RAM", "RAM", "CPU", ram().total)
    assert 0 < pool.free <= pool.total
    assert pool.known


def test_our_own_memory_is_not_foreign() -> None:
    (before,) = pools("CPU", {os.getpid()})
    held = mmap.mmap(-1, 64 * MIB)
    held.write(b"x" * (64 * MIB))
    (after,) = pools("CPU", {os.getpid()})
    held.close()
    assert after.own - before.own >= 60 * MIB
    assert after.own > own_memory(os.getpid()).private // 2


def test_one_card_with_foreign_use(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ScriptedNvml(Card(used=50 * GIB, reserved=GIB, users={7: 10 * GIB, 8: 39 * GIB}))
    with installed(monkeypatch, library):
        (pool,) = pools("CUDA0 (Card 0)", {7}, environ={})
    assert pool == Pool("VRAM", "Card 0", "CUDA0", 79 * GIB, 29 * GIB, 40 * GIB)
    assert pool.own == 10 * GIB


def test_eight_cards_each_with_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    library = eight(used=[place * GIB for place in range(8)])
    library.cards[2].users = {7: 2 * GIB}
    library.cards[5].users = {7: 3 * GIB}
    with installed(monkeypatch, library):
        found = pools("CUDA", {7: 1000}, environ={})
        (last,) = pools("CUDA1", {7}, environ={"CUDA_VISIBLE_DEVICES": "0,5"})
    assert [pool.device for pool in found] == [f"CUDA{place}" for place in range(8)]
    assert [pool.used_by_others // GIB for pool in found] == [0, 1, 0, 3, 4, 2, 6, 7]
    # Numbers of llama.cpp count the cards that it is let see.
    assert (last.name, last.device, last.own) == ("Card 5", "CUDA1", 3 * GIB)


@pytest.mark.parametrize("users", [{}, {7: None}, {4711: 10 * GIB}])
def test_what_the_driver_does_not_tell_was_measured(
    monkeypatch: pytest.MonkeyPatch, users: dict[int, int | None]
) -> None:
    library = ScriptedNvml(Card(used=12 * GIB, users=users))
    with installed(monkeypatch, library):
        (measured,) = pools("CUDA0", {7: 10 * GIB}, environ={})
        (unmeasured,) = pools("CUDA0", {7}, environ={})
    assert (measured.own, measured.used_by_others) == (10 * GIB, 2 * GIB)
    assert (unmeasured.own, unmeasured.used_by_others) == (0, 12 * GIB)


def test_what_was_measured_is_parted_by_the_sizes_of_the_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ScriptedNvml(Card(total=60 * GIB, used=9 * GIB), Card(total=20 * GIB, used=2 * GIB))
    with installed(monkeypatch, library):
        big, small = pools("CUDA0, CUDA1", {7: 8 * GIB}, environ={})
    assert (big.own, small.own) == (6 * GIB, 2 * GIB)


def test_no_processes_are_asked_for_when_none_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ScriptedNvml(Card(used=GIB))
    with installed(monkeypatch, library):
        (pool,) = pools("CUDA0", environ={})
    assert pool.used_by_others == GIB
    assert "processes" not in library.calls


def test_more_measured_than_is_used_is_no_negative_share(monkeypatch: pytest.MonkeyPatch) -> None:
    with installed(monkeypatch, ScriptedNvml(Card(used=GIB))):
        (pool,) = pools("CUDA0", {7: 2 * GIB}, environ={})
    assert (pool.own, pool.used_by_others) == (GIB, 0)


def test_the_driver_goes_while_we_run(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ScriptedNvml(Card(used=GIB))
    with installed(monkeypatch, library):
        assert pools("CUDA0", {7}, environ={})[0].known
        library.unload()
        (pool,) = pools("CUDA0", {7: GIB}, environ={})
    assert pool == Pool("VRAM", "Card 0", "CUDA0", 0, 0, 0)
    assert not pool.known


def test_a_lost_card_beside_others(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ScriptedNvml(Card(), Card(used=GIB))
    with installed(monkeypatch, library):
        pools("CUDA", environ={})
        library.cards[0].error = LOST
        lost, other = pools("CUDA", {7: GIB}, environ={})
    assert not lost.known
    assert library.calls["processes"] == 1  # to ask a lost one may take long
    assert (other.own, other.used_by_others) == (GIB, 0)


def test_unified_memory_is_ram(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ScriptedNvml(Card())
    with installed(monkeypatch, library) as nvml:
        nvml.cards()
        library.cards[0].error = NOT_SUPPORTED
        (pool,) = pools("CUDA0", {GONE_PID: 64 * MIB}, environ={})
    assert (pool.kind, pool.name, pool.device) == ("RAM", "Card 0", "CUDA0")
    assert pool.total == ram().total
    assert pool.own == 64 * MIB


def test_amd_counts_what_was_measured() -> None:
    card = Gpu("Red", "amd", 16 * GIB, 5 * GIB)
    (pool,) = pools("ROCm0", {7: 4 * GIB}, cards=(card,), environ={})
    assert pool == Pool("VRAM", "Red", "ROCm0", 16 * GIB, 11 * GIB, GIB)


@pytest.mark.parametrize("device", ["Vulkan0 (Something else)", "SYCL0", ""])
def test_gpus_that_cannot_be_asked_count_as_ram(device: str) -> None:
    (pool,) = pools(device, cards=(), environ={})
    assert pool.kind == "RAM"


@pytest.mark.parametrize(
    ("total", "wired", "expected"),
    [
        (24 * GIB, 0, 16 * GIB),
        (36 * GIB, 0, 27 * GIB),
        (64 * GIB, 0, 48 * GIB),
        (24 * GIB, 20 * 1024, 20 * GIB),
        (24 * GIB, 99 * 1024, 24 * GIB),
    ],
)
def test_what_metal_may_hold(total: int, wired: int, expected: int) -> None:
    assert metal_limit(total, wired) == expected


def test_metal_has_no_more_than_is_available() -> None:
    memory = Ram(24 * GIB, 20 * GIB)
    roomy = metal_pool("Apple", "MTL0", memory, own=2 * GIB, limit=16 * GIB)
    assert (roomy.total, roomy.free, roomy.used_by_others, roomy.own) == (16 * GIB, 14 * GIB, 0, 2 * GIB)
    tight = metal_pool("Apple", "MTL0", Ram(24 * GIB, 3 * GIB), own=2 * GIB, limit=16 * GIB)
    assert (tight.free, tight.used_by_others, tight.own) == (3 * GIB, 11 * GIB, 2 * GIB)
    over = metal_pool("Apple", "MTL0", memory, own=17 * GIB, limit=16 * GIB)
    assert (over.free, over.used_by_others) == (0, 0)


def test_a_mac_is_bound_by_metal() -> None:
    now = ram()
    card = Gpu("Apple Silicon GPU", "apple", now.total, now.used, unified=True)
    (pool,) = pools("MTL0", {GONE_PID: MIB}, cards=(card,), environ={})
    assert (pool.kind, pool.device, pool.total) == ("RAM", "MTL0", metal_limit(now.total))
    assert pool.free <= now.available


STATUS = """Name:\tworker
VmRSS:\t  999999 kB
RssAnon:\t   1000 kB
RssFile:\t  50000 kB
RssShmem:\t     24 kB
VmSwap:\t      8 kB
Threads:\t4
"""


def test_private_and_file_memory_of_a_process(tmp_path: Path) -> None:
    folder = tmp_path / "proc/42"
    folder.mkdir(parents=True)
    (folder / "status").write_text(STATUS)
    assert own_memory(42, tmp_path) == OwnMemory(1032 * 1024, 50000 * 1024)


def test_a_kernel_that_tells_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "proc/42"
    folder.mkdir(parents=True)
    (folder / "status").write_text("Name:\tx\nRssAnon:\tmany kB\n")
    assert own_memory(42, tmp_path) == GONE


def test_a_process_that_is_gone() -> None:
    assert own_memory(GONE_PID) == GONE


def test_a_mapped_file_is_not_private(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"w" * (32 * MIB))
    code = (
        "import mmap, sys; f = open(sys.argv[1], 'rb'); "
        "m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ); "
        "sum(m[at] for at in range(0, len(m), 4096)); print('read', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None and child.stdout is not None
    assert child.stdout.readline() == b"read\n"
    held = own_memory(child.pid)
    child.communicate()
    assert held.file >= 30 * MIB
    assert held.private < 25 * MIB


def test_a_system_that_does_not_tell_files_apart() -> None:
    held = _resident(os.getpid())
    assert held.private > 0 and held.file >= 0
    assert _resident(GONE_PID) == GONE
