"""The prompt: several lines, safe to paste into, with history and slash completion."""

import os
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.timer import Timer
from textual.widgets import TextArea

from kensho_tui.ui.keys import did_binding

BLINK_S = 10.0
NEWLINE_KEYS = frozenset({"ctrl+j", "shift+enter", "alt+enter", "newline"})

History = Callable[[], Awaitable[Sequence[str]]]
Complete = Callable[[str], str | None]
Send = Callable[[str], None]


class Prompt(TextArea):
    """Enter sends and empties it; `send` has the text then, or puts it back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+shift+z", "redo", "Redo", show=False),
        Binding("pageup", "scroll_page(-1)", "Scroll up", show=False),
        Binding("pagedown", "scroll_page(1)", "Scroll down", show=False),
        Binding("end,ctrl+e", "end", "End", show=False),
        Binding("ctrl+end", "follow", "Follow", show=False),
    ]

    class Scroll(Message):
        """The transcript should move by `pages`; 0: to its end."""

        def __init__(self, pages: int) -> None:
            super().__init__()
            self.pages = pages

    class Leave(Message):
        """Tab in an empty prompt: the transcript gets the keys."""

    def __init__(self, history: History, complete: Complete, send: Send) -> None:
        super().__init__(
            id="prompt",
            soft_wrap=True,
            highlight_cursor_line=False,
            compact=True,
            placeholder="Ask anything",
        )
        self._history = history
        self._complete = complete
        self._send = send
        self._index = -1
        self._draft = ""
        self._blinking: Timer | None = None
        self.match_cursor_bracket = False
        self.cursor_blink = not os.environ.get("SSH_CONNECTION")

    def on_mount(self) -> None:
        if self.cursor_blink:
            self._blinking = self.set_interval(BLINK_S, self._stop_blinking)

    # --- keys ---------------------------------------------------------------------------------------

    async def on_key(self, event: events.Key) -> None:
        """The keys that mean something else here than in a text area."""
        self._keep_blinking()
        if event.key in NEWLINE_KEYS:
            self.replace("\n", *self.selection, maintain_selection_offset=False)
        elif event.key == "enter":
            self._enter()
        elif event.key == "tab":
            self._tab()
        else:
            await did_binding(self, event)
            return
        event.stop()
        event.prevent_default()

    def _enter(self) -> None:
        row, column = self.cursor_location
        if self.selection.is_empty and column and self.document.get_line(row)[column - 1] == "\\":
            self.replace("\n", (row, column - 1), (row, column))
        elif self.text.strip():
            # Here and now: the next key may be there already, and mean what was sent.
            text = self.text
            self._index, self._draft = -1, ""
            self.load_text("")
            self._send(text)

    def _tab(self) -> None:
        if not self.text:
            self.post_message(self.Leave())
        elif (completed := self._complete(self.text)) is not None:
            self.put(completed)

    def on_paste(self, event: events.Paste) -> None:
        """Pasted line ends are line ends, never Enter."""
        event.prevent_default()
        event.stop()
        self._keep_blinking()
        text = event.text.replace("\r\n", "\n").replace("\r", "\n")
        result = self.replace(text, *self.selection)
        self.move_cursor(result.end_location)

    def update_suggestion(self) -> None:
        """The rest of a slash command that is being typed, as ghost text."""
        completed = self._complete(self.text) if self.cursor_at_end_of_text else None
        fits = completed is not None and completed.startswith(self.text)
        self.suggestion = completed[len(self.text) :] if completed is not None and fits else ""

    def action_scroll_page(self, direction: int) -> None:
        self.post_message(self.Scroll(direction))

    def action_end(self) -> None:
        """To the end of the line; from the end of the text on, the transcript follows again."""
        if self.cursor_at_end_of_text:
            self.action_follow()
        else:
            self.action_cursor_line_end()

    def action_follow(self) -> None:
        self.post_message(self.Scroll(0))

    # --- text ---------------------------------------------------------------------------------------

    def put(self, text: str) -> None:
        """Another text, with the cursor behind it; may be undone."""
        self.replace(text, (0, 0), self.document.end)
        self.move_cursor(self.document.end)

    # --- history ------------------------------------------------------------------------------------

    # Awaited where the key is handled: the keys behind it mean the entry that it brings.

    async def action_cursor_up(self, select: bool = False) -> None:  # type: ignore[override]
        if self.cursor_at_first_line and not select:
            await self._older()
        else:
            super().action_cursor_up(select)

    async def action_cursor_down(self, select: bool = False) -> None:  # type: ignore[override]
        if self._index >= 0 and self.cursor_at_last_line and not select:
            await self._newer()
        else:
            super().action_cursor_down(select)

    async def _older(self) -> None:
        entries = await self._history()
        index = self._index + 1
        if self._index < 0:
            self._draft = self.text
        while index < len(entries) and entries[index] == self.text:
            index += 1
        if index < len(entries):
            self._index = index
            self.put(entries[index])

    async def _newer(self) -> None:
        entries = await self._history()
        self._index -= 1
        self.put(entries[self._index] if self._index >= 0 else self._draft)

    # --- blinking: a cursor that blinks costs CPU, and bytes on a line ------------------------------

    def _keep_blinking(self) -> None:
        if self._blinking is not None:
            self.cursor_blink = True
            self._blinking.reset()

    def _stop_blinking(self) -> None:
        self.cursor_blink = False
        if self._blinking is not None:
            self._blinking.pause()
