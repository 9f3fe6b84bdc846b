"""`pull` as a process against a host that a test plays: every end, every signal, and what is said of it."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from kensho_tui.cli.main import main
from kensho_tui.cli.reference import what_to_pull
from kensho_tui.core.errors import (
    DamagedError,
    GatedError,
    KenshoError,
    LimitedError,
    LoadError,
    NotFoundError,
    OfflineError,
    UsageError,
)
from kensho_tui.core.hub_contract import Download, StartDownload
from tests.cli.downloads_host import MIB, NAME, START, DownloadsHost
from tests.support.home import Home
from tests.support.terminal import Terminal

WHAT = "Qwen/Qwen3-4B-GGUF:Q4_K_M"
EVIL = "\x1b]0;x\x07evil\x9b31m"


@pytest.fixture
async def host(home: Home) -> AsyncIterator[DownloadsHost]:
    async with DownloadsHost(home.paths) as host:
        yield host


def at(done: int, **changes: object) -> Download:
    return msgspec.structs.replace(START, done=done * MIB, **changes)


DONE = at(100, state="done", path="/models/Qwen/Qwen3-4B-GGUF/Qwen3-4B-Q4_K_M.gguf")


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Pulling:
    """A `pull` under way. Nothing is left of it, however a test ends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    async def end(self) -> Ended:
        async with asyncio.timeout(30):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return Ended(self.process.returncode, out.decode(), err.decode())


@contextlib.asynccontextmanager
async def pulling(*arguments: str, **options: object) -> AsyncIterator[Pulling]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "kensho_tui",
        "pull",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        **options,  # type: ignore[arg-type]
    )
    try:
        yield Pulling(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def pulled(*arguments: str) -> Ended:
    async with pulling(*arguments) as one:
        return await one.end()


# --- to the end -------------------------------------------------------------------------------------


async def test_the_name_is_all_that_stdout_gets(host: DownloadsHost) -> None:
    async with pulling(WHAT) as one:
        await host.until(lambda: bool(host.started))
        await host.watched()
        for done in (20, 40, 60):
            host.put(at(done, rate=5e6, eta_s=12.0))
            await host.watched()
        host.put(at(100, state="checking"))
        await host.watched()
        host.put(DONE)
        ended = await one.end()
    assert (ended.code, ended.out) == (0, f"{NAME}\n")
    assert host.started == [StartDownload(what=WHAT)] and host.changed == []
    lines = ended.err.splitlines()
    assert all(line.startswith("kensho-tui: ") for line in lines)
    assert lines[0] == f"kensho-tui: {NAME}, 0 %, 0/100 MiB"
    assert f"kensho-tui: {NAME}, 40 %, 40/100 MiB, 4.8 MiB/s, 12 s left" in lines
    assert f"kensho-tui: {NAME}, 100 %, 100/100 MiB, checking" in lines
    assert lines[-2:] == [
        f"kensho-tui: {NAME} (100 MiB) is here: {DONE.path}",
        f"kensho-tui: use it with: kensho-tui ask -m {NAME}",
    ]


async def test_what_is_here_already_is_no_error(host: DownloadsHost) -> None:
    host.put(DONE)

    async def told(request: StartDownload) -> Download:
        return DONE

    host.starting = told
    ended = await pulled(WHAT)
    assert (ended.code, ended.out) == (0, f"{NAME}\n")
    assert ended.err.splitlines()[0] == f"kensho-tui: {NAME} (100 MiB) is here already: {DONE.path}"
    (event,) = (await pulled(WHAT, "--json")).events
    assert (event["event"], event["already"], event["path"]) == ("done", True, DONE.path)


async def test_a_revision_is_passed_on(host: DownloadsHost) -> None:
    host.put(DONE)
    async with pulling(WHAT, "--revision", "v1.0") as one:
        await host.until(lambda: bool(host.started))
        host.put(DONE)
        assert (await one.end()).code == 0
    assert host.started == [StartDownload(what=WHAT, revision="v1.0")]


async def test_json_has_an_event_a_line_and_nothing_else(host: DownloadsHost) -> None:
    host.notices = ("the settings are odd",)
    async with pulling(WHAT, "--json") as one:
        await host.until(lambda: bool(host.started))
        for done in range(1, 90):
            host.put(at(done, rate=5e6))
            await asyncio.sleep(0.01)
        host.put(at(90, state="waiting", wait_s=3.0, note="asked too often"))
        await host.watched()
        host.put(at(90))
        await host.watched()
        host.put(DONE)
        ended = await one.end()
    assert ended.code == 0
    kinds = [event["event"] for event in ended.events]
    assert kinds[0] == "start" and kinds[-1] == "done" and set(kinds[1:-1]) == {"progress", "state"}
    assert kinds.count("progress") <= 5
    assert [event["state"] for event in ended.events if event["event"] == "state"] == ["waiting", "running"]
    first, last = ended.events[0], ended.events[-1]
    assert (first["what"], first["model"], first["total"]) == (WHAT, NAME, 100 * MIB)
    assert (last["model"], last["path"], last["done"], last["already"]) == (NAME, DONE.path, 100 * MIB, False)
    assert "the settings are odd" in ended.err


async def test_a_snapshot_from_before_is_not_believed(host: DownloadsHost) -> None:
    """It failed yesterday and was told as that; what begins now has not failed."""
    host.put(at(30, state="failed", error="yesterday's"))

    async def started(request: StartDownload) -> Download:
        host.downloads[START.id] = at(30)  # and the snapshot stays as it was
        return at(30)

    host.starting = started
    async with pulling(WHAT) as one:
        await host.watched()
        await host.watched()
        host.put(DONE)
        ended = await one.end()
    assert ended.code == 0 and "yesterday" not in ended.err


@pytest.mark.parametrize(
    ("differs", "told"),
    [
        (("HF_TOKEN",), "HF_TOKEN"),
        (("HF_ENDPOINT", "HTTPS_PROXY", "CUDA_VISIBLE_DEVICES"), "HF_ENDPOINT and HTTPS_PROXY"),
        (("CUDA_VISIBLE_DEVICES",), ""),
    ],
)
async def test_a_host_with_other_settings_is_told(
    host: DownloadsHost, differs: tuple[str, ...], told: str
) -> None:
    host.differs = differs

    async def here(request: StartDownload) -> Download:
        return DONE

    host.starting = here
    ended = await pulled(WHAT)
    assert ended.code == 0 and (f"other values of {told}; " in ended.err) == bool(told)
    assert ("kensho-tui host stop" in ended.err) == bool(told)


# --- ends that are none -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFoundError("there is no repository Qwen/Nothing", hint="Check its name"), 3),
        (UsageError("'x' is no model on the hub", hint="Write owner/name"), 2),
        (GatedError("Qwen/Secret is gated", hint="Accept its terms"), 1),
        (OfflineError("there is no way to the hub"), 1),
        (LimitedError("the hub was asked too often", hint="Try again in a minute"), 1),
        (KenshoError(f"odd {EVIL}"), 1),
    ],
)
async def test_what_cannot_be_begun_is_one_clear_line(
    host: DownloadsHost, error: KenshoError, code: int
) -> None:
    async def refuse(request: StartDownload) -> Download:
        raise error

    host.starting = refuse
    ended = await pulled(WHAT)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err == f"kensho-tui: {error.line()}\n" and "\x1b" not in ended.err
    ended = await pulled(WHAT, "--json")
    assert ended.code == code and ended.err == f"kensho-tui: {error.line()}\n"
    (event,) = ended.events
    assert event == {"event": "error", "code": error.code, "message": error.message, "hint": error.hint}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DamagedError("the hash is wrong; nothing was kept", hint="Try again later"), 1),
        (NotFoundError("the file is gone from the hub", hint="Look at its files"), 3),
        # What was fetched is no model: no engine was asked, so none failed.
        (LoadError("it is no GGUF file", hint="Take another"), 1),
    ],
)
async def test_a_download_that_fails(host: DownloadsHost, error: KenshoError, code: int) -> None:
    failed = at(50, state="failed", error=error.message, hint=error.hint, code=error.code)
    async with pulling(WHAT, "--json") as one:
        await host.until(lambda: bool(host.started))
        host.put(failed)
        ended = await one.end()
    assert ended.code == code
    assert ended.err == f"kensho-tui: {error.line()}\n"
    assert [event["event"] for event in ended.events] == ["start", "state", "error"]
    assert ended.events[1]["state"] == "failed" and ended.events[2]["message"] == error.message


async def test_a_failure_without_a_word_says_what_to_do(host: DownloadsHost) -> None:
    async with pulling(WHAT) as one:
        await host.until(lambda: bool(host.started))
        host.put(at(50, state="failed"))
        ended = await one.end()
    assert ended.code == 1
    last = ended.err.splitlines()[-1]
    assert last == f"kensho-tui: {NAME} could not be fetched. Try again with: kensho-tui pull {WHAT}"


@pytest.mark.parametrize("state", ["paused", "cancelled"])
async def test_ended_from_elsewhere(host: DownloadsHost, state: str) -> None:
    async with pulling(WHAT) as one:
        await host.until(lambda: bool(host.started))
        host.put(at(50, state=state))
        ended = await one.end()
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines()[-1] == (
        f"kensho-tui: {NAME} was {state} from elsewhere; 50/100 MiB are kept. "
        f"Go on with: kensho-tui pull {WHAT}"
    )


async def test_removed_from_elsewhere(host: DownloadsHost) -> None:
    async with pulling(WHAT) as one:
        await host.until(lambda: bool(host.started))
        await host.watched()
        host.downloads.clear()
        host.tell()
        ended = await one.end()
    assert ended.code == 1 and f"the download of {NAME} was removed" in ended.err


# --- interrupted ------------------------------------------------------------------------------------


async def test_an_interrupt_pauses_and_says_how_to_go_on(host: DownloadsHost) -> None:
    async with pulling(WHAT, "--revision", "a b") as one:
        await host.until(lambda: bool(host.started))
        host.put(at(42))
        await host.watched()
        one.interrupt()
        ended = await one.end()
    assert (ended.code, ended.out) == (130, "")
    assert [(change.id, change.action) for change in host.changed] == [(START.id, "pause")]
    assert ended.err.splitlines()[-2:] == [
        f"kensho-tui: {NAME} is paused; 42/100 MiB are kept",
        f"kensho-tui: go on with: kensho-tui pull {WHAT} --revision 'a b'",
    ]
    async with pulling(WHAT, "--json") as one:
        await host.until(lambda: len(host.started) == 2)
        assert host.downloads[START.id].state == "running"
        one.interrupt()
        ended = await one.end()
    assert ended.code == 130 and len(host.changed) == 2
    assert [event["event"] for event in ended.events] == ["start", "state"]
    assert ended.events[-1]["state"] == "paused"


async def test_what_somebody_else_began_is_left_alone(host: DownloadsHost) -> None:
    host.put(at(10))
    async with pulling(WHAT) as one:
        await host.until(lambda: bool(host.started))
        await host.watched()
        one.interrupt()
        ended = await one.end()
    assert (ended.code, host.changed) == (130, [])
    assert f"{NAME} is fetched on in the background" in ended.err


async def test_an_interrupt_while_the_hub_is_asked_leaves_nothing_running(host: DownloadsHost) -> None:
    asked = asyncio.Event()

    async def slow(request: StartDownload) -> Download:
        asked.set()
        await asyncio.sleep(0.5)
        host.put(START)
        return START

    host.starting = slow
    async with pulling(WHAT) as one:
        await asked.wait()
        one.interrupt()
        ended = await one.end()
    assert ended.code == 130 and host.downloads[START.id].state == "paused"
    assert f"{NAME} is paused; nothing had come yet" in ended.err


async def test_a_second_interrupt_ends_it_at_once(host: DownloadsHost) -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    async def stuck(request: StartDownload) -> Download:
        asked.set()
        await never.wait()
        return START

    host.starting = stuck
    async with pulling(WHAT) as one:
        await asked.wait()
        one.interrupt()
        await asyncio.sleep(0.3)
        one.interrupt()
        ended = await one.end()
    assert (ended.code, ended.out) == (130, "") and "Traceback" not in ended.err


async def test_done_in_the_moment_of_the_interrupt_is_done(host: DownloadsHost) -> None:
    async with pulling(WHAT) as one:
        await host.until(lambda: bool(host.started))
        await host.watched()

        host.downloads[START.id] = DONE
        host.pausing = lambda: DONE
        one.interrupt()
        ended = await one.end()
    assert (ended.code, ended.out) == (0, f"{NAME}\n")


async def test_a_pause_that_is_refused_is_said(host: DownloadsHost) -> None:
    def refuse() -> Download:
        raise KenshoError("the disk is full")

    async with pulling(WHAT) as one:
        await host.until(lambda: bool(host.started))
        await host.watched()
        host.pausing = refuse
        one.interrupt()
        ended = await one.end()
    assert ended.code == 130 and "it could not be paused: the disk is full" in ended.err


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
async def test_the_host_goes_on_when_the_command_is_ended(host: DownloadsHost, sent: signal.Signals) -> None:
    async with pulling(WHAT) as one:
        await host.until(lambda: bool(host.started))
        await host.watched()
        one.process.send_signal(sent)
        ended = await one.end()
    assert ended.code == -sent and host.changed == []
    assert host.downloads[START.id].active


async def test_a_reader_that_is_gone_ends_the_command_and_not_the_download(host: DownloadsHost) -> None:
    async with pulling(WHAT, "--json") as one:
        await host.until(lambda: bool(host.started))
        assert one.process.stdout is not None
        await one.process.stdout.readline()
        one.process.stdout._transport.close()  # type: ignore[attr-defined]
        for done in range(1, 20):
            host.put(at(done))
            await asyncio.sleep(0.1)
            if one.process.returncode is not None:
                break
        async with asyncio.timeout(20):
            code = await one.process.wait()
    assert code == 1 and host.changed == [] and host.downloads[START.id].active


# --- a host that is gone ----------------------------------------------------------------------------


async def test_through_a_host_that_dies(host: DownloadsHost) -> None:
    async with pulling(WHAT) as one:
        for times in (1, 2, 3):
            await host.until(lambda times=times: len(host.started) == times)  # type: ignore[misc]
            host.put(at(10 * times))
            await host.watched()
            await host.die()
        await host.until(lambda: len(host.started) == 4)
        host.put(DONE)
        ended = await one.end()
    assert (ended.code, ended.out) == (0, f"{NAME}\n")
    assert ended.err.splitlines()[-2].endswith(f"is here: {DONE.path}")


async def test_after_a_host_that_died_an_interrupt_still_pauses(host: DownloadsHost) -> None:
    async with pulling(WHAT) as one:
        await host.until(lambda: bool(host.started))
        await host.watched()
        await host.die()
        await host.until(lambda: len(host.started) == 2)
        await host.watched()
        one.interrupt()
        assert (await one.end()).code == 130
    assert len(host.changed) == 1


@pytest.mark.slow
async def test_hosts_that_die_one_after_the_other_are_given_up(host: DownloadsHost) -> None:
    async def dies(request: StartDownload) -> Download:
        asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(host.die()))
        await asyncio.sleep(30)
        return START

    host.starting = dies
    ended = await pulled(WHAT)
    assert ended.code == 1 and "the connection to the host was lost" in ended.err
    assert 3 <= len(host.started) <= 10


async def test_the_status_of_a_host_that_fetches(host: DownloadsHost, home: Home) -> None:
    host.put(at(40, rate=5e6, eta_s=12.0))
    host.put(at(10, id="ffff", state="paused", model="later"))
    done = await asyncio.to_thread(home.run, "host", "status")
    assert f"download {NAME} · 40 % · 40/100 MiB · 4.8 MiB/s · 12 s left" in done.stdout.splitlines()
    assert "downloads 1" in done.stdout and "later" not in done.stdout
    said = json.loads((await asyncio.to_thread(home.run, "host", "status", "--json")).stdout)
    assert said["downloads"] == 1 and [one["id"] for one in said["fetching"]] == [START.id]


# --- on a terminal ----------------------------------------------------------------------------------


async def test_the_line_on_a_terminal(host: DownloadsHost, home: Home) -> None:
    command = (sys.executable, "-m", "kensho_tui", "pull", WHAT)
    with Terminal(command, 80, 10) as terminal:
        await host.until(lambda: bool(host.started))
        host.put(at(40, rate=5e6, eta_s=750.0, quantisation="Q4_K_M", model=f"Qwen{EVIL}"))
        text = await asyncio.to_thread(terminal.wait_for, "min left")  # its end: it may come in pieces
        bar = "▓" * 5 + "░" * 9
        assert text.rstrip() == f"Qwenevil  Q4_K_M  {bar}   40 %   40/100 MiB   4.8 MiB/s  13 min left"
        host.put(at(41, state="waiting", wait_s=30.0, note="the line was cut"))
        await asyncio.to_thread(terminal.wait_for, r"41/100 MiB  again in \d+ s  the line was cut")
        host.put(at(41, quiet_s=9.0))
        await asyncio.to_thread(terminal.wait_for, r"nothing came for \d+ s")
        terminal.resize(40, 10)
        host.put(at(42, rate=5e6))
        await asyncio.to_thread(terminal.wait_for, "42 %")
        host.put(DONE)
        await asyncio.to_thread(terminal.wait_end)
        assert b"\x1b]0" not in terminal.written and b"\xc2\x9b" not in terminal.written
        text = terminal.text()
    assert "%" not in text and "▓" not in text
    assert text.rstrip().splitlines()[-1] == NAME
    assert terminal.process.returncode == 0


async def test_ctrl_c_on_a_terminal(host: DownloadsHost) -> None:
    command = (sys.executable, "-m", "kensho_tui", "pull", WHAT)
    with Terminal(command, 80, 10) as terminal:
        await host.until(lambda: bool(host.started))
        host.put(at(40))
        await asyncio.to_thread(terminal.wait_for, "40 %")
        terminal.send("\x03")
        assert await asyncio.to_thread(terminal.wait_end) == 130
        lines = [line for line in terminal.text().splitlines() if line]
    assert lines[0] == f"kensho-tui: {NAME} is paused; 40/100 MiB are kept", lines
    assert lines[1] == f"kensho-tui: go on with: kensho-tui pull {WHAT}"


async def test_the_line_goes_and_the_download_goes_on(host: DownloadsHost) -> None:
    command = (sys.executable, "-m", "kensho_tui", "pull", WHAT)
    with Terminal(command, 80, 10) as terminal:
        await host.until(lambda: bool(host.started))
        await host.watched()
        terminal.hang_up()
        host.put(at(1))  # what it draws next is read, then nobody has the line open any more
        assert await asyncio.to_thread(terminal.wait_end) == -signal.SIGHUP
    assert host.changed == [] and host.downloads[START.id].active


async def test_a_terminal_that_cannot_draw_gets_plain_lines(host: DownloadsHost) -> None:
    command = (sys.executable, "-m", "kensho_tui", "pull", WHAT)
    with Terminal(command, 80, 10, environment={"TERM": "dumb"}) as terminal:
        await host.until(lambda: bool(host.started))
        host.put(at(40))
        await asyncio.to_thread(terminal.wait_for, "kensho-tui: .*, 40 %")
        host.put(DONE)
        await asyncio.to_thread(terminal.wait_end)
        assert b"\x1b" not in terminal.written


# --- what is asked for ------------------------------------------------------------------------------


def test_paths_are_made_absolute_and_all_else_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/anna")
    here = Path.cwd()
    (tmp_path / "model.gguf").touch()
    (tmp_path / "owner" / "repo").mkdir(parents=True)
    (tmp_path / "owner" / "repo" / "here.gguf").touch()
    assert what_to_pull("model.gguf") == f"{here}/model.gguf"
    assert what_to_pull("./gone.gguf") == f"{here}/gone.gguf"
    assert what_to_pull("~/m.gguf") == "/home/anna/m.gguf"
    assert what_to_pull("/a/m.gguf") == "/a/m.gguf"
    assert what_to_pull("owner/repo/here.gguf") == f"{here}/owner/repo/here.gguf"
    for what in (
        "owner/repo",
        "owner/repo:Q4_K_M",
        "owner/repo/there.gguf",
        "https://example.org/m.gguf",
        "ollama:llama3.2:1b",
        "gone.gguf",
        "n" * 5000,
    ):
        assert what_to_pull(what) == what
    assert what_to_pull(" owner/repo\n") == "owner/repo"


@pytest.mark.parametrize("what", ["", "  ", "a\0b", "\udcff.gguf"])
def test_what_cannot_be_asked_for(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError):
        what_to_pull(what)
    assert main(["pull", what]) == 2
    assert capsys.readouterr().err.startswith("kensho-tui: ")
