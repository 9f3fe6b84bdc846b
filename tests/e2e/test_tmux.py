"""The app inside tmux, where it lives most of its life."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.support.home import Home

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


class Tmux:
    def __init__(self, socket: str) -> None:
        self._socket = socket

    def __call__(self, *arguments: str) -> str:
        command = ["tmux", "-S", self._socket, "-f", os.devnull, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def wait_for(self, text: str, seconds: float = 60) -> str:
        deadline = time.monotonic() + seconds
        while text not in (screen := self("capture-pane", "-p")):
            assert time.monotonic() < deadline, f"no {text!r} on:\n{screen}"
            time.sleep(0.05)
        return screen


@pytest.fixture
def tmux(home: Home) -> Iterator[Tmux]:
    tmux = Tmux(str(home.paths.runtime / f"tmux-{os.getpid()}"))
    yield tmux
    subprocess.run(["tmux", "-S", tmux._socket, "kill-server"], capture_output=True, check=False)


def test_ask_detach_and_come_back(home: Home, tmux: Tmux) -> None:
    tmux("new-session", "-d", "-x", "100", "-y", "30", f"{sys.executable} -m kensho_tui")
    tmux.wait_for("› Ask anything")
    tmux("send-keys", "F7")
    tmux.wait_for("no model has arrived")
    tmux("send-keys", "What is a REST API? One sentence.")
    tmux.wait_for("One sentence.")
    tmux("send-keys", "Enter")
    tmux.wait_for("┃ SmolLM2")
    screen = tmux.wait_for("TTFT")
    assert "Traceback" not in screen
    tmux("resize-window", "-x", "80", "-y", "24")
    tmux.wait_for("REST API")
