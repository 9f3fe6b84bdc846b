"""Terminal checks: replies as bytes, real processes in a pseudo-terminal, and the variables around."""

import json
import os
import sys
import termios
import time

import pytest

from kensho_tui.host.doctor.terminal import QUESTIONS, Replies, understood
from kensho_tui.host.doctor.terminal_checks import charset_of, clipboard, colours, judge
from tests.support.tty import Tty

ALL = b"\x1b[?2026;2$y\x1b[?0u\x1b[3;1R\x1b[?62;22c"

CHECKS = """
import json, os, pathlib, sys
from kensho_tui.config.paths import find_paths
from kensho_tui.config.settings import Settings
from kensho_tui.host.doctor import terminal_checks as t
from kensho_tui.host.doctor.check import Surroundings
from kensho_tui.host.doctor.engine import Engine
around = Surroundings(find_paths(), Settings(), (), dict(os.environ), Engine())
found = [check(around) for check in (t.check_terminal, t.check_replies, t.check_clipboard)]
print(json.dumps([[f.ok, f.detail, f.fix] for f in found]))
"""
COMMAND = (sys.executable, "-c", CHECKS)


def environ(**more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "TERM": "xterm-256color", "LANG": "C.UTF-8", **more}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", Replies()),
        (ALL, Replies(True, True, True, True)),
        (b"\x1b[?62c", Replies(True)),
        (b"\x1b[?2026;0$y\x1b[?62c", Replies(True)),
        (b"\x1b[?2026;4$y\x1b[1;1R", Replies(True, cursor=True)),
        (b"typed ahead\x1b[?2026;1$yls\n\x1b[12;40R", Replies(True, True, True)),
        (b"\x1b[A\x1b[B plain keys", Replies()),
    ],
)
def test_replies(data: bytes, expected: Replies) -> None:
    assert understood(data) == expected


def test_a_terminal_that_answers() -> None:
    with Tty(COMMAND, {QUESTIONS: ALL}, env=environ()) as tty:
        before = termios.tcgetattr(tty.slave)
        _, replies, clip = json.loads(tty.play())
        assert termios.tcgetattr(tty.slave) == before
    assert replies[0]
    assert replies[1].startswith("synchronized output yes, cursor report yes, kitty key protocol yes")
    assert clip[1] == "OSC 52, straight to the terminal"
    assert tty.screen == QUESTIONS  # the replies were not echoed


def test_a_terminal_that_knows_little() -> None:
    with Tty(COMMAND, {QUESTIONS: b"\x1b[1;1R\x1b[?1;2c"}, env=environ()) as tty:
        _, replies, _ = json.loads(tty.play())
    assert replies[1].startswith("synchronized output no, cursor report yes, kitty key protocol no")


def test_a_mute_terminal_costs_little_and_is_restored() -> None:
    with Tty(COMMAND, env=environ()) as tty:
        before = termios.tcgetattr(tty.slave)
        tty.wait_for(QUESTIONS)
        asked = time.monotonic()
        _, replies, _ = json.loads(tty.play())
        assert time.monotonic() - asked < 10
        assert termios.tcgetattr(tty.slave) == before
    assert replies[0]
    assert "no answer within 0.3 s" in replies[1]


def test_late_replies_do_not_reach_the_next_reader() -> None:
    # The terminal answers in part only; keys typed meanwhile are thrown away with the replies.
    with Tty(COMMAND, {QUESTIONS: b"\x1b[1;1Rls -l\n"}, env=environ()) as tty:
        json.loads(tty.play())
        os.set_blocking(tty.slave, False)
        with pytest.raises(BlockingIOError):
            os.read(tty.slave, 100)


def test_in_the_background_the_terminal_is_left_alone() -> None:
    with Tty(COMMAND, {QUESTIONS: ALL}, env=environ(), group="background") as tty:
        terminal, replies, _ = json.loads(tty.play())
    assert terminal[0]
    assert replies == [True, "in the background: not checked", ""]
    assert tty.screen == b""


def test_no_terminal_at_all() -> None:
    import subprocess

    done = subprocess.run(
        COMMAND,
        env=environ(),
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    assert [found[:2] for found in json.loads(done.stdout)] == [[True, "no terminal: not checked"]] * 3


@pytest.mark.parametrize(
    ("variables", "size", "ok", "words", "fix"),
    [
        ({"TERM": "xterm-256color", "LANG": "de_DE.UTF-8"}, (100, 30), True, "256 colours, UTF-8", ""),
        (
            {"TERM": "xterm-kitty", "COLORTERM": "truecolor", "LANG": "C.utf8"},
            (80, 24),
            True,
            "true colour",
            "",
        ),
        ({"TERM": "xterm", "LANG": "C.UTF-8"}, (79, 24), True, "79×24, 16 colours", "enlarge"),
        ({"TERM": "xterm", "LANG": "C.UTF-8"}, (0, 0), True, "size unknown", ""),
        ({"TERM": "xterm", "LANG": "de_DE.ISO-8859-1"}, (80, 24), False, "LANG is not UTF-8", "C.UTF-8"),
        ({"TERM": "xterm", "LANG": "C"}, (80, 24), True, "no character set given", "LANG=C.UTF-8"),
        ({"TERM": "dumb"}, (80, 24), False, "TERM is dumb", "xterm-256color"),
        ({}, (80, 24), False, "TERM is not set", "xterm-256color"),
        (
            {"TERM": "tmux-256color", "LANG": "C.UTF-8", "TMUX": "/x", "SSH_TTY": "/dev/pts/1"},
            (80, 24),
            True,
            "inside SSH and tmux",
            "",
        ),
    ],
)
def test_judge(variables: dict[str, str], size: tuple[int, int], ok: bool, words: str, fix: str) -> None:
    found = judge(variables, size)
    assert found.ok is ok
    assert words in found.detail
    assert (fix in found.fix) if fix else found.fix == ""


def test_the_locale_variable_that_decides() -> None:
    assert charset_of({"LC_ALL": "", "LC_CTYPE": "UTF-8", "LANG": "de_DE.ISO-8859-1"}) == (
        "LC_CTYPE",
        "UTF-8",
    )
    assert charset_of({"LC_ALL": "ja_JP.eucJP", "LANG": "C.UTF-8"}) == ("LC_ALL", "eucJP")
    assert charset_of({"LANG": "en_US.UTF-8@euro"}) == ("LANG", "UTF-8")


def test_colours() -> None:
    assert colours({"TERM": "xterm-direct"}) == "true colour"
    assert colours({"TERM": "linux"}) == "16 colours"


@pytest.mark.parametrize(
    ("variables", "setting", "words", "advice"),
    [
        ({}, "", "straight", False),
        ({"TMUX": "x"}, "on", "through tmux", False),
        ({"TMUX": "x"}, "external", "external", True),
        ({"TMUX": "x"}, "", "unknown", True),
        ({"STY": "x"}, "", "GNU screen", True),
        ({"TERM_PROGRAM": "Apple_Terminal"}, "", "Apple", True),
    ],
)
def test_clipboard(variables: dict[str, str], setting: str, words: str, advice: bool) -> None:
    found = clipboard(variables, setting)
    assert found.ok
    assert words in found.detail
    assert bool(found.fix) is advice
