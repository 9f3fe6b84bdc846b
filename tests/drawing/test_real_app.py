"""The real app drawn by the differ and by Textual: the same screens, text and colours, at every step."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kensho_tui.config.paths import find_paths
from tests.support.home import Home
from tests.support.terminal import Terminal
from tests.support.turns import script

pytestmark = pytest.mark.slow

READY = "› Ask anything"
CTRL_P, CTRL_Q, ESC, ENTER, F1, PAGE_UP, END = "\x10", "\x11", "\x1b", "\r", "\x1bOP", "\x1b[5~", "\x1b[F"
TEXT = "A **bold** start, `code`, *more* and wide: 世界 한국 ✅.\n\n* one\n* two é\n\n"
TEXT += "```python\ndef f(x):\n    return x\n```\n\n"
PLAIN = {"KENSHO_DRAWING": "plain"}


def same(*terminals: Terminal, seconds: float = 30) -> None:
    """Wait until all show the same: cursors blink, and numbers come when they come."""
    deadline = time.monotonic() + seconds
    while True:
        screens = [terminal.cells() for terminal in terminals]
        if all(screen == screens[0] for screen in screens):
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.03)
    texts = [terminal.text().splitlines() for terminal in terminals]
    differing = [
        (y, "".join(char.data for char in one), "".join(char.data for char in other))
        for y, (one, other) in enumerate(zip(screens[0], screens[1], strict=True))
        if one != other
    ]
    raise AssertionError(f"rows differ: {differing}\n" + "\n".join(texts[0]))


def ask(terminal: Terminal, prompt: str) -> None:
    terminal.wait_for(READY)
    terminal.send(f"\x1b[200~{prompt}\x1b[201~")
    terminal.wait_gone(READY)
    terminal.send(ENTER)


def both(*terminals: Terminal, keys: str) -> None:
    for terminal in terminals:
        terminal.send(keys)


@contextmanager
def pair(size: tuple[int, int] = (80, 24), **environment: str | None) -> Iterator[tuple[Terminal, Terminal]]:
    """The app drawn by the differ and drawn by Textual, both in the same chat."""
    with Terminal(columns=size[0], lines=size[1], environment=environment) as differ:
        ask(differ, "hello")
        differ.wait_for("You said: hello")
        with Terminal(columns=size[0], lines=size[1], environment={**environment, **PLAIN}) as plain:
            plain.wait_for("You said: hello")
            yield differ, plain
    assert not (find_paths().logs / "app.log").exists(), "the differ gave up"


def answered(differ: Terminal, plain: Terminal, prompt: str) -> None:
    """Ask in one, wait until both show the whole answer."""
    ask(differ, prompt)
    differ.wait_for("Esc stop")
    for terminal in (differ, plain):
        terminal.wait_gone("Esc stop")
        terminal.wait_for("tok/s")
    same(differ, plain)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_both_ways_of_drawing_show_the_same(scripted: Home, size: tuple[int, int]) -> None:
    with pair(size) as (differ, plain):
        answered(differ, plain, script(text=TEXT * 12, piece=4, rate=200))
        for key in (PAGE_UP, PAGE_UP, END, CTRL_P, "a", ESC, F1, ESC):
            both(differ, plain, keys=key)
            time.sleep(0.2)
            same(differ, plain)
        for columns, lines in ((size[0] - 17, size[1] - 7), (size[0] + 20, size[1] + 5), size):
            for terminal in (differ, plain):
                terminal.resize(columns, lines)
            time.sleep(0.3)
            same(differ, plain)
    assert len(differ.written) * 3 < len(plain.written)


def test_a_suspended_app_draws_everything_when_it_comes_back(scripted: Home) -> None:
    with pair() as (differ, plain):
        answered(differ, plain, script(text=TEXT * 3, piece=4, rate=100))
        for number in (signal.SIGTSTP, signal.SIGSTOP):
            differ.process.send_signal(number)
            time.sleep(0.5)
            differ.show("\x1b[2J\x1b[H\x1b[33;44m$ ls\r\nREADME.md\r\n$ fg\r\n")
            differ.process.send_signal(signal.SIGCONT)
            differ.wait_for(READY)
            same(differ, plain)
            both(differ, plain, keys="x")
            differ.wait_gone(READY)
            plain.wait_gone(READY)
            same(differ, plain)
            both(differ, plain, keys="\x7f")
            same(differ, plain)
        differ.send(CTRL_Q)
        assert differ.wait_end() == 0


@pytest.mark.parametrize(
    ("term", "colorterm"), [("xterm", None), ("xterm-256color", None), ("screen-256color", None)]
)
def test_fewer_colours_are_the_same_colours(scripted: Home, term: str, colorterm: str | None) -> None:
    with pair(TERM=term, COLORTERM=colorterm) as (differ, plain):
        answered(differ, plain, script(text=TEXT * 4, piece=4, rate=100))
    assert b";2;" not in differ.written


def test_the_setting_leaves_drawing_to_textual(scripted: Home) -> None:
    scripted.settings('model = "scripted"\ndrawing = "plain"\n')
    with Terminal() as terminal:
        terminal.wait_for(READY)
    assert b"\x1b[6n" not in terminal.written


def test_a_terminal_that_never_answers_is_drawn_on_all_the_same(scripted: Home) -> None:
    with Terminal(answers=False) as terminal:
        ask(terminal, "hello")
        terminal.wait_for("You said: hello")
        terminal.send(CTRL_Q)
        assert terminal.wait_end() == 0


@pytest.mark.parametrize("environment", [{}, PLAIN])
def test_the_app_goes_on_while_its_terminal_reads_nothing(
    scripted: Home, environment: dict[str, str | None]
) -> None:
    with Terminal(environment=environment) as terminal:
        ask(terminal, "hello")
        terminal.wait_for("You said: hello")
        with Terminal() as other:
            other.wait_for("You said: hello")
            ask(terminal, script(text=TEXT * 400, piece=4, rate=400))
            terminal.wait_for("python")
            terminal.stop_reading()
            other.wait_for("python")
            time.sleep(4)
            terminal.send(ESC)
            other.wait_for("stopped")
            terminal.go_on_reading()
            terminal.wait_for("stopped")
            same(terminal, other)
            terminal.stop_reading()
            terminal.send(CTRL_Q)
            assert terminal.process.wait(10) == 0
