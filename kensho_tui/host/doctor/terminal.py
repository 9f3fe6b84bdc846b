"""Asking the terminal what it can do, through its own replies."""

import os
import re
import select
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

DEADLINE_S = 0.3
# A terminal that began to answer is far away, not mute.
PATIENCE_S = 1.0

# Last comes what every terminal answers (its attributes): replies keep the order of the questions, so when
# it is there, what has not come will not come.
QUESTIONS = b"\x1b[?2026$p\x1b[?u\x1b[6n\x1b[c"

_SYNC = re.compile(rb"\x1b\[\?2026;(\d)\$y")
_KEYS = re.compile(rb"\x1b\[\?\d+u")
_CURSOR = re.compile(rb"\x1b\[\d+;\d+R")
_ATTRIBUTES = re.compile(rb"\x1b\[\?[\d;]*c")


@dataclass(frozen=True)
class Replies:
    """What the terminal answered. ``seconds`` is how long the last answer took to come."""

    answered: bool = False
    synchronized: bool = False
    cursor: bool = False
    keys: bool = False
    seconds: float = 0.0


def understood(data: bytes, seconds: float = 0.0) -> Replies:
    """The replies among bytes that a terminal sent (pure); typed keys in between do no harm."""
    sync = _SYNC.search(data)
    found = Replies(
        # 0: does not know the mode; 4: knows it, never does it.
        synchronized=sync is not None and sync.group(1) in b"123",
        cursor=_CURSOR.search(data) is not None,
        keys=_KEYS.search(data) is not None,
        seconds=seconds,
    )
    answered = any((sync, found.cursor, found.keys, _ATTRIBUTES.search(data)))
    return Replies(answered, found.synchronized, found.cursor, found.keys, seconds if answered else 0.0)


class Unavailable(Exception):
    """There is no terminal to ask, and why."""


@contextmanager
def open_terminal(path: str = "/dev/tty") -> Iterator[int]:
    """A descriptor of our terminal. Raises `Unavailable` where there is none that we may ask."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        raise Unavailable("no terminal") from None
    try:
        yield fd
    finally:
        os.close(fd)


def ask(fd: int, deadline_s: float = DEADLINE_S) -> Replies:
    """Put the `QUESTIONS`; a mute terminal costs ``deadline_s``. The terminal's modes are restored.

    Raises `Unavailable` for a process in the background: touching the modes would stop it.
    """
    try:
        before = termios.tcgetattr(fd)
        if os.tcgetpgrp(fd) != os.getpgrp():
            raise Unavailable("in the background")
    except (OSError, termios.error):
        raise Unavailable("no terminal") from None
    try:
        # Neither echo nor lines, but Ctrl+C still interrupts. Keys typed ahead are read with the replies.
        tty.setcbreak(fd, termios.TCSANOW)
        os.write(fd, QUESTIONS)
        return _listen(fd, deadline_s)
    finally:
        # Flushes what was not read: a late reply must not land in the shell's prompt.
        termios.tcsetattr(fd, termios.TCSAFLUSH, before)


def _listen(fd: int, deadline_s: float) -> Replies:
    began = time.monotonic()
    data, end, last = b"", began + deadline_s, began
    while (left := end - time.monotonic()) > 0:
        if not select.select([fd], [], [], left)[0]:
            break
        part = os.read(fd, 4096)
        if not part:
            break
        data, last = data + part, time.monotonic()
        if _ATTRIBUTES.search(data):
            break
        if understood(data).answered:
            end = began + max(deadline_s, PATIENCE_S)
    return understood(data, last - began)


def size(fd: int) -> tuple[int, int]:
    """Columns and rows; zeros where the terminal has no size."""
    try:
        found = os.get_terminal_size(fd)
    except OSError:
        return 0, 0
    return found.columns, found.lines
