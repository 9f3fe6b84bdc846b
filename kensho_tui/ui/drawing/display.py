"""Between Textual's compositor and the driver: composed updates in, paced frames out.

Made for Textual 8.2.8. Private in it, and used here: `App._display` (overridden by the app), `._driver`,
`._batch_count`, `._running`, `._closed`, `._sync_available`, and in `_compositor` the classes
`LayoutUpdate` (`strips`, `region`) and `ChopsUpdate` (`chops`, `spans`, `chop_ends`). Where the version is
another, a name is missing, or a frame fails, Textual draws as it always did.
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import textual
from rich.color import ColorSystem
from rich.console import RenderableType
from textual import _compositor, constants
from textual.app import App
from textual.driver import Driver
from textual.strip import Strip

from kensho_tui.ui.drawing.cells import Piece
from kensho_tui.ui.drawing.differ import FrameDiffer
from kensho_tui.ui.drawing.pacing import QUESTION, Pacer
from kensho_tui.ui.drawing.sgr import RESET, Palette

if TYPE_CHECKING:
    from kensho_tui.ui.drawing.driver import TerminalDriver

TEXTUAL = "8.2.8"
PLAIN = "plain"
VARIABLE = "KENSHO_DRAWING"

_APP_NAMES = ("_batch_count", "_running", "_closed", "_driver", "_sync_available", "_display")
_SYSTEMS = {"standard": ColorSystem.STANDARD, "256": ColorSystem.EIGHT_BIT, "windows": ColorSystem.WINDOWS}
_SYNC_START, _SYNC_END = "\x1b[?2026h", "\x1b[?2026l"
# Fewer changed rows do not tear.
_SYNC_ROWS = 2
# Textual's own drawing queues whole updates; more than this stands for a terminal that does not read.
_PLAIN_QUEUE_BYTES = 1 << 16

_MOST_MODIFIERS = 15
_MOST_URGENT_ROWS = 8

Note = Callable[[str, BaseException], None]


def driver_class() -> type[Driver] | None:
    """The driver to run the app with; none of ours where another one was asked for, or on Windows."""
    if constants.DRIVER:
        return None
    try:
        from kensho_tui.ui.drawing.driver import TerminalDriver
    except ImportError:
        return None
    return TerminalDriver


def _textual_version() -> str:
    """Told by a folder's name where it can be: reading a package's metadata costs a tenth of the start."""
    if Path(textual.__file__).parent.with_name(f"textual-{TEXTUAL}.dist-info").is_dir():
        return TEXTUAL
    return textual.__version__


def _is_ours(driver: Driver | None) -> "TypeGuard[TerminalDriver]":
    ours = driver_class()
    return ours is not None and isinstance(driver, ours)


class Drawing:
    """Draws `app` by frame differences while `differs`, else leaves it to Textual."""

    def __init__(self, app: App[Any], mode: str, note: Note) -> None:
        self._app = app
        self._note = note
        self.differs = PLAIN not in (mode, os.environ.get(VARIABLE))
        self._differ = FrameDiffer(0, 0)
        self._pacer = Pacer()
        self._palette = Palette(_SYSTEMS.get(app.console.color_system or "", ColorSystem.TRUECOLOR))
        self._driver: TerminalDriver | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._cursor: tuple[int, int] = (0, 0)
        self._left_out = False
        if self.differs:
            self._check(app)

    def _check(self, app: App[Any]) -> None:
        missing = [name for name in _APP_NAMES if not hasattr(app, name)]
        missing += [name for name in ("LayoutUpdate", "ChopsUpdate") if not hasattr(_compositor, name)]
        if (version := _textual_version()) != TEXTUAL or missing:
            self.differs = False
            reason = RuntimeError(f"Textual {version}, without {missing}")
            self._note("drawing is left to Textual", reason)

    # --- what Textual and the driver tell -------------------------------------------------------------

    def take(self, renderable: RenderableType | None) -> bool:
        """An update for the screen; false when Textual shall draw it."""
        app = self._app
        driver = app._driver
        if renderable is None or app._batch_count or not _is_ours(driver):
            return False
        if app._closed or not app._running:
            return False
        self._attach(driver)
        if not self.differs:
            return self._leave_out(driver)
        try:
            if not self._copy(renderable):
                self._hand_over(driver)
                return False
            self._flush()
        except Exception as error:
            self._fall_back(error)
        return True

    def resized(self, width: int, height: int) -> None:
        """The terminal has, or had, another size: what it did to its contents is unknown."""
        if (width, height) == (self._differ.width, self._differ.height):
            self.redraw()
        else:
            self._differ.resize(width, height)

    def redraw(self) -> None:
        """Write everything again, whatever stands there."""
        if self.differs:
            self._differ.forget()
            self._later(0.0)
        else:
            self._app.refresh(layout=True)

    def _attach(self, driver: "TerminalDriver") -> None:
        if driver is not self._driver:
            self._driver = driver
            driver.on_answer, driver.on_start = self._on_answer, self._on_start
            driver.on_foreign_write = self._differ.forget_state

    def _on_answer(self, column: int, row: int, at: float) -> None:
        # F3 with Shift, Alt or Control arrives as a report of the first row.
        is_key = row == 0 and 1 <= column <= _MOST_MODIFIERS and (column, row) != self._cursor
        if not is_key:
            self._pacer.answered(at)
            self._on_timer()

    def _on_start(self) -> None:
        self._differ.forget()
        self._pacer.restart()
        self._later(0.0)

    # --- updates in -----------------------------------------------------------------------------------

    def _copy(self, update: RenderableType) -> bool:
        """Put a composed update into the picture; false for one of an unknown kind."""
        if isinstance(update, _compositor.LayoutUpdate):
            self._copy_layout(update)
        elif isinstance(update, _compositor.ChopsUpdate):
            self._copy_chops(update)
        else:
            return False
        return True

    def _copy_layout(self, update: _compositor.LayoutUpdate) -> None:
        differ, region = self._differ, update.region
        if (region.width, region.height) != (differ.width, differ.height):
            differ.resize(region.width, region.height)
        for y, strips in enumerate(update.strips, region.y):
            differ.put_row(y, self._pieces(strips))

    def _copy_chops(self, update: _compositor.ChopsUpdate) -> None:
        """Whole chops, also where only a part is in a span: a chop is composed as a whole."""
        for y, x1, x2 in update.spans:
            for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if strip is not None and x < x2 and end > x1:
                    self._differ.put(x, y, self._pieces((strip,)))

    def _pieces(self, strips: Iterable[Strip]) -> list[Piece]:
        look = self._palette.look
        return [(text, look(style)) for strip in strips for text, style, control in strip if not control]

    # --- frames out -----------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Write a frame if one may go now, else when it may."""
        driver = self._driver
        if driver is None or not self.differs:
            return
        wait_s = self._pacer.wait_s(self._now(), driver.unwritten)
        if wait_s > 0:
            self._later(wait_s)
            return
        screen = self._app.screen
        self._cursor = screen.outer_size.clamp_offset(self._app.cursor_position)
        budget = self._pacer.budget
        frame = self._differ.frame(self._cursor, budget, self._urgent_rows() if budget else range(0))
        if not frame.text:
            return
        text = frame.text
        if self._app._sync_available and (frame.moved or frame.rows > _SYNC_ROWS):
            text = f"{_SYNC_START}{text}{_SYNC_END}"
        text += QUESTION
        self._pacer.sent(self._now(), len(text.encode("utf-8", "replace")))
        driver.write_frame(text, self._pacer.unanswered)
        if not frame.complete:
            self._later(self._pacer.wait_s(self._now(), driver.unwritten))

    def _urgent_rows(self) -> range:
        """Where a person types."""
        focused = self._app.screen.focused
        if focused is None:
            return range(0)
        return range(focused.region.y, min(focused.region.bottom, focused.region.y + _MOST_URGENT_ROWS))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timer)

    def _on_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._app._running or self._app._closed:
            return
        try:
            self._catch_up() if self._left_out else self._flush()
        except Exception as error:
            self._fall_back(error)

    # --- drawing left to Textual ----------------------------------------------------------------------

    def _hand_over(self, driver: "TerminalDriver") -> None:
        """Let Textual draw: it expects a terminal without colours, and what it draws is not ours to know."""
        driver.write(RESET)
        self._differ.forget()

    def _fall_back(self, error: BaseException) -> None:
        """The differ failed: Textual draws from here on, beginning with everything."""
        self.differs = False
        self._note("the frame differ failed; drawing is left to Textual", error)
        if self._driver is not None:
            self._hand_over(self._driver)
        self._app.refresh(layout=True)

    def _leave_out(self, driver: "TerminalDriver") -> bool:
        """Whether this update is left out, because the terminal has not taken those before it."""
        if driver.unwritten > _PLAIN_QUEUE_BYTES:
            self._left_out = True
            self._later(0.1)
        return self._left_out

    def _catch_up(self) -> None:
        driver = self._driver
        if driver is not None and driver.unwritten:
            self._later(0.1)
        else:
            self._left_out = False
            self._app.refresh(layout=True)
