"""The driver of the terminal: Textual's own, with a writer that never blocks and an ear for answers.

Made for Textual 8.2.8. Private in it: the module `drivers._writer_thread` is replaced by name in
`drivers.linux_driver`, and `LinuxDriver._writer_thread` is read.
"""

from collections.abc import Callable
from typing import Any

from textual.drivers import linux_driver
from textual.drivers.linux_driver import LinuxDriver
from textual.events import CursorPosition
from textual.message import Message

from kensho_tui.ui.drawing.writer import TerminalWriter

Answered = Callable[[int, int], None]


class TerminalDriver(LinuxDriver):
    """Tells `on_answer` the column and row of each cursor report, and `on_start` that the terminal is ours
    (again), both on the event loop; `on_foreign_write` that somebody but the frames wrote."""

    on_answer: Answered | None = None
    on_start: Callable[[], None] | None = None
    on_foreign_write: Callable[[], None] | None = None

    @property
    def writer(self) -> TerminalWriter | None:
        writer = self._writer_thread
        return writer if isinstance(writer, TerminalWriter) else None

    @property
    def unwritten(self) -> int:
        """Bytes that the terminal has not taken yet."""
        return self.writer.unwritten if self.writer else 0

    def write(self, data: str) -> None:
        if self.on_foreign_write is not None:
            self.on_foreign_write()
        super().write(data)

    def write_frame(self, text: str) -> int:
        """Write a frame; returns its bytes."""
        return self.writer.write(text) if self.writer else 0

    def start_application_mode(self) -> None:
        setattr(linux_driver, "WriterThread", TerminalWriter)  # noqa: B010 - mypy: the driver's own import
        super().start_application_mode()  # type: ignore[no-untyped-call]
        # This may run in a signal handler, in the middle of a frame.
        self._loop.call_soon_threadsafe(self._started)

    def stop_application_mode(self) -> None:
        # Frames leave the colour as it is.
        self.write("\x1b[0m")
        super().stop_application_mode()

    def process_message(self, message: Message) -> None:
        """Runs in the input thread. Cursor reports are answers to frames, and nobody else asks for them."""
        if not isinstance(message, CursorPosition):
            super().process_message(message)
            return
        self._call(self._answered, message.x, message.y)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            # The loop has ended before the input thread.
            pass

    def _answered(self, x: int, y: int) -> None:
        if self.on_answer is not None:
            self.on_answer(x, y)

    def _started(self) -> None:
        if self.on_start is not None:
            self.on_start()
