"""tmux as a test terminal."""

import os
import subprocess
import time
from pathlib import Path


class Tmux:
    """A server of its own with one pane."""

    def __init__(self, folder: Path, columns: int, lines: int) -> None:
        self._socket = str(folder / "tmux")
        configuration = folder / "tmux.conf"
        configuration.write_text("set -g status off\nset -g default-terminal screen-256color\n")
        self._start = ["-f", str(configuration), "new-session", "-d", "-x", str(columns), "-y", str(lines)]

    def start(self, *command: str) -> None:
        self(*self._start, *command)

    @property
    def client(self) -> tuple[str, ...]:
        """The command that attaches a terminal."""
        return ("tmux", "-u", "-S", self._socket, "attach-session")

    def __call__(self, *arguments: str) -> str:
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        command = ["tmux", "-u", "-S", self._socket, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return done.stdout

    def wait_for(self, text: str, seconds: float = 60) -> str:
        """The screen once `text` is on it."""
        deadline = time.monotonic() + seconds
        while text not in (screen := self("capture-pane", "-p")):
            assert time.monotonic() < deadline, f"no {text!r} on:\n{screen}"
            time.sleep(0.05)
        return screen

    def capture(self) -> list[str]:
        """The lines of the screen with their SGR sequences, trailing blanks as tmux has them."""
        return self("capture-pane", "-p", "-e", "-N").splitlines()

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, check=False)
