"""What GPUs do, from a scripted library and made-up sysfs; what the machine and a process use, from /proc."""

import os
from pathlib import Path

import psutil
import pytest

from kensho_tui.hardware.card import CardReading, Gpu
from kensho_tui.hardware.memory import ram
from kensho_tui.hardware.nvml import RETRY_S, Nvml
from kensho_tui.hardware.own import process_use, tick_rate
from kensho_tui.hardware.readings import cpu_times, read_cards, read_machine, silent
from tests.support.nvml import (
    FUNCTION_NOT_FOUND,
    LOST,
    NO_PERMISSION,
    NOT_SUPPORTED,
    Card,
    ScriptedNvml,
    eight,
    installed,
)

GIB = 1 << 30
FIGURES = {"load": "load", "temperature": "temperature", "power": "power", "limit": "power_limit"}
LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")


@pytest.fixture
def no_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kensho_tui.hardware.nvml.session", lambda: None)


# --- NVIDIA -------------------------------------------------------------------------------------------


def test_what_a_card_does() -> None:
    card = Card(used=3 * GIB, load=37, temperature=61, power=350_500, limit=700_000, users={7: GIB, 8: None})
    (reading,) = Nvml(ScriptedNvml(card)).readings(users=True)
    assert reading == CardReading(
        Gpu("Card 0", "nvidia", 80 * GIB, 3 * GIB, uuid="GPU-000"),
        "GPU-000",
        load=pytest.approx(0.37),
        temperature=61,
        power=pytest.approx(350.5),
        power_limit=pytest.approx(700),
        users={7: GIB, 8: None},
    )


def test_no_card_and_eight() -> None:
    assert Nvml(ScriptedNvml()).readings(users=True) == ()
    library = eight()
    for place, card in enumerate(library.cards):
        card.load = place
    readings = Nvml(library).readings(users=False)
    assert [reading.load for reading in readings] == pytest.approx([place / 100 for place in range(8)])
    assert len({reading.device for reading in readings}) == 8


def test_only_what_changes_is_asked_again() -> None:
    library = eight()
    nvml = Nvml(library)
    for _ in range(10):
        nvml.readings(users=False)
    assert {name: library.calls[name] for name in FIGURES} == {
        "load": 80,
        "temperature": 80,
        "power": 80,
        "limit": 8,
    }
    assert "processes" not in library.calls


@pytest.mark.parametrize("question", FIGURES)
@pytest.mark.parametrize(
    ("code", "asked"), [(NOT_SUPPORTED, 1), (NO_PERMISSION, 1), (FUNCTION_NOT_FOUND, 1), (999, 5)]
)
def test_each_question_may_be_refused(question: str, code: int, asked: int) -> None:
    library = ScriptedNvml(Card(refused={question: code}), Card())
    nvml = Nvml(library)
    for _ in range(5):
        refused, other = nvml.readings(users=False)
    told = {name: getattr(refused, field) is not None for name, field in FIGURES.items()}
    assert told == {name: name != question for name in FIGURES}
    assert getattr(other, FIGURES[question]) is not None
    # The other card is asked each time, but for what stays as it is.
    assert library.calls[question] == asked + (1 if question == "limit" else 5)


def test_questions_that_a_library_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UtilizationRates", "Temperature", "PowerUsage", "EnforcedPowerLimit"):
        monkeypatch.delattr(ScriptedNvml, f"nvmlDeviceGet{name}")
    (reading,) = Nvml(ScriptedNvml(Card())).readings(users=False)
    assert reading == CardReading(Gpu("Card 0", "nvidia", 80 * GIB, uuid="GPU-000"), "GPU-000")


def test_a_figure_that_is_none() -> None:
    card = Card(load=250, temperature=-1, power="much")  # type: ignore[arg-type]
    (reading,) = Nvml(ScriptedNvml(card)).readings(users=False)
    assert (reading.load, reading.temperature, reading.power) == (1.0, None, None)


def test_unified_memory_is_that_of_the_machine() -> None:
    (reading,) = Nvml(ScriptedNvml(Card(total=0, load=50))).readings(users=False)
    assert reading.card.unified and reading.card.total == ram().total
    assert reading.load == 0.5


def test_a_lost_card_is_not_asked_what_it_does() -> None:
    library = eight()
    nvml = Nvml(library)
    before = nvml.readings(users=True)
    library.cards[3].error = LOST
    readings = nvml.readings(users=True)
    assert readings[3] == silent(before[3])
    assert all(reading.load is not None for place, reading in enumerate(readings) if place != 3)
    assert library.calls["load"] == 8 + 7


def test_the_driver_goes_and_comes_back() -> None:
    now = 100.0
    library = ScriptedNvml(Card(refused={"power": NOT_SUPPORTED}), Card())
    nvml = Nvml(library, lambda: now)
    before = nvml.readings(users=True)
    library.unload()
    assert nvml.readings(users=True) == tuple(map(silent, before))
    library.driver = True
    library.cards[0].refused.clear()
    now += RETRY_S
    # A new session is asked everything anew.
    again = nvml.readings(users=True)
    assert again[0].power is not None and again[1] == before[1]
    assert [one.device for one in again] == [one.device for one in before]


# --- AMD, and cards that nothing tells of -------------------------------------------------------------


def amd_card(root: Path, name: str, **files: str) -> None:
    folder = root / "sys/class/drm" / name / "device"
    (folder / "hwmon/hwmon3").mkdir(parents=True)
    told = {"vendor": "0x1002", "mem_info_vram_total": str(16 * GIB), "mem_info_vram_used": str(GIB), **files}
    for file, text in told.items():
        sensor = file.startswith(("temp", "power"))
        (folder / ("hwmon/hwmon3" if sensor else "") / file).write_text(f"{text}\n")


@pytest.mark.usefixtures("no_nvml")
def test_amd_from_sysfs(tmp_path: Path) -> None:
    more = {"temp1_input": "45000", "power1_average": "87000000", "power1_cap": "220000000"}
    amd_card(tmp_path, "card0", gpu_busy_percent="12", unique_id="5a2b", **more)
    amd_card(tmp_path, "card1", power1_input="30000000")
    first, second = (one for one in read_cards(users=True, root=tmp_path) if one.card.vendor == "amd")
    assert (first.device, second.device) == ("GPU-5a2b", "amd-1")
    assert (first.card.total, first.card.used, first.users) == (16 * GIB, GIB, {})
    assert (first.load, first.temperature, first.power, first.power_limit) == pytest.approx(
        (0.12, 45, 87, 220)
    )
    assert (second.load, second.temperature, second.power) == (None, None, pytest.approx(30))


@pytest.mark.usefixtures("no_nvml")
def test_a_card_that_only_the_kernel_shows(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    assert read_cards(users=True, root=tmp_path)[0] == CardReading(Gpu("NVIDIA GPU", "nvidia"), "nvidia-0")


def test_cards_of_a_library_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    amd_card(tmp_path, "card0")
    with installed(monkeypatch, ScriptedNvml(Card())):
        found = read_cards(users=False, root=tmp_path)
    assert [reading.card.vendor for reading in found][:2] == ["nvidia", "amd"]


# --- the machine --------------------------------------------------------------------------------------


def proc(root: Path, stat: str) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/stat").write_text(stat)


def test_cpu_of_the_cores_we_may_run_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2}, raising=False)
    lines = ["cpu  9 9 9 9 9 9 9 9 9 9"]
    lines += ["cpu0 100 0 50 800 50 0 0 0 30 0", "cpu1 900 0 0 0 0 0 0 0 0 0", "cpu2 0 0 0 1000 0 0 0 0 0 0"]
    proc(tmp_path, "\n".join([*lines, "intr 12 cpu3", "cpu4 1 1 1 1 1 1 1 1 1 1"]))
    busy, total, cores = cpu_times(5.0, tmp_path)
    assert (busy * tick_rate(), total * tick_rate(), cores) == pytest.approx((150, 2000, 2))


@pytest.mark.parametrize("version", [1, 2])
def test_cpu_of_a_control_group_that_allows_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    proc(tmp_path, "\n".join(f"cpu{core} 1 0 0 9 0 0 0 0 0 0" for core in range(8)))
    if version == 2:
        group = tmp_path / "sys/fs/cgroup"
        files = {"cpu.max": "150000 100000", "cpu.stat": "usage_usec 2500000\nuser_usec 7"}
        line = "0::/"
    else:
        group = tmp_path / "sys/fs/cgroup/cpu,cpuacct"
        files = {"cpu.cfs_quota_us": "150000", "cpu.cfs_period_us": "100000", "cpuacct.usage": "2500000000"}
        line = "4:cpu,cpuacct:/"
    (tmp_path / "proc/self/cgroup").write_text(f"{line}\n")
    group.mkdir(parents=True)
    for name, text in files.items():
        (group / name).write_text(f"{text}\n")
    assert cpu_times(10.0, tmp_path) == pytest.approx((2.5, 15.0, 2))


def test_cpu_where_nothing_tells_it(tmp_path: Path) -> None:
    assert cpu_times(1.0, tmp_path) == (0.0, 0.0, 1)


@LINUX
def test_a_process_as_the_system_counts_it() -> None:
    kept = bytearray(os.urandom(1 << 20)) * 40
    use = process_use(os.getpid())
    assert use is not None and len(kept) == 40 << 20
    told = psutil.Process().memory_info()
    assert use.ram == pytest.approx(told.rss, rel=0.02)
    assert 0 < use.file < use.ram
    times = psutil.Process().cpu_times()
    assert use.cpu_s == pytest.approx(times.user + times.system, abs=0.5)


def test_a_process_with_a_hostile_name(tmp_path: Path) -> None:
    folder = tmp_path / "proc/7"
    folder.mkdir(parents=True)
    (folder / "status").write_bytes(b"Name:\t\xff\x0bVmRSS) R 1\nVmRSS:\t  2048 kB\nRssFile:\t 1024 kB\n")
    (folder / "stat").write_bytes(b"7 (\xff) R 1 1 1) S 1 1 1 0 -1 0 0 0 0 0 " + b"300 50 " + b"0 " * 30)
    use = process_use(7, tmp_path)
    assert use == (2 << 20, 1 << 20, 350 / tick_rate())
    (folder / "stat").write_bytes(b"")
    assert process_use(7, tmp_path) is None


def test_a_process_that_is_gone(tmp_path: Path) -> None:
    assert process_use(999_999_999) is None
    (tmp_path / "proc").mkdir()
    assert process_use(1, tmp_path) is None
    assert read_machine([999_999_999]).processes == {}


def test_the_questions_are_those_of_the_library() -> None:
    pynvml = pytest.importorskip("pynvml")
    for name in ("UtilizationRates", "Temperature", "PowerUsage", "EnforcedPowerLimit", "MemoryInfo"):
        assert callable(getattr(pynvml, f"nvmlDeviceGet{name}"))
    assert pynvml.NVML_TEMPERATURE_GPU == 0
    codes = {"NOT_SUPPORTED": NOT_SUPPORTED, "NO_PERMISSION": NO_PERMISSION, "GPU_IS_LOST": LOST}
    assert {name: getattr(pynvml, f"NVML_ERROR_{name}") for name in codes} == codes
