"""The app inside tmux, where it lives most of its life."""

import shutil
import sys
from collections.abc import Iterator

import pytest

from tests.support.home import Home
from tests.support.terminal import READY, Terminal
from tests.support.tmux import Tmux

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


F7, ENTER = "\x1b[18~", "\r"


@pytest.fixture
def tmux(home: Home) -> Iterator[Tmux]:
    tmux = Tmux(home.root, 100, 30)
    yield tmux
    tmux.close()


def test_ask_detach_and_come_back(tmux: Tmux) -> None:
    tmux.start(f"{sys.executable} -m kensho_tui")
    with Terminal(tmux.client) as terminal:
        terminal.wait_for(READY)
        terminal.send(F7)
        terminal.wait_for("no model has arrived")
        terminal.send("What is a REST API? One sentence.")
        terminal.wait_for("One sentence.")
        terminal.send(ENTER)
        terminal.wait_for("┃ SmolLM2")
    assert "Traceback" not in tmux.wait_for("TTFT")
    with Terminal(tmux.client, columns=80, lines=24) as terminal:
        terminal.wait_for(r"(?s)What is a REST API.*● SmolLM2[^\n]*\Z")
