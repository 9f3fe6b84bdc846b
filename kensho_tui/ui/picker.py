"""A dialog to pick one thing from a filtered list."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.filtered_list import FilteredList
from kensho_tui.ui.keys import EarlyKeys
from kensho_tui.ui.lines import SplitLine, key_row

SHARE = 80
"""Per cent of the terminal's height a dialog takes at most."""
FRAME = 4
"""Rows of the frame and the hint."""
ABOVE = 4
"""Rows of the title and the filter."""

KEYS = (("Enter", "pick"), ("↓", "list"), ("Esc", "close"))
KEYS_WIDTH = 70


class Picker(EarlyKeys, ModalScreen[str | None]):
    """Returns the key of the chosen row, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        *,
        query: str = "",
        chosen: str = "",
        note: str = "",
        taken: Callable[[str], None] | None = None,
    ) -> None:
        """`note` is said below the list. `taken` is called with the chosen key as soon as the dialog is gone:
        Textual hands the result over when the next key may have gone elsewhere already."""
        super().__init__()
        self._choices = choices
        self._chosen = chosen
        self._note = note
        self._taken = taken
        self._rows = FilteredList(title, self._take, query=query)

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield self._rows
            if self._note:
                yield SplitLine(Content.styled(self._note, "$warning"), id="dialog-note")
            yield SplitLine(key_row(KEYS, KEYS_WIDTH), id="dialog-hint")

    def _take(self, key: str) -> None:
        self.dismiss(key)
        if self._taken is not None:
            self._taken(key)

    def on_mount(self) -> None:
        self._rows.show(self._choices, chosen=self._chosen)
        self._fit()
        self.take_keys(self._rows.filter)

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        """As high as all choices need: it does not move while they are filtered."""
        room = self.app.size.height * SHARE // 100 - FRAME
        self._rows.styles.height = max(min(len(self._choices) + ABOVE, room), ABOVE + 1)

    def action_leave(self) -> None:
        self.dismiss(None)
