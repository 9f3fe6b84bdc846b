"""The processes that a benchmark needs beside its worker, as processes."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from kensho_tui.core.errors import EngineError
from kensho_tui.core.frames import Load
from kensho_tui.models.bench.bare import BARE_COMMAND, bare_process
from kensho_tui.models.bench.neighbour import SPIN_COMMAND, neighbour


async def test_llama_cpp_alone_reads_and_writes(smollm: Path) -> None:
    load = Load(path=str(smollm), context=512, threads=1, threads_batch=1, batch=128)
    async with bare_process() as bare:
        await bare.load(load, "the old house by the river")
        for _ in range(2):
            read, written = await bare.run(1, 200, 8)
            assert read > written > 0
        with pytest.raises(EngineError, match="could not read"):
            await bare.run(1, 2000, 2)


async def test_what_libraries_print_is_no_answer(smollm: Path) -> None:
    noisy = (
        "import os\nfrom kensho_tui.worker import bare, llama\nquiet = llama.import_bindings\n"
        "llama.import_bindings = lambda: os.write(1, b'a driver says hello\\n') and quiet()\nbare.main()"
    )
    async with bare_process((sys.executable, "-P", "-c", noisy)) as bare:
        await bare.load(Load(path=str(smollm), context=512, batch=128), "the old house by the river")
        assert min(await bare.run(1, 20, 4)) > 0


async def test_what_it_cannot_load_is_told(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF broken")
    async with bare_process() as bare:
        with pytest.raises(EngineError, match="could not load"):
            await bare.load(Load(path=str(path)), "words")


async def test_a_child_that_says_nothing_of_use() -> None:
    for program in ("print('[]')", "print('{}')", ""):
        async with bare_process((sys.executable, "-c", program)) as bare:
            with pytest.raises(EngineError):
                await bare.run(1, 1, 1)


def test_the_bare_process_answers_nonsense_and_ends_with_its_stdin_whatever_it_does(smollm: Path) -> None:
    load = {"type": "load", "path": str(smollm), "context": 512, "batch": 128}
    first = json.dumps({"load": load, "text": "the old house"})
    process = subprocess.Popen(BARE_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    with process.stdin as asked, process.stdout as said:
        for line, name in (("nonsense", "message"), ("{}", "message"), (first, "context")):
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
