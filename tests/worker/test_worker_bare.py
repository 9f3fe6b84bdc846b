"""The processes that a benchmark needs beside its worker, as processes."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from kensho_tui.core.errors import EngineError
from kensho_tui.core.frames import Load
from kensho_tui.models.bench.bare import BARE_COMMAND, bare_loop
from kensho_tui.models.bench.neighbour import SPIN_COMMAND, neighbour


async def test_llama_cpp_alone_reads_and_writes(smollm: Path) -> None:
    load = Load(path=str(smollm), context=512, threads=1, threads_batch=1, batch=128)
    async with bare_loop() as loop:
        await loop.load(load, "the old house by the river")
        for _ in range(2):
            read, written = await loop.run(1, 200, 8)
            assert read > written > 0
        with pytest.raises(EngineError, match="could not read"):
            await loop.run(1, 2000, 2)


async def test_what_it_cannot_load_is_told(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF broken")
    async with bare_loop() as loop:
        with pytest.raises(EngineError, match="could not load"):
            await loop.load(Load(path=str(path)), "words")


async def test_a_child_that_says_nothing_of_use() -> None:
    for program in ("print('[]')", "print('{}')", ""):
        async with bare_loop((sys.executable, "-c", program)) as loop:
            with pytest.raises(EngineError):
                await loop.run(1, 1, 1)


def test_the_bare_loop_answers_nonsense_and_ends_with_its_stdin_whatever_it_does(smollm: Path) -> None:
    load = {"path": str(smollm), "context": 512, "kv_type": "f16", "batch": 128, "flash": None}
    load |= {"gpu_layers": 0, "threads": 1, "threads_batch": 1, "text": "the old house"}
    process = subprocess.Popen(BARE_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    with process.stdin as asked, process.stdout as said:
        for line, name in (("nonsense", "message"), ("{}", "message"), (json.dumps(load), "context")):
            print(line, file=asked, flush=True)
            assert name in json.loads(said.readline())
        # Seconds of work, which nobody waits for any more.
        print(json.dumps({"threads": 1, "prompt": 200, "answer": 300}), file=asked)
        asked.close()
        assert said.read() == ""
    assert process.wait(20) == 0


async def test_the_neighbour_keeps_a_core_busy_and_is_gone_afterwards() -> None:
    me = psutil.Process()
    async with neighbour(wanted=True):
        # Of a zombie that another test left there is no command line.
        living = [one for one in me.children() if one.status() != psutil.STATUS_ZOMBIE]
        (child,) = [one for one in living if "kensho_tui.models.bench.spin" in one.cmdline()]
        before = child.cpu_times().user
        while child.cpu_times().user < before + 0.05:
            pass
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    async with neighbour(wanted=False):
        assert me.children() == [] or child not in me.children()


def test_the_neighbour_ends_when_whoever_started_it_dies() -> None:
    process = subprocess.Popen(SPIN_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    with process.stdin, process.stdout:
        assert process.stdout.readline() == b"busy\n"
        process.stdin.close()
        assert process.wait(20) == 0
