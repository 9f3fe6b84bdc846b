"""The real app in a pseudo-terminal, its screen read by pyte as a person would read it."""

import fcntl
import math
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, TracebackType

import pyte
from pyte.screens import Char

APP = (sys.executable, "-m", "kensho_tui")
READY = "› Ask anything"
"""What the app's empty prompt says."""
# Key protocol requests that pyte would print as text.
_UNKNOWN = re.compile(rb"\x1b\[[<>=][0-9;]*u")
_SLOW_BYTES = 50


class AnsweringScreen(pyte.Screen):
    """A screen that answers what it is asked (CSI 6n), once it has worked off what came before."""

    def __init__(self, columns: int, lines: int, answer: Callable[[str], None]) -> None:
        super().__init__(columns, lines)
        self._answer = answer

    def write_process_input(self, data: str) -> None:
        self._answer(data)


class Terminal:
    """One process in an emulated terminal of `columns` x `lines`; closing it hangs up like a lost line.

    `environment` is added to that of this process, values of None are taken out. With `answers` off the
    terminal never says where its cursor is, else `away_s` after it was asked; `bytes_s` is what the line to
    it carries.
    """

    def __init__(
        self,
        command: Sequence[str] = APP,
        columns: int = 100,
        lines: int = 30,
        *,
        environment: Mapping[str, str | None] = MappingProxyType({}),
        answers: bool = True,
        away_s: float = 0.0,
        bytes_s: float = math.inf,
    ) -> None:
        self._answers = answers
        self._away_s = away_s
        self._bytes_s = bytes_s
        self._reading = threading.Event()
        self._reading.set()
        self._screen = AnsweringScreen(columns, lines, self._answer)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self.written = b""
        self._master, slave = pty.openpty()
        self._set_size(columns, lines)
        without = dict.fromkeys(("SSH_CONNECTION", "SSH_TTY", "TMUX", "NO_COLOR", "COLUMNS", "LINES"))
        own = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        everything = {**os.environ, **without, **own, **environment}
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={name: value for name, value in everything.items() if value is not None},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here yet
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            sys.stderr.write(f"--- the screen when the test failed\n{self.text()}\n---\n")
        self.close()

    def _read(self) -> None:
        while True:
            self._reading.wait()
            try:
                data = os.read(self._master, 1 << 16 if self._bytes_s == math.inf else _SLOW_BYTES)
            except OSError:
                return
            if not data:
                return
            time.sleep(len(data) / self._bytes_s)
            with self._lock:
                self.written += data
                self._stream.feed(_UNKNOWN.sub(b"", data))

    def _answer(self, data: str) -> None:
        if self._answers and self._away_s:
            threading.Timer(self._away_s, self._say, [data.encode()]).start()
        elif self._answers:
            self._say(data.encode())

    def _say(self, data: bytes) -> None:
        try:
            os.write(self._master, data)
        except OSError:
            # Hung up meanwhile.
            pass

    def text(self) -> str:
        """What stands on the screen, line by line, without trailing blanks."""
        with self._lock:
            return "\n".join(line.rstrip() for line in self._screen.display)

    def cells(self) -> list[list[Char]]:
        """What stands on the screen, with its colours and attributes."""
        with self._lock:
            rows, columns = range(self._screen.lines), range(self._screen.columns)
            return [[self._screen.buffer[y][x] for x in columns] for y in rows]

    def resize(self, columns: int, lines: int) -> None:
        with self._lock:
            self._screen.resize(lines, columns)
            self._set_size(columns, lines)

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def show(self, text: str) -> None:
        """Let another program write to the screen."""
        with self._lock:
            self._stream.feed(text.encode())

    def stop_reading(self) -> None:
        """Take nothing more of what is written, like a terminal that hangs (or Ctrl+S)."""
        self._reading.clear()

    def go_on_reading(self) -> None:
        self._reading.set()

    def send(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def send_bytes(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def wait_for(self, pattern: str, seconds: float = 60.0) -> str:
        """The screen once `pattern` (a regular expression) is on it."""
        return self._wait(lambda text: re.search(pattern, text) is not None, f"for {pattern!r}", seconds)

    def wait_gone(self, pattern: str, seconds: float = 60.0) -> str:
        """The screen once `pattern` is no longer on it."""
        return self._wait(lambda text: re.search(pattern, text) is None, f"for {pattern!r} to go", seconds)

    def _wait(self, condition, what: str, seconds: float) -> str:  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + seconds
        while not condition(text := self.text()):
            assert time.monotonic() < deadline, f"waited {seconds} s {what}; the screen:\n{text}"
            assert self.process.poll() is None or condition(self.text()), f"it ended; the screen:\n{text}"
            time.sleep(0.02)
        return text

    def wait_end(self, seconds: float = 20.0) -> int:
        status = self.process.wait(seconds)
        self._reader.join(5)
        return status

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def hang_up(self) -> None:
        """Close the line: the kernel sends SIGHUP to what runs in it."""
        self._reading.set()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def close(self) -> None:
        self.hang_up()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
