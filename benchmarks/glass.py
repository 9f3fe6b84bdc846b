"""A terminal that only keeps what it is sent, and the emulator that is given it afterwards.

While something is measured a `Glass` stores ``(time, bytes)`` and answers what a real terminal answers; no
emulator competes with the app for the processor. `replayed` then shows the screen after every chunk, and the
classes below it (`Sightings`, `Echoes`, `Bursts`) look at it. Times are seconds of the monotonic clock.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

import pyte

COLUMNS, LINES = 120, 40
Chunk = tuple[float, bytes]
Answers = Mapping[bytes, bytes]
# A cursor report is all that pacing needs: where the cursor stands is not asked for.
ANSWERS: Answers = {b"\x1b[6n": b"\x1b[1;1R"}
MUTE: Answers = {}
# A slow line brings its bytes in steps of so many seconds.
STEP_S = 0.01
# Writes that are no further apart are one frame: a terminal hands over 4 KB a read.
FRAME_GAP_S = 0.01
HEADER_ROWS = 2


class Glass:
    """One process in a pseudo-terminal of 120x40, true colour."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        answers: Answers = ANSWERS,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.chunks: list[Chunk] = []
        self._answers = answers
        self._asked = re.compile(b"|".join(map(re.escape, answers)) or b"(?!)")
        self._longest = max(map(len, answers), default=1)
        self._bytes_per_s = 0.0
        self._replay, self._shown = Replay(), 0
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})}
        for name in ("SSH_CONNECTION", "SSH_TTY", "TMUX", "NO_COLOR"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - it does nothing else
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Glass":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            sys.stderr.write(f"--- the screen when it failed\n{self.text()}\n---\n")
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._reader.join()
        os.close(self._master)

    # --- the terminal's side --------------------------------------------------------------------------

    def throttle(self, bytes_per_s: float) -> None:
        """From now on the line is this slow; 0: as fast as can be. Holds for what the app writes."""
        self._bytes_per_s = bytes_per_s

    def _read(self) -> None:
        carry, free_at = b"", 0.0
        while True:
            select.select([self._master], [], [])
            rate = self._bytes_per_s  # asked for after the wait: it may have changed meanwhile
            try:
                data = os.read(self._master, max(int(rate * STEP_S), 1) if rate else 1 << 16)
            except OSError:
                return
            if rate:
                # A byte has arrived when the line has had the time to bring it and all before it.
                free_at = max(free_at, time.monotonic()) + len(data) / rate
                time.sleep(max(free_at - time.monotonic(), 0))
            self.chunks.append((time.monotonic(), data))
            carry = self._answer(carry + data)

    def _answer(self, data: bytes) -> bytes:
        """Answer each question in `data`; returns its end, where a question may have begun."""
        end = 0
        for question in self._asked.finditer(data):
            os.write(self._master, self._answers[question[0]])
            end = question.end()
        return data[max(end, len(data) - self._longest + 1) :]

    # --- the person's side ----------------------------------------------------------------------------

    def send(self, keys: str) -> float:
        """Write `keys`; returns when that was."""
        now = time.monotonic()
        os.write(self._master, keys.encode())
        return now

    def paste(self, text: str) -> None:
        self.send(f"\x1b[200~{text}\x1b[201~")

    def screen(self) -> "Replay":
        """The screen as it is now. Emulating costs time: not while something is measured."""
        while self._shown < len(self.chunks):
            self._replay.feed(self.chunks[self._shown][1])
            self._shown += 1
        return self._replay

    def text(self) -> str:
        return "\n".join(row.rstrip() for row in self.screen().rows)

    def wait_for(self, pattern: str, seconds: float = 30.0) -> float:
        """Until `pattern` (a regular expression) is on the screen; returns when its chunk came."""
        return self.wait_until(lambda: re.search(pattern, self.text()) is not None, pattern, seconds)

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = 30.0) -> float:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"waited in vain for {what!r}; the screen:\n{self.text()}")
            time.sleep(0.002)
        return self.chunks[self._shown - 1][0] if self._shown else time.monotonic()

    def bytes_between(self, start: float, end: float) -> int:
        return sum(len(data) for when, data in self.chunks if start <= when <= end)


# --- afterwards ---------------------------------------------------------------------------------------

# Key protocol requests that pyte would print as text, and a sequence that goes on in the next chunk.
_UNKNOWN = re.compile(rb"\x1b\[[<>=][0-9;]*u")
_BEGUN = re.compile(rb"\x1b(\[[<>=]?[0-9;]*)?$")
_PROMPT = re.compile(r"› ?(\S*)")


class Replay:
    """The emulated screen; `rows` are its lines as text, brought up to date by `feed`."""

    def __init__(self) -> None:
        self.pyte = pyte.Screen(COLUMNS, LINES)
        self.rows = [" " * COLUMNS] * LINES
        self._stream = pyte.ByteStream(self.pyte)
        self._carry = b""

    def feed(self, data: bytes) -> None:
        data = self._carry + data
        begun = _BEGUN.search(data)
        cut = begun.start() if begun is not None else len(data)
        self._carry = data[cut:]
        self._stream.feed(_UNKNOWN.sub(b"", data[:cut]))
        for y in self.pyte.dirty:
            line = self.pyte.buffer[y]
            self.rows[y] = "".join(line[x].data for x in range(COLUMNS))
        self.pyte.dirty.clear()

    def prompt(self) -> tuple[int, str]:
        """The row of the prompt and the word in it; (number of rows, "") without one."""
        for y in range(LINES - 1, HEADER_ROWS, -1):
            found = _PROMPT.search(self.rows[y])
            if found is not None:
                return y, found[1]
        return LINES, ""

    def transcript(self) -> list[str]:
        """The rows between the header and the prompt."""
        return self.rows[HEADER_ROWS : self.prompt()[0]]

    def styles(self, y: int) -> list[tuple[str, str, bool, bool, bool]]:
        """Colours and weight of each cell of a row."""
        line = self.pyte.buffer[y]
        return [
            (line[x].fg, line[x].bg, line[x].bold, line[x].italics, line[x].reverse) for x in range(COLUMNS)
        ]


def replayed(chunks: Iterable[Chunk]) -> Iterator[tuple[float, Replay]]:
    """The screen after each chunk, with the chunk's time."""
    replay = Replay()
    for when, data in chunks:
        replay.feed(data)
        yield when, replay


class Sightings:
    """When each of some words stood on the screen first, from `since` on: other chats hold them too."""

    def __init__(self, words: Iterable[str], since: float) -> None:
        self.missing = set(words)
        self.seen: dict[str, float] = {}
        self._since = since

    def look(self, when: float, screen: Replay) -> None:
        if not self.missing or when < self._since:
            return
        found = self.missing & set(re.findall(r"\w+", " ".join(screen.rows)))
        self.seen.update(dict.fromkeys(found, when))
        self.missing -= found


@dataclass(frozen=True)
class Key:
    """A key written at `when`, after which the prompt begins with `text`."""

    when: float
    text: str


class Echoes:
    """How long each key took until the prompt on the screen showed it."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._waiting = sorted(keys, key=lambda key: key.when)
        self.seconds: list[float] = []

    def look(self, when: float, screen: Replay) -> None:
        if not self._waiting or self._waiting[0].when > when:
            return
        typed = screen.prompt()[1]
        shown = [key for key in self._waiting if key.when <= when and typed.startswith(key.text)]
        self.seconds += [when - key.when for key in shown]
        self._waiting = [key for key in self._waiting if key not in shown]

    def end(self, when: float) -> int:
        """Keys never shown count as if shown at `when`, which is less than the truth; how many they are."""
        self.seconds += [max(when - key.when, 0) for key in self._waiting]
        return len(self._waiting)


@dataclass
class Burst:
    """Writes close together, usually one frame. `changed`: the transcript's text was another one after it."""

    start: float
    end: float
    changed: bool = False


class Bursts:
    """The frames of a recording."""

    def __init__(self) -> None:
        self.found: list[Burst] = []
        self._before: list[str] = []
        self._last: list[str] = []

    def look(self, when: float, screen: Replay) -> None:
        now = screen.transcript()
        if not self.found or when - self.found[-1].end > FRAME_GAP_S:
            self._before = self._last
            self.found.append(Burst(when, when))
        burst = self.found[-1]
        burst.end = when
        burst.changed = now != self._before
        self._last = now

    def changes(self, start: float, end: float) -> list[Burst]:
        """Those within these times that changed the transcript."""
        return [burst for burst in self.found if burst.changed and start <= burst.start and burst.end <= end]
