"""The edges where text or a host could be lost: clients that die at once, cleared folders, full disks."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from kensho_tui.bus.codec import encode, pack
from kensho_tui.client.facade import Kensho
from kensho_tui.core.contract import PROTOCOL, SUBMIT, Submit
from kensho_tui.core.errors import HostGoneError
from kensho_tui.core.frames import Call, Hello
from tests.support.home import Home, wait_until
from tests.support.turns import read_to_end, read_until, script, submit


async def _submit_and_vanish(home: Home, number: int, attached: bool) -> None:
    """A client that is killed right after Enter: nobody reads the reply."""
    _, writer = await asyncio.open_unix_connection(str(home.paths.socket))
    request = Submit(prompt=f"prompt {number}", attached=attached)
    writer.write(encode(Hello(protocol=PROTOCOL, version="x", front_end=True)))
    writer.write(encode(Call(id=1, method=SUBMIT.name, body=pack(request))))
    await writer.drain()
    await asyncio.sleep(number % 8 / 1000)
    writer.close()


async def test_a_prompt_whose_client_dies_at_once_is_answered(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho(front_end=True) as kensho:
        for number in range(40):
            await _submit_and_vanish(home, number, attached=False)
        while (await kensho.status()).streams or any(c.state == "streaming" for c in await kensho.chats()):
            await asyncio.sleep(0.02)
        chats = await kensho.chats()
        assert chats
        for chat in chats:
            answer = (await kensho.chat(chat.id)).messages[-1]
            assert answer.state == "complete" and answer.content == f"You said: {chat.title}"


async def test_an_attached_prompt_whose_client_dies_at_once_is_stopped(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho(front_end=True) as kensho:
        for number in range(20):
            await _submit_and_vanish(home, number, attached=True)
        while (await kensho.status()).streams or any(c.state == "streaming" for c in await kensho.chats()):
            await asyncio.sleep(0.02)
        states = {(await kensho.chat(chat.id)).messages[-1].state for chat in await kensho.chats()}
    assert states <= {"stopped", "complete"}


async def test_an_unsaved_answer_keeps_an_idle_host_alive(home: Home) -> None:
    home.settings('model = "scripted"\nlinger = 0\n')
    pid = home.start_scripted_host()
    host = psutil.Process(pid)
    async with Kensho() as kensho:
        submitted = await submit(kensho, script(text="abcd" * 1000, repeat=30, piece=400, rate=100))
        await read_until(kensho, submitted.stream, 400)
        size = home.paths.database.with_name("kensho.db-wal").stat().st_size
        host.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))
        text, result = await read_to_end(kensho, submitted.stream)
        assert "kept in memory" in (result.error or "")
    await asyncio.sleep(0.5)
    assert host.is_running() and host.status() != psutil.STATUS_ZOMBIE
    host.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
    home.wait_empty()
    home.start_scripted_host()
    async with Kensho() as kensho:
        saved = (await kensho.chat(submitted.chat)).messages[-1]
    assert (saved.state, saved.content) == ("complete", text)


def test_the_command_line_does_not_call_kept_what_is_not_saved(home: Home) -> None:
    host = psutil.Process(home.start_scripted_host())
    prompt = script(text="abcd" * 1000, repeat=30, piece=400, rate=100)
    command = [sys.executable, "-m", "kensho_tui", "ask", prompt]
    asking = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert asking.stdout is not None and len(asking.stdout.read(400)) == 400
    size = home.paths.database.with_name("kensho.db-wal").stat().st_size
    host.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))
    _, said = asking.communicate(timeout=60)
    assert asking.returncode == 0
    assert b"the answer is in the host's memory only" in said and b"kept" not in said


async def test_a_host_told_to_end_writes_what_it_cannot_save_beside_the_database(home: Home) -> None:
    host = psutil.Process(home.start_scripted_host())
    async with Kensho() as kensho:
        submitted = await submit(kensho, script(text="abcd" * 1000, repeat=30, piece=400, rate=100))
        await read_until(kensho, submitted.stream, 400)
        size = home.paths.database.with_name("kensho.db-wal").stat().st_size
        host.rlimit(psutil.RLIMIT_FSIZE, (size + 100_000, psutil.RLIM_INFINITY))
        filled = await submit(kensho, script(text="efgh" * 1000, repeat=25, piece=400, rate=200))
        text, _ = await read_to_end(kensho, filled.stream)
        unsaved = [n for n in (await kensho.status()).notices if "not saved yet" in n]
        await kensho.stop_host()
        await kensho.closed()
    home.wait_empty()
    rescued = [path.read_text(encoding="utf-8") for path in home.paths.data.glob("unsaved-*.txt")]
    assert unsaved and text in rescued


async def test_a_client_with_another_runtime_folder_finds_the_host(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pid = home.start_scripted_host()
    other = tmp_path / "run"
    other.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(other))
    async with Kensho() as kensho:
        assert (await kensho.status()).pid == pid
    assert "running" in home.run("host", "status").stdout


async def test_a_cleared_runtime_folder_is_made_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as runtime:  # short: in one whose path is too long no socket is made
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        home = Home(home.root, monkeypatch.setenv)
        pid = home.start_scripted_host()
        assert home.paths.runtime == Path(runtime, "kensho-tui")
        shutil.rmtree(home.paths.runtime)
        async with Kensho() as kensho:
            assert (await kensho.status()).pid == pid
        assert home.close() == []


async def test_a_host_that_ends_takes_no_more_prompts(home: Home) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        await submit(kensho, script(text="abcd", repeat=400, rate=100))
        await kensho.stop_host()
        with pytest.raises(HostGoneError):
            await submit(kensho, "one more")
    home.wait_empty()


async def test_the_host_keeps_no_file_of_whoever_started_it(home: Home) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        home.run("host", "start", close_fds=False)
    finally:
        os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b""  # the end comes only when nobody holds the other side
    assert len(home.named("kensho_tui.host")) == 1


async def test_two_turns_on_one_cold_model_tell_queue_and_load_apart(home: Home) -> None:
    home.add_model("slow")
    home.start_scripted_host()
    async with Kensho() as kensho:
        first = await submit(kensho, script(text="abcd", repeat=50, rate=100), model="slow")
        second = await submit(kensho, "second", model="slow")
        assert second.queued
        assert (await kensho.read(second.stream)).phase.name == "queued"
        _, one = await read_to_end(kensho, first.stream)
        _, two = await read_to_end(kensho, second.stream)
    assert one.timings is not None and two.timings is not None
    assert one.timings.load_s > 0.5 and two.timings.load_s == 0
    assert two.timings.queue_s > one.timings.load_s


async def test_a_warm_start_with_keep_alive_zero_keeps_its_worker(home: Home) -> None:
    home.settings("keep_alive = 0\n")
    home.paths.models.joinpath("scripted.gguf").unlink()
    for _ in range(2):
        assert home.run("ask", "--max-tokens", "2", "hello").returncode == 0
        home.run("host", "stop")
        home.wait_empty()
    log = (home.paths.logs / "host.log").read_text(encoding="utf-8")
    assert log.count("ended with status") == log.count(" starts, pid") == 2


def test_wait_until_fails_when_nothing_comes() -> None:
    with pytest.raises(AssertionError, match="in vain"):
        wait_until(lambda: False, 0.05)
