"""The driver of the terminal: Textual's own, with a writer that never blocks and an ear for answers.

Made for Textual 8.2.8. Private in it, and used here: the name `WriterThread` in `drivers.linux_driver` (which
gets our writer), `LinuxDriver._writer_thread`, `LinuxDriver._get_terminal_size` and `Driver._loop`.
"""

import os
import time
from collections.abc import Callable

from textual.drivers import linux_driver
from textual.drivers.linux_driver import LinuxDriver
from textual.events import CursorPosition
from textual.message import Message

from kensho_tui.ui.drawing.sgr import RESET
from kensho_tui.ui.drawing.writer import TerminalWriter

# An answer that comes after we have left would be typed into the shell.
LAST_ANSWER_S = 0.8
_POLL_S = 0.005


class TerminalDriver(LinuxDriver):
    """Tells, on the event loop, `on_answer` where the cursor is (column, row) and when the terminal said so,
    and `on_start` that the terminal is ours (again); and `on_foreign_write` that others than frames write."""

    on_answer: Callable[[int, int, float], None] | None = None
    on_start: Callable[[], None] | None = None
    on_foreign_write: Callable[[], None] | None = None

    # Answers that came (counted by the input thread), that were handled, and that are due (both by the loop).
    _heard = _handled = _due = 0
    _active = False

    @property
    def writer(self) -> TerminalWriter | None:
        writer = self._writer_thread
        return writer if isinstance(writer, TerminalWriter) else None

    @property
    def unwritten(self) -> int:
        """Bytes that the terminal has not taken yet."""
        return self.writer.unwritten if self.writer else 0

    @property
    def _gone(self) -> bool:
        return self.writer is None or self.writer.gone

    def write(self, data: str) -> None:
        if self.on_foreign_write is not None:
            self.on_foreign_write()
        super().write(data)

    def write_frame(self, text: str, unanswered: int) -> None:
        """Write a frame, which ends with a question; so many questions are without an answer then."""
        self._due = self._handled + unanswered
        if self.writer is not None:
            self.writer.write(text)

    def _get_terminal_size(self) -> tuple[int, int]:
        """Of the terminal itself, in cells: COLUMNS and LINES, which Textual asks first, may be exported by
        whatever started the shell, and stay as they were when the window changes.
        """
        try:
            width, height = os.get_terminal_size(self.fileno)
        except OSError:
            width = height = 0
        return (width, height) if width and height else super()._get_terminal_size()

    # --- begin and end --------------------------------------------------------------------------------

    def start_application_mode(self) -> None:
        setattr(linux_driver, "WriterThread", TerminalWriter)  # noqa: B010 - mypy: the driver's own import
        self._due = self._heard
        self._active = True
        super().start_application_mode()  # type: ignore[no-untyped-call]
        # This may run in a signal handler, in the middle of a frame.
        self._loop.call_soon_threadsafe(self._started)

    def resume_application_mode(self) -> None:
        """Also at a SIGCONT that follows no suspension (but a SIGSTOP, or a hang-up): what runs is ended
        first, or it would run twice.
        """
        if self._active:
            self._due = self._heard
            self.suspend_application_mode()
        super().resume_application_mode()

    def disable_input(self) -> None:
        """Hear the last answers out, as long as there is reason to wait for them."""
        deadline = time.monotonic() + LAST_ANSWER_S
        while self._heard and self._heard < self._due and not self._gone and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        self._due = self._heard
        super().disable_input()

    def stop_application_mode(self) -> None:
        # Frames leave the colour as it is.
        self.write(RESET)
        super().stop_application_mode()
        self._active = False

    # --- what the terminal says -----------------------------------------------------------------------

    def process_message(self, message: Message) -> None:
        """Runs in the input thread. Cursor reports are answers to frames, and nobody else asks for them."""
        if not isinstance(message, CursorPosition):
            super().process_message(message)
            return
        self._heard += 1
        try:
            self._loop.call_soon_threadsafe(self._answered, message.x, message.y, time.monotonic())
        except RuntimeError:
            # The loop has ended before the input thread.
            pass

    def _answered(self, column: int, row: int, at: float) -> None:
        self._handled += 1
        if self.on_answer is not None:
            self.on_answer(column, row, at)

    def _started(self) -> None:
        if self.on_start is not None:
            self.on_start()
