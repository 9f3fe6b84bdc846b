"""The life of the host: who may connect, when it ends, and what it finds when it starts."""

import asyncio
import os
import socket
import struct
import subprocess
import sys

import psutil
import pytest

from kensho_tui.bus.codec import HEADER, MAX_FRAME, encode, pack
from kensho_tui.bus.reading import read_payload
from kensho_tui.client import connection, launch, spawn
from kensho_tui.client.connection import Connection, connect
from kensho_tui.client.facade import Kensho
from kensho_tui.core.errors import HostBusyError, HostUnavailableError
from kensho_tui.core.frames import Call, Hello, Welcome
from kensho_tui.host.lock import HostLock
from tests.support.home import REPOSITORY, Home, wait_until
from tests.support.turns import read_to_end, script, submit


async def test_files_and_sockets_are_private_whatever_the_umask(home: Home) -> None:
    old = os.umask(0)
    try:
        home.start_scripted_host()
    finally:
        os.umask(old)
    for path in (home.paths.socket, home.paths.database, home.paths.lock):
        assert path.stat().st_mode & 0o777 == 0o600, path
    for folder in (home.paths.data, home.paths.runtime):
        assert folder.stat().st_mode & 0o777 == 0o700, folder


async def test_a_stale_socket_and_lock_file_are_no_obstacle(home: Home) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(home.paths.socket))
    stale.close()
    home.paths.lock.write_text('{"pid": 1, "machine": "elsewhere", "boot": "x"}', encoding="utf-8")
    home.start_scripted_host()
    async with Kensho() as kensho:
        assert (await kensho.status()).running


async def test_a_second_host_leaves_the_first_alone(home: Home) -> None:
    pid = home.start_scripted_host()
    second = subprocess.run(
        [sys.executable, "-m", "tests.support.scripted_host"], cwd=REPOSITORY, timeout=30, check=False
    )
    assert second.returncode == 0
    async with Kensho() as kensho:
        assert (await kensho.status()).pid == pid


async def test_many_front_ends_at_once_get_one_host(home: Home) -> None:
    clients = await asyncio.gather(*(Kensho().open() for _ in range(5)))
    pids = {(await kensho.status()).pid for kensho in clients}
    for kensho in clients:
        await kensho.close()
    assert len(pids) == 1


async def test_linger_zero_ends_the_host_with_the_last_connection(home: Home) -> None:
    home.settings('model = "scripted"\nlinger = 0\n')
    home.start_scripted_host()
    async with Kensho() as kensho:
        submitted = await submit(kensho, script(text="abcd", repeat=50, rate=100))
    # The answer still runs: the host must not end during it.
    async with Kensho() as kensho:
        _, result = await read_to_end(kensho, submitted.stream)
        assert result.state == "complete"
    home.wait_empty()
    assert not home.paths.socket.exists()


async def test_an_unused_model_is_unloaded_while_no_front_end_is_there(home: Home) -> None:
    home.settings('model = "scripted"\nkeep_alive = 0\n')
    home.start_scripted_host()
    async with Kensho(front_end=True) as kensho:
        await read_to_end(kensho, (await submit(kensho, "hello")).stream)
        assert len((await kensho.status()).workers) == 1
    wait_until(lambda: not home.named("scripted_worker"))
    async with Kensho() as kensho:
        while (await kensho.status()).workers:  # the process is gone a moment before the host hears of it
            await asyncio.sleep(0.01)


async def _raw(home: Home, *parts: bytes) -> bytes:
    """What the host sends back to a stranger before it hangs up."""
    reader, writer = await asyncio.open_unix_connection(str(home.paths.socket))
    for part in parts:
        writer.write(part)
    await writer.drain()
    async with asyncio.timeout(20):
        said = await reader.read()
    writer.close()
    return said


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        HEADER.pack(MAX_FRAME + 1),
        HEADER.pack(5) + b"\xc1\xc1\xc1\xc1\xc1",
        encode(Call(id=1, method="host.stop", body=pack({}))),
        HEADER.pack(2000) + b"\x91" * 2000,
    ],
    ids=["http", "oversized", "malformed", "no hello", "deep"],
)
async def test_bad_frames_close_their_own_connection_only(home: Home, garbage: bytes) -> None:
    home.start_scripted_host()
    async with Kensho() as kensho:
        assert await _raw(home, garbage) == b""
        assert (await kensho.status()).running


async def test_bad_frames_after_the_hello(home: Home) -> None:
    home.start_scripted_host()
    hello = encode(Hello(protocol=1, version="x", front_end=True))
    async with Kensho(front_end=True) as kensho:
        said = await _raw(home, hello, HEADER.pack(3) + b"\xc1\xc1\xc1")
        assert b"welcome" in said
        assert (await kensho.status()).front_ends == 1


async def test_an_unknown_method_and_a_wrong_request_are_answered(home: Home) -> None:
    home.start_scripted_host()
    from kensho_tui.core.contract import Empty, Method
    from kensho_tui.core.errors import UsageError

    answer = await connect(home.paths.socket)
    assert isinstance(answer, Connection)
    with pytest.raises(UsageError, match="no method"):
        await answer.call(Method("nothing.here", Empty, Empty), Empty())
    with pytest.raises(UsageError, match="not of the method's form"):
        await answer.call(Method("stream.read", Empty, Empty), Empty())
    await answer.close()


async def _hello(home: Home, **fields: object) -> Welcome:
    reader, writer = await asyncio.open_unix_connection(str(home.paths.socket))
    writer.write(encode(Hello(**{"protocol": 1, "version": "0", **fields})))  # type: ignore[arg-type]
    payload = await read_payload(reader)
    writer.close()
    assert payload is not None
    import msgspec

    return msgspec.msgpack.decode(payload, type=Welcome)


async def test_an_idle_host_of_another_version_is_replaced(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = home.start_scripted_host()
    monkeypatch.setattr(connection, "__version__", "99.0")
    kensho = Kensho(home.paths)
    # The new host (of the old version here) would be replaced again: one round is what is looked at.
    assert await spawn.running(home.paths) is None
    wait_until(lambda: not psutil.pid_exists(old) or psutil.Process(old).status() == "zombie")
    await kensho.close()


async def test_a_busy_host_of_another_version_is_used_or_reported(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.start_scripted_host()
    async with Kensho(front_end=True) as kensho:
        welcome = await _hello(home, version="99.0")
        assert welcome.accepted and welcome.busy
        assert not (await _hello(home, version="99.0", replace=True)).accepted
        assert not (await _hello(home, protocol=2, version="99.0")).accepted
        monkeypatch.setattr(connection, "PROTOCOL", 2)
        with pytest.raises(HostBusyError, match="at work"):
            await Kensho(home.paths).open()
        assert (await kensho.status()).running


async def test_a_differing_environment_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.start_scripted_host()
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    async with Kensho() as kensho:
        assert kensho.differs == ("HF_TOKEN",)
    assert "hf_secret" not in (home.paths.logs / "host.log").read_text(encoding="utf-8")


async def test_a_host_that_cannot_start_says_why(home: Home) -> None:
    import sqlite3

    from kensho_tui.core.errors import DatabaseNewerError

    home.start_scripted_host()
    async with Kensho() as kensho:
        await kensho.stop_host()
        await kensho.closed()
    home.wait_empty()
    database = sqlite3.connect(home.paths.database)
    columns = [row[1] for row in database.execute("PRAGMA table_info(migrations)")]
    values = {"name": "9999_from_the_future"}
    row = [values.get(column, "99.0") for column in columns]
    database.execute(f"INSERT INTO migrations VALUES ({','.join('?' * len(row))})", row)
    database.commit()
    database.close()
    before = home.paths.database.read_bytes()
    with pytest.raises(DatabaseNewerError, match=r"99\.0"):
        await Kensho().open()
    assert home.paths.database.read_bytes() == before


async def test_a_damaged_database_is_set_aside_and_told(home: Home) -> None:
    home.paths.database.write_bytes(b"SQLite format 3\x00" + b"\xff" * 8000)
    home.start_scripted_host()
    async with Kensho() as kensho:
        notices = (await kensho.status()).notices
        await read_to_end(kensho, (await submit(kensho, "hello")).stream)
    assert any("damaged" in notice for notice in notices)
    kept = list(home.paths.data.glob("kensho.db.damaged-*"))
    assert len(kept) == 1 and kept[0].read_bytes().endswith(b"\xff" * 8000)


async def test_a_settings_file_with_errors_is_told_and_survived(home: Home) -> None:
    home.settings('model = "scripted"\nlinger = "soon"\nwhat = 1\n')
    home.start_scripted_host()
    async with Kensho() as kensho:
        notices = " ".join((await kensho.status()).notices)
    assert "linger" in notices and "'what'" in notices


async def test_a_host_that_dies_while_starting_is_reported(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch.sys, "executable", "/bin/false")
    with pytest.raises(HostUnavailableError, match="ended while it started"):
        await Kensho().open()


async def test_a_start_is_waited_for_as_long_as_it_says_what_it_does(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawn, "LOOK_S", 0.01)
    monkeypatch.setattr(spawn, "START_TIMEOUT_S", 0.0)  # whoever says nothing at the first look has failed
    report, told = os.pipe()
    launched = launch.Launched(os.posix_spawnp("true", ["true"], os.environ), report)
    heard: asyncio.Queue[str] = asyncio.Queue()
    with HostLock(home.paths.lock, home.paths.socket) as lock:
        lock.say("working")
        waiting = asyncio.create_task(spawn.finish_launch(launched, home.paths, heard.put_nowait))
        for share in ("1%", "2%", "3%"):
            lock.say(f"working: {share}")
            while await heard.get() != f"working: {share}":
                pass
        assert not waiting.done()
        os.write(told, b"{}")
        os.close(told)
        while not heard.empty():
            heard.get_nowait()
        await heard.get()
        lock.say("")
        monkeypatch.setattr(spawn, "START_TIMEOUT_S", 60.0)
        await waiting


async def test_a_start_that_says_nothing_is_not_waited_for_for_ever(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawn, "LOOK_S", 0.01)
    monkeypatch.setattr(spawn, "START_TIMEOUT_S", 0.0)
    report, told = os.pipe()
    ended = await asyncio.create_subprocess_exec("true")
    await ended.wait()
    home.paths.lock.write_text(f'{{"pid": {ended.pid}, "doing": "of a host that is gone"}}')
    with pytest.raises(HostUnavailableError, match="did not answer"):
        await spawn.finish_launch(launch.Launched(ended.pid, report), home.paths, print)
    os.close(told)


async def test_whoever_comes_while_another_ones_host_starts_waits_for_that(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawn, "LOOK_S", 0.01)
    kensho, heard = Kensho(), asyncio.Event()
    kensho.told = heard.set
    with HostLock(home.paths.lock, home.paths.socket) as lock:
        lock.say("saving\x1b[2J chats")
        opening = asyncio.create_task(kensho.open())
        await heard.wait()
        assert kensho.starting == "saving chats"
        lock.say("")
    async with await opening:
        assert kensho.starting == ""
        assert (await kensho.status()).pid != os.getpid()


async def test_a_host_says_what_it_is_at_and_then_no_more(home: Home) -> None:
    from kensho_tui.host.rooms import Host

    said: list[str] = []
    host = await Host.build(home.paths, ("false",), told=said.append)
    await host.close()
    assert said[0] == "checking the database" and said[-1] == ""


def test_the_header_is_four_bytes_big_endian() -> None:
    assert HEADER.pack(258) == struct.pack("!I", 258) == b"\x00\x00\x01\x02"
