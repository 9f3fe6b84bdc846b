"""The line above the table: a filter, or what is asked of the hub."""

from textual import events

from kensho_tui.core.text import one_line
from kensho_tui.ui.filtered_list import Filter, Keys

MAX_TYPED = 4096
"""Characters that may be pasted: an address or a path is taken whole."""


class Line(Filter):
    """One line for all tabs; each has its own text."""

    def __init__(self, keys: Keys) -> None:
        super().__init__("", keys)
        self.display = False

    def serve(self, purpose: str, text: str) -> None:
        """For another tab: what is said while it is empty, and what is in it."""
        self.placeholder = purpose
        if text != self.value:
            self.value = text

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.replace(one_line(event.text, MAX_TYPED), *self.selection)
