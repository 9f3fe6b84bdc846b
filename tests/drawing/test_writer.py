"""Nobody waits for the terminal, whatever it does."""

import os
import pty
import select
import threading
import time
from collections.abc import Iterator
from typing import IO

import pytest

from kensho_tui.ui.drawing import writer as module
from kensho_tui.ui.drawing.writer import TerminalWriter
from tests.support.home import wait_until


class Line:
    """A pty and a writer at its end."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        os.set_blocking(self.master, False)
        self.file: IO[str] = os.fdopen(slave, "w")
        # As the app does: no translation of line ends.
        import tty

        tty.setraw(slave)
        self.writer = TerminalWriter(self.file)
        self.writer.start()

    def read(self, seconds: float = 0.3) -> bytes:
        """All that comes until nothing has come for `seconds`."""
        data = b""
        while select.select([self.master], [], [], seconds)[0]:
            data += os.read(self.master, 1 << 16)
        return data

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setattr(module, "CLOSE_S", 0.2)
    line = Line()
    yield line
    line.writer.stop()
    line.close()
    line.file.close()


def threads() -> int:
    return sum(thread.name == "terminal-writer" for thread in threading.enumerate())


def test_what_is_written_arrives_in_order(line: Line) -> None:
    pieces = [f"{number} ümlaut 世\n" for number in range(20_000)]
    for piece in pieces:
        line.writer.write(piece)
    assert line.read().decode() == "".join(pieces)
    assert line.writer.unwritten == 0


def test_a_terminal_that_reads_nothing_blocks_nobody(line: Line) -> None:
    for _ in range(1000):
        line.writer.write("x" * 4096)
    assert 3_000_000 < line.writer.unwritten <= 4_096_000
    line.writer.stop()
    assert threads() == 1, "the thread still stands in its write"
    line.writer.write("dropped")
    # Once the terminal reads again, what is left is not written any more.
    assert len(line.read()) < 100_000
    wait_until(lambda: threads() == 0)


def test_stop_writes_what_is_left(line: Line) -> None:
    line.writer.write("\x1b[?1049l" + "x" * 2000)
    line.writer.stop()
    assert threads() == 0
    assert len(line.read()) == 2008


def test_a_descriptor_that_does_not_block_is_waited_for(line: Line) -> None:
    os.set_blocking(line.writer.fileno(), False)
    line.writer.write("y" * 300_000)
    time.sleep(0.2)
    assert line.read() == b"y" * 300_000


def test_a_terminal_that_is_gone_is_known(line: Line) -> None:
    line.close()
    line.writer.write("x")
    wait_until(lambda: line.writer.gone)
    wait_until(lambda: line.writer.unwritten == 0)
    line.writer.write("more")
    assert line.writer.unwritten == 0


def test_half_characters_do_not_end_the_writer(line: Line) -> None:
    line.writer.write("a\ud83d")
    line.writer.write("b")
    assert line.read() == b"a?b"
