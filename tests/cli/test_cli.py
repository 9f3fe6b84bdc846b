"""The command line as a contract: output, JSON and exit codes, through real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kensho_tui import __version__
from kensho_tui.host.lock import HostLock
from tests.support.home import Home, wait_until
from tests.support.turns import script


def test_version(home: Home) -> None:
    done = home.run("--version")
    assert (done.returncode, done.stdout) == (0, f"kensho-tui {__version__}\n")


@pytest.mark.slow
def test_ask_with_the_starter(home: Home) -> None:
    done = home.run("ask", "--temperature", "0", "--max-tokens", "40", "What is a REST API?")
    assert done.returncode == 0
    assert "API" in done.stdout and done.stdout.endswith("\n")


@pytest.mark.slow
def test_ask_json_has_every_field(home: Home) -> None:
    done = home.run("ask", "--json", "--seed", "7", "--max-tokens", "8", "What is a REST API?")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["text"] and said["model"].startswith("SmolLM2") and said["from_cache"] is False
    assert said["stop_reason"] in ("length", "end")
    assert set(said["usage"]) == {"prompt_tokens", "cached_tokens", "completion_tokens"}
    assert set(said["timings"]) == {
        "queue_s",
        "load_s",
        "prefill_s",
        "ttft_s",
        "prompt_tok_s",
        "decode_tok_s",
        "total_s",
    }
    timings = said["timings"]
    assert timings["ttft_s"] >= timings["load_s"] > 0
    assert timings["total_s"] >= timings["ttft_s"] >= timings["prefill_s"] > 0
    shown = json.loads(home.run("show", said["conversation_id"][:6], "--json").stdout)
    assert [m["role"] for m in shown["messages"]] == ["user", "assistant"]
    answer = shown["messages"][1]
    assert (answer["id"], answer["content"]) == (said["message_id"], said["text"])
    assert answer["usage"] == said["usage"]


def test_the_chat_goes_on(scripted: Home) -> None:
    first = json.loads(scripted.run("ask", "--json", "one").stdout)
    second = json.loads(scripted.run("ask", "--json", "--continue", "two").stdout)
    third = json.loads(scripted.run("ask", "--json", "--chat", first["conversation_id"][:5], "three").stdout)
    assert first["conversation_id"] == second["conversation_id"] == third["conversation_id"]
    shown = json.loads(scripted.run("show", first["conversation_id"], "--json").stdout)
    assert [m["content"] for m in shown["messages"] if m["role"] == "user"] == ["one", "two", "three"]


def test_stdin_is_the_prompt_or_attached_to_it(scripted: Home) -> None:
    assert scripted.run("ask", input="piped\n").stdout == "You said: piped\n"
    assert scripted.run("ask", "Look:", input="piped").stdout == "You said: Look:\n\npiped\n"
    assert scripted.run("ask", "alone").stdout == "You said: alone\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["ask", ""], 2, "the prompt is empty"),
        (["ask", "  \n"], 2, "the prompt is empty"),
        (["ask", "-m", "nothing", "hello"], 3, "no model 'nothing'"),
        (["ask", "-m", "/nowhere/x.gguf", "hello"], 3, "no model file"),
        (["ask", "--chat", "zzzz", "hello"], 3, "zzzz"),
        (["ask", "--continue", "hello"], 3, "no chats yet"),
        (["show", "zzzz"], 3, "zzzz"),
        (["ask", "--temperature", "-1", "hello"], 2, "between 0 and 10"),
        (["ask", "--max-tokens", "x", "hello"], 2, "max-tokens"),
        (["ask", "--chat", "a", "--continue", "hello"], 2, "not allowed with"),
        (["ask", "--chat", "a", "--system", "s", "hello"], 2, "belongs to a new chat"),
        (["nonsense"], 2, "invalid choice"),
        (["ask", "-m", "broken", "hello"], 4, "could not be loaded"),
        (["ask", "-m", "fatal", "hello"], 4, "GGML_ASSERT"),
        (["ask", "-m", "empty", "hello"], 4, "is empty"),
        ([], 2, "needs a terminal"),
    ],
)
def test_errors_are_one_clear_line_with_the_right_code(
    scripted: Home, arguments: list[str], code: int, said: str
) -> None:
    for name, content in (("broken", b"GGUF"), ("fatal", b"GGUF"), ("empty", b"")):
        scripted.add_model(name, content)
    done = scripted.run(*arguments)
    assert done.returncode == code
    assert said in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""
    assert len([line for line in done.stderr.splitlines() if line.startswith("kensho-tui")]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("cut", [0, 4, 100, 50_000, 5_000_000])
def test_a_truncated_real_model_is_a_clear_error(home: Home, cut: int) -> None:
    from kensho_tui.models.catalogue import find_starter

    starter = find_starter()
    assert starter is not None
    with starter.open("rb") as file:
        path = home.add_model("cut", file.read(cut))
    done = home.run("ask", "-m", str(path), "hello")
    assert done.returncode == 4, done
    assert done.stderr.startswith("kensho-tui: ") and len(done.stderr.splitlines()) == 1


def test_an_empty_chat_list_and_a_full_one(scripted: Home) -> None:
    assert json.loads(scripted.run("chats", "--json").stdout) == []
    scripted.run("ask", "first")
    scripted.run("ask", "second")
    chats = json.loads(scripted.run("chats", "--json").stdout)
    assert [chat["title"] for chat in chats] == ["second", "first"]
    assert {"id", "title", "created", "updated", "model", "messages", "state"} <= set(chats[0])
    text = scripted.run("chats").stdout
    assert text.index("second") < text.index("first")
    assert "You said: first" in scripted.run("show", chats[1]["id"]).stdout


def _start_ask(home: Home, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kensho_tui", "ask", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _chat_state(home: Home) -> str:
    return str(json.loads(home.run("chats", "--json").stdout)[0]["state"])


LONG = script(text="word ", repeat=4000, piece=5, rate=100)


def test_an_interrupt_keeps_the_partial_and_exits_130(scripted: Home) -> None:
    asking = _start_ask(scripted, LONG)
    assert asking.stdout is not None
    assert asking.stdout.read(20) == "word word word word "
    asking.send_signal(signal.SIGINT)
    rest, _ = asking.communicate(timeout=30)
    assert asking.returncode == 130
    chat = json.loads(scripted.run("chats", "--json").stdout)[0]
    answer = json.loads(scripted.run("show", chat["id"], "--json").stdout)["messages"][-1]
    assert answer["state"] == "stopped"
    assert answer["content"].startswith("word word word word " + rest.rstrip("\n"))


def test_a_killed_ask_or_a_closed_pipe_stops_its_answer(scripted: Home) -> None:
    asking = _start_ask(scripted, LONG)
    assert asking.stdout is not None and asking.stdout.read(20)
    asking.kill()
    asking.communicate()
    wait_until(lambda: _chat_state(scripted) != "streaming", what="for the answer to stop")
    asking = _start_ask(scripted, LONG)
    assert asking.stdout is not None and asking.stdout.read(20)
    asking.stdout.close()
    assert asking.wait(30) == 1
    assert asking.stderr is not None
    assert "Traceback" not in asking.stderr.read()
    asking.stderr.close()
    wait_until(lambda: _chat_state(scripted) != "streaming", what="for the answer to stop")


def test_text_reaches_a_pipe_as_it_comes(scripted: Home) -> None:
    asking = _start_ask(scripted, script(text="word ", repeat=200, piece=5, rate=50))
    assert asking.stdout is not None
    started = time.monotonic()
    assert asking.stdout.read(5) == "word "
    first = time.monotonic() - started
    asking.communicate(timeout=60)
    assert first < (time.monotonic() - started) / 2


def test_host_start_status_stop(home: Home) -> None:
    assert home.run("host", "status").stdout == "not running\n"
    stopped = json.loads(home.run("host", "status", "--json").stdout)
    assert stopped["running"] is False
    started = json.loads(home.run("host", "start", "--json").stdout)
    assert started["running"] is True and started["version"] == __version__
    assert {"running", "pid", "version", "front_ends", "streams", "downloads", "workers"} <= set(started)
    again = json.loads(home.run("host", "start", "--json").stdout)
    assert again["pid"] == started["pid"]
    assert home.run("host", "stop").returncode == 0
    home.wait_empty()
    assert home.run("host", "stop").stdout == "not running\n"


def test_a_host_that_cannot_listen_yet_is_not_said_to_be_absent(home: Home) -> None:
    with HostLock(home.paths.lock, home.paths.socket) as lock:
        lock.say("checking the database")
        assert home.run("host", "status").stdout == "starting · checking the database\n"
        stopped = home.run("host", "stop")
        assert (stopped.returncode, stopped.stdout) == (1, "")
        assert "the host is checking the database" in stopped.stderr


def test_the_host_is_detached(home: Home) -> None:
    pid = json.loads(home.run("host", "start", "--json").stdout)["pid"]
    assert os.getsid(pid) not in (os.getsid(0), 0)
    assert Path(f"/proc/{pid}/cwd").resolve() == Path("/")
    for descriptor in range(3):
        assert Path(f"/proc/{pid}/fd/{descriptor}").resolve() == Path(os.devnull)


@pytest.mark.slow
def test_a_warm_start_leaves_one_worker_and_a_plain_one_none(home: Home) -> None:
    home.run("chats")
    assert home.named("kensho_tui.worker") == []
    home.run("host", "stop")
    home.wait_empty()
    home.run("ask", "--max-tokens", "1", "hello")
    assert len(home.named("kensho_tui.worker")) == 1


@pytest.mark.slow
def test_the_same_seed_gives_the_same_answer(home: Home) -> None:
    arguments = (
        "ask",
        "--json",
        "--temperature",
        "1.5",
        "--seed",
        "11",
        "--max-tokens",
        "24",
        "Tell me a tale.",
    )
    said = [json.loads(home.run(*arguments).stdout)["text"] for _ in range(2)]
    other = json.loads(home.run(*arguments[:4], "--seed", "12", *arguments[6:]).stdout)["text"]
    assert said[0] == said[1] != other


def test_a_model_file_may_be_named_relatively(scripted: Home) -> None:
    path = scripted.root / "mine.gguf"
    path.write_bytes(b"GGUF scripted")
    for name in ("mine.gguf", "./mine.gguf"):
        done = scripted.run("ask", "--json", "-m", name, "hello", cwd=scripted.root)
        assert json.loads(done.stdout)["model"] == "mine", done.stderr


def test_escape_sequences_in_names_never_reach_the_terminal(scripted: Home) -> None:
    scripted.add_model("\x1b]0;NAME\x07q\x9b31m", b"GGUF")
    for arguments in (("ask", "-m", "nothing", "x"), ("ask", "-m", "q", "x"), ("host", "status")):
        done = scripted.run(*arguments)
        assert "\x1b" not in done.stdout + done.stderr and "\x9b" not in done.stdout + done.stderr


def test_a_second_interrupt_leaves_at_once(scripted: Home) -> None:
    asking = _start_ask(scripted, script(text="word ", repeat=4000, piece=5, rate=100, hang_after=5))
    assert asking.stdout is not None and asking.stdout.read(20)
    asking.send_signal(signal.SIGINT)
    time.sleep(0.2)
    asking.send_signal(signal.SIGINT)
    asking.communicate(timeout=30)
    assert asking.returncode == 130


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_the_characters_gets_stand_ins(scripted: Home, encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    scripted.run("ask", "snow ❄ man 👩", env=environment)
    chat = json.loads(scripted.run("chats", "--json").stdout)[0]
    for arguments in (("show", chat["id"]), ("chats",), ("host", "status")):
        done = scripted.run(*arguments, env=environment, encoding=encoding)
        assert done.returncode == 0 and "Traceback" not in done.stderr


def test_a_relative_home_is_the_callers(scripted: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENSHO_HOME", "relative/home")
    try:
        started = scripted.run("host", "start", "--json", cwd=scripted.root)
        assert json.loads(started.stdout)["running"] is True
        assert (scripted.root / "relative/home/data/kensho.db").exists()
    finally:
        assert scripted.run("host", "stop", cwd=scripted.root).stdout == "stopped\n"


def test_a_model_that_failed_is_not_chosen_again(scripted: Home) -> None:
    scripted.settings("")
    scripted.run("host", "stop")
    scripted.start_scripted_host()
    scripted.add_model("broken", b"GGUF")
    assert scripted.run("ask", "-m", "scripted", "hello").returncode == 0
    assert scripted.run("ask", "-m", "broken", "hello").returncode == 4
    assert scripted.run("ask", "hello").stdout == "You said: hello\n"


def test_a_wrong_default_model_and_a_damaged_database_are_told(home: Home) -> None:
    home.settings('model = "/nowhere/x.gguf"\n')
    home.paths.database.write_bytes(b"no database at all" * 100)
    done = home.run("chats")
    assert done.returncode == 0
    assert "/nowhere/x.gguf" in done.stderr and "damaged" in done.stderr


@pytest.mark.parametrize(
    "shell",
    ["ask hi >&-", "chats >&-", "chats >/dev/full", "ask hi >/dev/full", "ask \"$(printf '\\377 bad')\""],
)
def test_odd_streams_and_bytes_are_no_tracebacks(scripted: Home, shell: str) -> None:
    done = subprocess.run(
        ["/bin/bash", "-c", f"{sys.executable} -m kensho_tui {shell}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr and "Error" not in done.stderr.replace("OSError", "")


def test_a_dumb_terminal_is_declined() -> None:
    from tests.support.terminal import APP, Terminal

    with Terminal(["/usr/bin/env", "TERM=dumb", *APP]) as terminal:
        assert terminal.wait_end() == 2
        assert "cannot draw the app" in terminal.text()
