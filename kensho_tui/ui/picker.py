"""A dialog to pick one thing from a filtered list."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.filtered_list import FilteredList
from kensho_tui.ui.lines import SplitLine, quiet

SHARE = 80
"""Per cent of the terminal's height a dialog takes at most."""
FRAME = 4
"""Rows of the frame and the hint."""
ABOVE = 4
"""Rows of the title and the filter."""


class Picker(ModalScreen[str | None]):
    """Returns the key of the chosen row, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]
    AUTO_FOCUS = "Filter"

    def __init__(self, title: str, choices: Sequence[Choice], *, query: str = "", chosen: str = "") -> None:
        super().__init__()
        self._choices = choices
        self._chosen = chosen
        self._rows = FilteredList(title, self.dismiss, query=query)

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield self._rows
            yield SplitLine(quiet("Enter picks · ↓ list · Esc closes"), id="dialog-hint")

    def on_mount(self) -> None:
        self._rows.show(self._choices, chosen=self._chosen)
        self._fit()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        """As high as all choices need: it does not move while they are filtered."""
        room = self.app.size.height * SHARE // 100 - FRAME
        self._rows.styles.height = max(min(len(self._choices) + ABOVE, room), ABOVE + 1)

    def action_leave(self) -> None:
        self.dismiss(None)
