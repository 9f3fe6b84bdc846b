"""Loading, and the life of the process, with real workers."""

import ctypes
import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kensho_tui.bus.codec import HEADER
from kensho_tui.core.frames import (
    AbortWork,
    Beat,
    Close,
    Error,
    FromWorker,
    Generate,
    Load,
    Loaded,
    Prefetch,
    Progress,
    Turn,
)
from tests.support.home import wait_until
from tests.support.worker_process import GREEDY, WorkerProcess

ENDLESS = msgspec.structs.replace(GREEDY, max_tokens=100_000)


def test_a_load_reports_its_phases_and_the_model(worker: WorkerProcess, smollm: Path) -> None:
    worker.send(Load(path=str(smollm), context=512))
    seen: list[object] = []
    loaded = worker.until(Loaded, Error, seen=seen)
    assert isinstance(loaded, Loaded), loaded
    progress = [frame for frame in seen if isinstance(frame, Progress)]
    assert list(dict.fromkeys(frame.phase for frame in progress)) == ["reading", "loading", "warming"]
    reading = [frame for frame in progress if frame.phase == "reading"]
    size = smollm.stat().st_size
    assert (reading[0].done, reading[-1].done) == (0, size)
    assert {frame.total for frame in reading} == {size}
    assert (loaded.context, loaded.trained_context, loaded.has_template) == (512, 8192, True)
    assert "llama-cpp-python 0.3" in loaded.build
    assert loaded.device
    assert 0 < loaded.load_s < 60


def test_the_context_is_never_larger_than_trained(worker: WorkerProcess, smollm: Path) -> None:
    assert worker.load(smollm, context=1_000_000).context == 8192


def test_a_cancelled_load_leaves_the_worker_usable(worker: WorkerProcess, smollm: Path) -> None:
    worker.send(Load(path=str(smollm)))
    worker.send(AbortWork())
    error = worker.until(Loaded, Error)
    assert isinstance(error, Error)
    assert (error.id, error.code, error.message) == ("", "load", "loading was cancelled")
    worker.load(smollm, context=512)
    assert worker.ask("Hello", GREEDY)[1].usage.completion_tokens > 0


def broken(kind: str, whole: bytes) -> bytes:
    return {
        "magic": b"this is no model " * 100,
        "truncated": whole[:5_000_000],
        "header": whole[:2000],
        "absurd": whole[:8] + struct.pack("<QQ", 1 << 60, 1 << 60) + whole[24:4096],
        "newer": whole[:4] + struct.pack("<I", 99) + whole[8:4096],
    }[kind]


def test_broken_files_are_refused_with_llama_cpps_reason(
    worker: WorkerProcess, smollm: Path, tmp_path: Path
) -> None:
    with smollm.open("rb") as file:
        whole = file.read(5_000_001)
    reasons = {
        "magic": "invalid magic",
        "truncated": "not within the file bounds",
        "header": "failed to read key-value pairs",
        "absurd": "number of tensors",
        "newer": "version 99",
    }
    for kind, reason in reasons.items():
        path = tmp_path / f"{kind}.gguf"
        path.write_bytes(broken(kind, whole))
        worker.send(Load(path=str(path)))
        error = worker.until(Loaded, Error)
        assert isinstance(error, Error)
        assert (error.id, error.code) == ("", "load")
        assert reason in error.message
        assert error.hint
    assert any(b"invalid magic" in line for line in worker.stderr)
    worker.load(smollm, context=512)


def test_what_is_no_file_is_refused(worker: WorkerProcess, tmp_path: Path) -> None:
    (tmp_path / "empty.gguf").touch()
    os.mkfifo(tmp_path / "pipe.gguf")
    for name, reason in {
        "absent.gguf": "No such file",
        "empty.gguf": "is empty",
        ".": "is not a file",
        "pipe.gguf": "is not a file",
    }.items():
        worker.send(Load(path=str(tmp_path / name)))
        error = worker.until(Loaded, Error)
        assert isinstance(error, Error)
        assert error.code == "load"
        assert reason in error.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(worker: WorkerProcess, tmp_path: Path) -> None:
    path = tmp_path / "secret.gguf"
    path.write_bytes(b"GGUF")
    path.chmod(0)
    worker.send(Load(path=str(path)))
    error = worker.until(Loaded, Error)
    assert isinstance(error, Error)
    assert "Permission denied" in error.message


def test_only_one_model_per_worker(worker: WorkerProcess, smollm: Path, tmp_path: Path) -> None:
    worker.load(smollm, context=512)
    worker.send(Load(path=str(tmp_path / "another.gguf")))
    assert worker.until(Loaded, Error).code == "load"
    worker.ask("Hello")


def test_generating_without_a_model_fails(worker: WorkerProcess) -> None:
    assert "no model" in worker.fail("Hello").message


def test_one_generation_at_a_time(worker: WorkerProcess, smollm: Path) -> None:
    worker.load(smollm, context=512)
    first = worker.start("Count to a thousand.", ENDLESS)
    refused = worker.start("And now?")
    error = worker.until(Error)
    assert (error.id, error.code) == (refused, "engine")
    worker.send(AbortWork(id=first))


def test_beats_come_while_the_worker_is_busy(worker: WorkerProcess, smollm: Path) -> None:
    worker.load(smollm, context=2048)
    name = worker.start("Count to a thousand.", ENDLESS)
    assert worker.until(Beat).busy
    worker.send(AbortWork(id=name))


def test_the_sockets_end_ends_an_idle_worker(worker: WorkerProcess) -> None:
    worker.sock.close()
    assert worker.wait() == 0


def test_the_sockets_end_ends_a_busy_worker(worker: WorkerProcess, smollm: Path) -> None:
    worker.load(smollm, context=2048)
    worker.start("Count to a thousand.", ENDLESS)
    worker.sock.close()
    assert worker.wait() == 0


def test_close_ends_a_busy_worker_in_order(worker: WorkerProcess, smollm: Path) -> None:
    worker.load(smollm, context=2048)
    name = worker.start("Count to a thousand.", ENDLESS)
    worker.send(Close())
    _, end = worker.finish(name)
    assert end.stop_reason == "abort"
    assert worker.wait() == 0


@pytest.mark.parametrize("data", [HEADER.pack(5) + b"hello", b"\xff\xff\xff\xff"])
def test_a_malformed_frame_ends_the_worker(worker: WorkerProcess, data: bytes) -> None:
    worker.sock.sendall(data)
    error = worker.until(Error)
    assert error.code == "protocol"
    assert worker.wait() == 1


def test_an_interrupt_from_the_terminal_is_left_to_the_host(worker: WorkerProcess, smollm: Path) -> None:
    worker.load(smollm, context=512)
    worker.process.send_signal(signal.SIGINT)
    assert worker.ask("Hello")[1].stop_reason


def test_the_probe_prints_one_document() -> None:
    command = [sys.executable, "-P", "-m", "kensho_tui.worker", "--probe"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    document = msgspec.json.decode(done.stdout)
    assert document["ok"] is True
    assert document["devices"][0]["name"]


def test_importing_the_worker_loads_neither_library_nor_jinja() -> None:
    code = (
        "import sys, kensho_tui.worker.main; "
        "sys.exit(any(name in sys.modules for name in ('llama_cpp', 'jinja2', 'numpy', 'textual')))"
    )
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False, timeout=60).returncode == 0


def test_an_unknown_id_aborts_nothing(spawn: Callable[[], WorkerProcess], smollm: Path) -> None:
    worker = spawn()
    worker.load(smollm, context=512)
    worker.send(Generate(id="a", turns=(Turn("user", "Hello"),), sampling=GREEDY))
    worker.send(AbortWork(id="b"))
    assert worker.finish("a")[1].stop_reason in ("end", "length")


# --- reading ahead of a load ------------------------------------------------------------------------


def held_in_memory(path: Path) -> int:
    """Bytes of the file at `path` that are in the page cache."""
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    size, page = path.stat().st_size, mmap.PAGESIZE
    flags = (ctypes.c_ubyte * -(-size // page))()
    with path.open("rb") as file:
        address = ctypes.c_void_p(
            library.mmap(None, ctypes.c_size_t(size), mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), 0)
        )
    assert library.mincore(address, ctypes.c_size_t(size), flags) == 0
    library.munmap(address, ctypes.c_size_t(size))
    return sum(flag & 1 for flag in flags) * page


def forget(path: Path) -> None:
    """Have the system drop what it holds of the file at `path`."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@pytest.fixture
def cold_model(smollm: Path, tmp_path: Path) -> Path:
    """A model that is in no page cache, where the file system can do that."""
    if sys.platform != "linux":
        pytest.skip("the page cache is looked at in Linux's way")
    path = tmp_path / "cold.gguf"
    shutil.copyfile(smollm, path)
    forget(path)
    if held_in_memory(path) > path.stat().st_size // 2:
        pytest.skip("this file system keeps its files in memory")
    return path


def test_a_prefetch_fills_the_page_cache_and_the_load_goes_on_from_it(
    worker: WorkerProcess, cold_model: Path
) -> None:
    worker.send(Prefetch(path=str(cold_model)))
    wait_until(lambda: held_in_memory(cold_model) >= cold_model.stat().st_size)
    worker.send(Load(path=str(cold_model), context=512))
    seen: list[FromWorker] = []
    assert isinstance(worker.until(Loaded, Error, seen=seen), Loaded)
    reading = [frame for frame in seen if isinstance(frame, Progress) and frame.phase == "reading"]
    assert cold_model.stat().st_size // 2 < reading[0].done <= reading[-1].done == cold_model.stat().st_size
    assert worker.ask("Hello")[1].usage.completion_tokens > 0


def test_a_prefetch_is_replaced_and_ended(worker: WorkerProcess, smollm: Path, tmp_path: Path) -> None:
    for path in (str(smollm), str(tmp_path / "absent.gguf"), "", str(tmp_path), str(smollm), ""):
        worker.send(Prefetch(path=path))
    worker.send(Load(path=str(smollm), context=512))
    worker.send(Prefetch(path=str(tmp_path / "absent.gguf")))
    assert isinstance(worker.until(Loaded, Error), Loaded)


def test_a_failed_prefetch_leaves_its_reason_to_the_load(worker: WorkerProcess, tmp_path: Path) -> None:
    path = tmp_path / "later.gguf"
    worker.send(Prefetch(path=str(path)))
    worker.send(Load(path=str(path)))
    error = worker.until(Loaded, Error)
    assert isinstance(error, Error) and "No such file" in error.message


# --- a template of one's own ------------------------------------------------------------------------


def test_a_template_replaces_the_files_own(worker: WorkerProcess, gemma: Path) -> None:
    """A base model has none: with one it is a chat model, and another prompt is written."""
    source = "{% for m in messages %}Q: {{ m.content }}\nA:{% endfor %}"
    assert worker.load(gemma, context=512, template=source).has_template
    _, end = worker.ask("1 + 1 = ", GREEDY)
    _, again = worker.ask([("user", "Q: 1 + 1 = \nA:")], GREEDY)
    assert 5 < end.usage.prompt_tokens < again.usage.prompt_tokens


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% for %}", "failed"),
        ("{{ raise_exception('only poems') }}", "only poems"),
        ("always the same", "leaves out what is asked"),
        ("{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", "wrote more than"),
    ],
)
def test_a_broken_template_is_refused_before_the_model_is_loaded(
    worker: WorkerProcess, smollm: Path, source: str, reason: str
) -> None:
    worker.send(Load(path=str(smollm), context=512, template=source))
    seen: list[FromWorker] = []
    error = worker.until(Loaded, Error, seen=seen)
    assert isinstance(error, Error) and error.code == "load"
    assert reason in error.message and "template" in error.hint
    assert not [frame for frame in seen if isinstance(frame, Progress) and frame.phase == "loading"]
    assert worker.load(smollm, context=512).has_template
