"""What a load takes: read from llama.cpp's log, said by a real worker, and when there is too little."""

import resource
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kensho_tui.core.errors import LoadError, NoMemoryError, from_code
from kensho_tui.core.frames import Buffers, Error, Load, Loaded
from kensho_tui.models.estimate import LoadShape, estimate, measured
from kensho_tui.models.gguf.read import read_shape
from kensho_tui.worker.buffers import in_ram, own_memory, parse, summed
from kensho_tui.worker.log import LlamaLog
from tests.support.worker_process import WorkerProcess

MIB = 1 << 20

CUDA = """
load_tensors: loading model tensors, this can take a while... (load_mode = mmap)
load_tensors:   CPU_Mapped model buffer size =  1000.00 MiB
load_tensors:        CUDA0 model buffer size =  2000.50 MiB
load_tensors:        CUDA1 model buffer size =   500.00 MiB
llama_context:  CUDA_Host  output buffer size =     0.50 MiB
llama_kv_cache:        CPU KV buffer size =    64.00 MiB
llama_kv_cache:      CUDA0 KV buffer size =   128.00 MiB
llama_kv_cache:      CUDA1 KV buffer size =    64.00 MiB
llama_kv_cache: size =  256.00 MiB (  4096 cells,  16 layers,  1/1 seqs), K (f16):  128.00 MiB
sched_reserve:      CUDA0 compute buffer size =   300.00 MiB
sched_reserve:      CUDA1 compute buffer size =   100.00 MiB
sched_reserve:  CUDA_Host compute buffer size =    24.00 MiB
sched_reserve:      CUDA0 compute buffer size =   200.00 MiB
"""
CPU = """
load_tensors:   CPU_Mapped model buffer size =   235.00 MiB
load_tensors:   CPU_REPACK model buffer size =    12.50 MiB
llama_context:        CPU  output buffer size =     1.00 MiB
llama_kv_cache:        CPU KV buffer size =     6.00 MiB
llama_kv_cache:        CPU KV buffer size =     5.00 MiB
sched_reserve:        CPU compute buffer size =    11.75 MiB
"""
DRY = """
llama_kv_cache: layer   0: dev = CPU
llama_kv_cache: layer   1: filtered
llama_kv_cache: layer   2: dev = CUDA0
llama_kv_cache: layer   3: dev = CUDA0
llama_kv_cache: layer   4: dev = CUDA0
llama_kv_cache:        CPU KV buffer size =     0.00 MiB
llama_kv_cache:      CUDA0 KV buffer size =     0.00 MiB
llama_kv_cache: size =   40.00 MiB (  4096 cells,   4 layers,  1/1 seqs), K (f16):   20.00 MiB
llama_kv_cache: layer   1: dev = CUDA0
llama_kv_cache: size =    8.00 MiB (   768 cells,   1 layers,  1/1 seqs), K (f16):    4.00 MiB
llama_memory_recurrent: size =    2.00 MiB (     1 cells,   4 layers,  1 seqs)
"""


def test_gpus_are_the_device_and_the_rest_lies_beside_them() -> None:
    found = summed(parse(CUDA.splitlines()), on_gpu=True, model_size=3400 * MIB, rss=7)
    assert found == Buffers(
        weights=int(2500.5 * MIB),
        kv=192 * MIB,
        compute=300 * MIB,  # reserved twice: the last graph stands
        host=int((1000 + 64 + 24 + 0.5) * MIB),
        mapped=1000 * MIB,
        rss=7,
    )


def test_in_ram_copies_take_the_place_of_the_pages_they_were_made_from() -> None:
    found = summed(parse(CPU.splitlines()), on_gpu=False, model_size=235 * MIB)
    assert (found.weights, found.mapped) == (235 * MIB, int(222.5 * MIB))
    assert (found.kv, found.compute, found.host) == (11 * MIB, int(12.75 * MIB), 0)


def test_a_dry_run_tells_the_caches_by_their_layers() -> None:
    found = parse(DRY.splitlines())
    assert found.cached == {"CPU": 12 * MIB, "CUDA0": 38 * MIB}
    assert sum(found.kv.values()) == 0


@pytest.mark.parametrize(
    "line", ["", "no buffer size = 5 MiB", "CPU model buffer size = ... MiB", "\x1b[31m"]
)
def test_other_lines_tell_nothing(line: str) -> None:
    assert summed(parse([line]), on_gpu=False, model_size=5) == Buffers()


@pytest.mark.parametrize("name", ["CPU", "CPU_Mapped", "CPU_REPACK", "CUDA_Host", "Vulkan_Host", "BLAS"])
def test_what_is_ram(name: str) -> None:
    assert in_ram(name)


@pytest.mark.parametrize("name", ["CUDA0", "MTL0", "MTL0_Mapped", "ROCm1", "Vulkan0", "CUDA0_Split", "SYCL0"])
def test_what_is_a_device(name: str) -> None:
    assert not in_ram(name)


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has no /proc")
def test_own_memory_leaves_the_files_pages_out(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tx\nVmRSS:\t900 kB\nRssAnon:\t  300 kB\nRssFile:\t  600 kB\nRssShmem:\t4 kB\n")
    assert own_memory(status) == 304 << 10
    assert own_memory(tmp_path / "absent") == 0
    assert own_memory() > MIB


# --- reasons ----------------------------------------------------------------------------------------


class _Lines:
    """A `LlamaLog` that is fed by hand."""

    def __init__(self) -> None:
        installed: list[Any] = []
        lib = SimpleNamespace(
            llama_log_callback=lambda function: function,
            llama_log_set=lambda function, _: installed.append(function),
        )
        self.log = LlamaLog(lib)
        self._line = installed[0]

    def error(self, line: str) -> None:
        self._line(4, line.encode(), None)


@pytest.fixture
def lines() -> _Lines:
    return _Lines()


@pytest.mark.parametrize(
    "line",
    [
        "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 9 MiB: cudaMalloc failed: out of memory",
        "ggml_aligned_malloc: insufficient memory (attempted to allocate 1318359.38 MB)",
        "alloc_tensor_range: failed to allocate CPU buffer of size 1382400000000",
        "llama_model_load: error loading model: unable to allocate CUDA0 buffer",
        "ggml_vulkan: Device memory allocation of size 1073741824 failed.",
        "ggml_vulkan: vk::Device::allocateMemory: ErrorOutOfDeviceMemory",
        "llama_model_load: error loading model: mmap failed: Cannot allocate memory",
    ],
)  # fmt: skip
def test_want_of_memory_is_recognised(lines: _Lines, line: str) -> None:
    lines.error("something else went wrong before")
    lines.error(line)
    assert lines.log.lacks_memory()
    lines.log.clear()
    assert not lines.log.lacks_memory()


@pytest.mark.parametrize(
    "line",
    ["tensor 'x' data is not within the file bounds", "invalid magic", "K cache type q8_0 is no memory"],
)
def test_other_failures_are_no_want_of_memory(lines: _Lines, line: str) -> None:
    lines.error(line)
    assert not lines.log.lacks_memory()


def test_the_error_crosses_the_bus() -> None:
    error = from_code("no_memory", "what", "do")
    assert type(error) is NoMemoryError and isinstance(error, LoadError)


# --- real loads -------------------------------------------------------------------------------------


def test_a_worker_says_what_it_took(worker: WorkerProcess, smollm: Path) -> None:
    said = worker.load(smollm, context=4096, kv_type="q8_0", batch=128).buffers
    expected = estimate(read_shape(smollm), LoadShape(4096, kv_type="q8_0", batch=128))
    assert said.weights == pytest.approx(expected.weights, rel=1e-3)
    assert said.kv == pytest.approx(expected.kv, rel=1e-3)
    assert said.compute == pytest.approx(expected.compute, rel=1e-2)
    found = measured(said, on_gpu=False)
    assert 10 * MIB < found.overhead < 100 * MIB
    assert found.total == said.mapped + said.rss
    assert worker.ask("Hello")[1].usage.completion_tokens > 0


def test_a_kv_cache_of_no_known_type_is_refused(worker: WorkerProcess, smollm: Path) -> None:
    error = _refused(worker, smollm, kv_type="q9_9")
    assert error.code == "load" and "q9_9" in error.message and "q8_0" in error.hint
    worker.load(smollm, context=512, kv_type="q4_0")


def _refused(worker: WorkerProcess, path: Path, **options: Any) -> Error:
    worker.send(Load(path=str(path), **options))
    frame = worker.until(Loaded, Error)
    assert isinstance(frame, Error), frame
    return frame


def _address_space(worker: WorkerProcess) -> int:
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmSize:"))


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process as only Linux can")
def test_a_worker_without_memory_says_so_and_can_try_again(
    worker: WorkerProcess, smollm: Path, tmp_path: Path
) -> None:
    (tmp_path / "no.gguf").write_bytes(b"no model")
    assert _refused(worker, tmp_path / "no.gguf").code == "load"  # llama.cpp is in the process now
    unlimited = resource.prlimit(worker.process.pid, resource.RLIMIT_AS)
    limit = _address_space(worker) + 160 * MIB  # the file takes 94, and the cache of 8,192 tokens 180
    resource.prlimit(worker.process.pid, resource.RLIMIT_AS, (limit, unlimited[1]))
    error = _refused(worker, smollm, context=8192)
    assert error.code == "no_memory"
    assert "8,192 tokens" in error.message and error.hint
    resource.prlimit(worker.process.pid, resource.RLIMIT_AS, unlimited)
    worker.load(smollm, context=8192)
