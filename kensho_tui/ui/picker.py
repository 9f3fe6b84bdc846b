"""A list to pick one thing from: the filter has the focus, Down goes to the list, letters go back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.fuzzy import Matcher
from textual.screen import ModalScreen
from textual.style import Style
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from kensho_tui.ui.lines import SplitLine, quiet


@dataclass(frozen=True)
class Choice:
    """One row: what is returned, what is matched and shown, and quiet words at its right."""

    key: str
    label: str
    detail: str = ""
    mark: str = "·"


class PickerList(OptionList):
    """Letters go back to the filter; so does Up on the first row."""

    def on_key(self, event: events.Key) -> None:
        up_and_out = event.key == "up" and not self.highlighted
        if not (up_and_out or event.key == "backspace" or event.is_printable):
            return
        event.stop()
        event.prevent_default()
        filter_input = self.screen.query_one(Input)
        filter_input.focus()
        if event.is_printable and event.character is not None:
            filter_input.insert_text_at_cursor(event.character)
        elif event.key == "backspace":
            filter_input.action_delete_left()


class Picker(ModalScreen[str | None]):
    """Returns the key of the chosen row, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("down", "to_list", show=False),
        Binding("pagedown", "to_list", show=False),
    ]
    AUTO_FOCUS = "Input"

    def __init__(self, title: str, choices: Sequence[Choice], *, query: str = "", chosen: str = "") -> None:
        super().__init__()
        self._title = title
        self._choices = choices
        self._query = query
        self._chosen = chosen

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield SplitLine(Content.styled(self._title, "bold"), quiet(""), id="dialog-title")
            yield Input(self._query, placeholder="type to filter", compact=True, select_on_focus=False)
            yield PickerList(compact=True, markup=False)
            yield SplitLine(quiet("Enter opens · ↓ list · Esc closes"), id="dialog-hint")

    def on_mount(self) -> None:
        self.call_after_refresh(self._filter, self._query)

    def on_resize(self) -> None:
        self.call_after_refresh(self._filter, self.query_one(Input).value)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._filter(event.value)

    def _filter(self, query: str) -> None:
        rows = self.query_one(PickerList)
        found = ranked(self._choices, query)
        width = rows.scrollable_content_region.width - 2
        rows.clear_options()
        rows.add_options([Option(_row(choice, query, width), id=choice.key) for choice in found])
        keys = [choice.key for choice in found]
        if found:
            rows.highlighted = keys.index(self._chosen) if self._chosen in keys and not query else 0
        count = f"{len(found)} of {len(self._choices)}" if query else str(len(self._choices))
        title = Content.styled(self._title, "bold")
        self.query_one("#dialog-title", SplitLine).show(title, quiet(count if found else "nothing found"))

    def on_input_submitted(self) -> None:
        rows = self.query_one(PickerList)
        if rows.highlighted_option is not None:
            self.dismiss(rows.highlighted_option.id)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    def action_to_list(self) -> None:
        rows = self.query_one(PickerList)
        if self.focused is not rows and rows.option_count:
            rows.focus()
            if rows.option_count > 1:
                rows.action_cursor_down()

    def action_leave(self) -> None:
        self.dismiss(None)


def ranked(choices: Sequence[Choice], query: str) -> list[Choice]:
    """The choices that match, best first; equal ones and all of them without a query keep their order."""
    if not query.strip():
        return list(choices)
    matcher = Matcher(query.strip())
    scored = [(matcher.match(choice.label), choice) for choice in choices]
    return [choice for score, choice in sorted(scored, key=lambda pair: -pair[0]) if score > 0]


def _row(choice: Choice, query: str, width: int) -> Content:
    detail = quiet(choice.detail)
    room = max(width - detail.cell_length - 4, 8)
    label = Content(choice.label)
    if query.strip():
        label = Matcher(query.strip(), match_style=Style(bold=True)).highlight(choice.label)
    label = label.truncate(room, ellipsis=True)
    pad = " " * max(width - 2 - label.cell_length - detail.cell_length, 1)
    return Content.assemble(quiet(f"{choice.mark} "), label, pad, detail)
