"""GPUs from made-up sysfs and proc files, the names llama.cpp gives them, and the build beside them."""

from pathlib import Path

import pytest

from kensho_tui.core.contract import Memory
from kensho_tui.hardware.build import backends, build_mismatch, find_mismatch, llama_version, reinstall_line
from kensho_tui.hardware.card import Gpu, Vendor
from kensho_tui.hardware.gpu import _apple, chosen, gauge, gpus, visible
from kensho_tui.hardware.memory import ram

GIB = 1 << 30


@pytest.fixture
def no_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kensho_tui.hardware.nvml.session", lambda: None)


@pytest.mark.usefixtures("no_nvml")
def test_a_machine_without_gpu(tmp_path: Path) -> None:
    assert [card for card in gpus(tmp_path) if card.vendor != "apple"] == []


@pytest.mark.usefixtures("no_nvml")
def test_amd_from_sysfs(tmp_path: Path) -> None:
    for card, vendor in (("card0", "0x1002"), ("card1", "0x10de"), ("card2", "0x1002")):
        folder = tmp_path / "sys/class/drm" / card / "device"
        folder.mkdir(parents=True)
        (folder / "vendor").write_text(f"{vendor}\n")
        (folder / "mem_info_vram_total").write_text(f"{16 * GIB}\n")
        (folder / "mem_info_vram_used").write_text(f"{GIB}\n" if card == "card0" else "")
    assert gpus(tmp_path) == (Gpu("AMD GPU (card0)", "amd", 16 * GIB, GIB),)


@pytest.mark.usefixtures("no_nvml")
def test_nvidia_card_without_nvml(tmp_path: Path) -> None:
    folder = tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0"
    folder.mkdir(parents=True)
    (folder / "information").write_text("Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: 1\n")
    assert gpus(tmp_path) == (Gpu("NVIDIA H100 80GB HBM3", "nvidia"),)


@pytest.mark.usefixtures("no_nvml")
def test_nvidia_device_file_alone(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    assert gpus(tmp_path) == (Gpu("NVIDIA GPU", "nvidia"),)


@pytest.mark.parametrize(
    ("system", "machine", "count"), [("Darwin", "arm64", 1), ("Darwin", "x86_64", 0), ("Linux", "aarch64", 0)]
)
def test_apple_silicon(system: str, machine: str, count: int) -> None:
    found = _apple(system, machine)
    assert len(found) == count
    assert all(card.unified and card.vendor == "apple" for card in found)


A = Gpu("a", "nvidia", 10, 1, uuid="GPU-aaa")
B = Gpu("b", "nvidia", 20, 2, uuid="GPU-bbb")
C = Gpu("c", "amd", 40, 4)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, (A, B)),
        ("1", (B,)),
        ("1,0", (B, A)),
        ("GPU-bb", (B,)),
        ("", ()),
        ("-1", ()),
        ("0,7,1", (A,)),
        ("MIG-1234", (A, B)),
    ],
)
def test_hidden_cards(value: str | None, expected: tuple[Gpu, ...]) -> None:
    environ = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    assert visible((A, B), environ) == expected


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("CPU", ()),
        ("", ()),
        ("CUDA0", (A,)),
        ("CUDA1", (B,)),
        ("CUDA0, CUDA1", (A, B)),
        ("CUDA", (A, B)),
        ("ROCm0", (C,)),
        ("Vulkan2", (C,)),
        ("MTL0", ()),
        ("cuda1 (b)", (B,)),
    ],
)
def test_cards_a_device_means(device: str, expected: tuple[Gpu, ...]) -> None:
    assert chosen(device, (A, B, C), {}) == expected


def test_gauge_is_vram_on_a_gpu() -> None:
    assert gauge("CUDA", (A, B, C), {}) == Memory(kind="VRAM", used=3, total=30)
    assert gauge("CUDA1", (A, B, C), {}) == Memory(kind="VRAM", used=2, total=20)


@pytest.mark.parametrize(
    ("device", "card"),
    [("CPU", A), ("MTL0", Gpu("m", "apple", 99, 9, unified=True)), ("CUDA0", Gpu("x", "nvidia"))],
)
def test_gauge_is_ram_otherwise(device: str, card: Gpu) -> None:
    memory = gauge(device, (card,), {})
    assert memory.kind == "RAM"
    assert memory.total == ram().total


BIG = Gpu("Big", "nvidia", 24 * GIB)
CPU_ONLY = frozenset({"cpu"})


@pytest.mark.parametrize(
    ("card", "device", "built", "environ", "words"),
    [
        (BIG, "CPU", CPU_ONLY, {}, "built without CUDA"),
        (BIG, "", CPU_ONLY, {}, "built without CUDA"),
        (BIG, "CPU", None, {}, "built without CUDA"),
        (BIG, "", None, {}, None),
        (BIG, "CUDA0", CPU_ONLY, {}, None),
        (BIG, "CPU", frozenset({"cpu", "cuda"}), {}, "runs on the CPU"),
        (BIG, "", frozenset({"cpu", "cuda"}), {}, None),
        (BIG, "CPU", CPU_ONLY, {"CUDA_VISIBLE_DEVICES": ""}, None),
        (Gpu("Unknown", "nvidia"), "CPU", CPU_ONLY, {}, "built without CUDA"),
        (Gpu("Small", "amd", GIB), "CPU", CPU_ONLY, {}, None),
        (Gpu("Red", "amd", 16 * GIB), "CPU", CPU_ONLY, {}, "built without HIP"),
        (Gpu("Apple", "apple", 16 * GIB, unified=True), "CPU", CPU_ONLY, {}, "built without Metal"),
    ],
)
def test_mismatch(
    card: Gpu, device: str, built: frozenset[str] | None, environ: dict[str, str], words: str | None
) -> None:
    found = find_mismatch((card,), device, version="1.2.3", built=built, environ=environ)
    if words is None:
        assert found is None
    else:
        assert found is not None
        assert words in found.what
        assert card.name in found.what


def test_no_gpu_no_mismatch() -> None:
    assert build_mismatch((), "CPU") is None


@pytest.mark.parametrize(("vendor", "flag"), [("nvidia", "CUDA"), ("amd", "HIP"), ("apple", "METAL")])
def test_the_reinstall_line_is_exact(vendor: Vendor, flag: str) -> None:
    assert reinstall_line(vendor, "0.3.36") == (
        f'CMAKE_ARGS="-DGGML_{flag}=on" pip install --force-reinstall --no-cache-dir llama-cpp-python==0.3.36'
    )


def test_the_installed_build() -> None:
    built = backends()
    assert built is not None
    assert "cpu" in built
    assert llama_version()


def test_backends_by_file(tmp_path: Path) -> None:
    assert backends(tmp_path) is None
    for name in ("libggml-base.so", "libggml-cuda.so", "libggml-cpu.so.0", "libllama.so", "ggml-vulkan.dll"):
        (tmp_path / name).touch()
    assert backends(tmp_path) == {"cuda", "cpu", "vulkan"}
