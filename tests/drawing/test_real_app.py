"""The real app drawn by the differ and by Textual: the same screens, text and colours, at every step."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kensho_tui.config.paths import find_paths
from tests.support.home import Home
from tests.support.terminal import READY, Terminal
from tests.support.turns import script

pytestmark = pytest.mark.slow

CTRL_P, CTRL_Q, ESC, ENTER, F1, PAGE_UP, END = "\x10", "\x11", "\x1b", "\r", "\x1bOP", "\x1b[5~", "\x1b[F"
TEXT = "A **bold** start, `code`, *more* and wide: 世界 한국 ✅.\n\n* one\n* two é\n\n"
TEXT += "```python\ndef f(x):\n    return x\n```\n\n"
CODE = "┃ +python ─"
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


@pytest.mark.parametrize("drawing", ["differ", "plain"])
def test_the_size_is_the_terminals_whatever_the_environment_says(scripted: Home, drawing: str) -> None:
    said = {"COLUMNS": "60", "LINES": "15", "KENSHO_DRAWING": drawing}
    with Terminal(columns=100, lines=30, environment=said) as terminal:
        terminal.wait_for(READY)
        assert "─" * 96 in terminal.text()
        terminal.resize(90, 20)
        terminal.wait_gone("─" * 91)
        terminal.wait_for("─" * 86)


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
            terminal.wait_for(CODE)
            terminal.stop_reading()
            other.wait_for(CODE)
            time.sleep(4)
            terminal.send(ESC)
            other.wait_for("stopped")
            terminal.go_on_reading()
            terminal.wait_for("stopped")
            same(terminal, other)
            terminal.stop_reading()
            terminal.send(CTRL_Q)
            assert terminal.process.wait(10) == 0


def test_a_slow_line_shows_the_right_screen_in_the_end(scripted: Home) -> None:
    with Terminal(columns=80, lines=24, bytes_s=3000) as slow:
        ask(slow, "hello")
        slow.wait_for("You said: hello")
        with Terminal(columns=80, lines=24, environment=PLAIN) as plain:
            plain.wait_for("You said: hello")
            ask(plain, script(text=TEXT * 10, piece=4, rate=50))
            slow.wait_for(CODE)
            slow.send("typed while it streams")
            slow.wait_for("typed while it streams", 3)
            slow.wait_for("Esc stop", 5)
            plain.send("typed while it streams")
            for terminal in (slow, plain):
                terminal.wait_gone("Esc stop")
            same(slow, plain)


FAILING = """
import sys
from kensho_tui.cli.main import main
from kensho_tui.ui.drawing.differ import FrameDiffer

frame, count = FrameDiffer.frame, 0

def failing(self, *arguments):
    global count
    count += 1
    if count == 20:
        raise ZeroDivisionError("on purpose")
    return frame(self, *arguments)

FrameDiffer.frame = failing
sys.argv = ["kensho-tui"]
sys.exit(main())
"""


def test_a_differ_that_fails_leaves_drawing_to_textual(scripted: Home) -> None:
    with Terminal([sys.executable, "-c", FAILING], columns=80, lines=24) as failing:
        ask(failing, "hello")
        failing.wait_for("You said: hello")
        with Terminal(columns=80, lines=24, environment=PLAIN) as plain:
            plain.wait_for("You said: hello")
            ask(failing, script(text=TEXT * 4, piece=4, rate=100))
            for terminal in (failing, plain):
                terminal.wait_for(CODE)
                terminal.wait_gone("Esc stop")
            same(failing, plain)
    log = (scripted.paths.logs / "app.log").read_text(encoding="utf-8")
    assert log.count("ZeroDivisionError: on purpose") == 1


@pytest.mark.parametrize("how", ["quit", "terminate"])
def test_the_last_answer_is_not_left_to_the_shell(scripted: Home, how: str) -> None:
    """A terminal far away answers after the app was told to end."""
    command = f"trap '' TERM; {sys.executable} -m kensho_tui; echo the shell is back; cat"
    with Terminal(["sh", "-c", command], away_s=0.3) as terminal:
        terminal.wait_for(READY)
        terminal.send("draft")
        terminal.wait_for("draft")
        if how == "quit":
            terminal.send(CTRL_Q)
        else:
            scripted.named("kensho_tui")[-1].terminate()
        terminal.wait_for("the shell is back")
        time.sleep(0.6)
        after = terminal.text().partition("the shell is back")[2]
        terminal.send("\x04")
        terminal.wait_end()
    assert "^[" not in after
