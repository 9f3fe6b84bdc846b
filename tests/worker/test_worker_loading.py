"""Loading, and the life of the process, with real workers."""

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kensho_tui.bus.codec import HEADER
from kensho_tui.core.frames import AbortWork, Beat, Close, Error, Generate, Load, Loaded, Progress, Turn
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


def test_only_one_model_per_worker(worker: WorkerProcess, smollm: Path) -> None:
    worker.load(smollm, context=512)
    worker.send(Load(path=str(smollm)))
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
