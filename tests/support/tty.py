"""A pseudo-terminal that a test plays: a process on its one side, what the terminal answers on the other."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

# Makes the terminal the process's own (its /dev/tty), then becomes the command. "background": in a process
# group that the terminal does not belong to.
_LAUNCH = """
import fcntl, os, sys, termios
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.ioctl(fd, termios.TIOCSCTTY, 0)
if sys.argv[2] == "background":
    if os.fork():
        os.wait()
        sys.exit(0)
    os.setpgid(0, 0)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Tty:
    """One process in a terminal of its own. ``answers`` maps what the process writes to the reply it gets."""

    def __init__(
        self,
        command: Sequence[str],
        answers: Mapping[bytes, bytes] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        group: str = "foreground",
        output: str = "pipe",
    ) -> None:
        self._master, self.slave = pty.openpty()
        self._answers = dict(answers or {})
        self.screen = b""
        launch = [sys.executable, "-c", _LAUNCH, os.ttyname(self.slave), group, *command]
        stream = self.slave if output == "terminal" else subprocess.PIPE
        self.process = subprocess.Popen(
            launch,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=self.slave if output == "terminal" else subprocess.STDOUT,
            start_new_session=True,
            env=dict(env if env is not None else os.environ),
            cwd=Path(__file__).resolve().parents[2],
        )

    def __enter__(self) -> "Tty":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        os.close(self._master)
        os.close(self.slave)

    def type(self, data: bytes) -> None:
        os.write(self._master, data)

    def wait_for(self, text: bytes, seconds: float = 30.0) -> None:
        """Play the terminal until the process has written ``text``."""
        deadline = time.monotonic() + seconds
        while text not in self.screen:
            assert time.monotonic() < deadline, f"{text!r} never came: {self.screen[-2000:]!r}"
            self._turn()

    def play(self, seconds: float = 60.0) -> bytes:
        """Play the terminal until the process ends; its standard output when that is a pipe."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end: {self.screen[-2000:]!r}"
            self._turn()
        self._turn()
        return self.process.stdout.read() if self.process.stdout is not None else b""

    def _turn(self) -> None:
        if not select.select([self._master], [], [], 0.02)[0]:
            return
        data = os.read(self._master, 65536)
        self.screen += data
        for question, answer in self._answers.items():
            if question in data:
                os.write(self._master, answer)
