"""Rows of which one is highlighted. Only those in sight are drawn: a thousand cost what a screenful does."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.reactive import Reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from kensho_tui.ui.columns import Cell, Column, joined, lay_out, natural_widths
from kensho_tui.ui.fuzzy import Query
from kensho_tui.ui.lines import QUIET, quiet

CURSOR, BAR, CHOSEN = "›", "▌", "•"
IDLE = "·"
MARGIN = 4
"""Cells for cursor or bar, mark and space at the left, and one at the right."""
MIN_LABEL = 8


@dataclass(frozen=True)
class Choice:
    """One row: what is returned, what is matched and shown, and quiet words at its right."""

    key: str
    label: str
    detail: str = ""
    mark: str = IDLE
    mark_style: str = QUIET
    group: str = ""
    """The heading it stands under while there is no query."""
    under: str = ""
    """What is said in place of `detail` under that heading, which says some of it already."""
    cells: tuple[Cell, ...] = ()
    """Texts in columns behind the label, in place of `detail`."""
    also: str = ""
    """Words that are searched like the label, and not shown."""


class ChoiceList(ScrollView, can_focus=True):
    """Choices and headings (plain strings), one row each.

    The highlighted one has a cursor at its left edge, the one that is chosen already a bar: they can be told
    apart without colours.

    With `columns`, the first of them for the label, every choice has cells for the others; what is chosen is
    said there, in words.
    """

    ALLOW_SELECT = False
    titled: ClassVar[bool] = False
    """Whether the columns' titles stand above, and must have room."""
    # Other rows must not lay out the whole screen: the height is given from outside.
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=False)
    COMPONENT_CLASSES: ClassVar[set[str]] = {"choices--highlighted", "choices--hovered"}

    def __init__(
        self,
        choose: Callable[[str], object],
        *,
        columns: Sequence[Column] = (),
        moved: Callable[[str], object] | None = None,
    ) -> None:
        """`choose` and `moved` get the key of the row that is taken, and of the one highlighted now."""
        super().__init__()
        self.auto_links = False
        self._choose = choose
        self._columns = columns
        self._moved = moved
        self._told = ""
        self._measured: Sequence[Choice] = ()
        self._widths: tuple[int, list[int]] = (-1, [])
        self._rows: Sequence[Choice | str] = ()
        self._selectable: list[int] = []
        self._places: dict[str, int] = {}
        self._at: int | None = None
        self._hovered: int | None = None
        self._chosen = ""
        self._lit = False
        self._query = Query("")
        self._nothing = ""

    # --- content --------------------------------------------------------------------------------------

    def show(self, rows: Sequence[Choice | str], query: Query, nothing: str = "") -> None:
        """Show `rows` from the top, the first choice highlighted, what matches `query` in bold.

        `nothing` is said when there are no rows.
        """
        self._fill(rows, query, nothing)
        self._tell()

    def _fill(self, rows: Sequence[Choice | str], query: Query, nothing: str) -> None:
        self._rows, self._query, self._nothing = rows, query, nothing
        self._selectable = [at for at, row in enumerate(rows) if isinstance(row, Choice)]
        self._places = {row.key: at for at, row in enumerate(rows) if isinstance(row, Choice)}
        self._at = self._selectable[0] if self._selectable else None
        self._hovered = None
        self.virtual_size = Size(1, max(len(rows), 1))
        self.scroll_to(y=0, animate=False)
        self.refresh()

    def renew(self, rows: Sequence[Choice | str], query: Query, nothing: str = "") -> None:
        """Show `rows` without losing the highlighted row, nor its place in sight unless that is the top."""
        key, before, scrolled = self.highlighted, self._at, self.scroll_offset.y
        self._fill(rows, query, nothing)
        if before is not None and self._selectable:
            nearest = min(bisect_left(self._selectable, before), len(self._selectable) - 1)
            self._at = self._places.get(key, self._selectable[nearest])
            if scrolled:
                self.scroll_to(y=scrolled + self._at - before, animate=False)
        self._tell()

    def _tell(self) -> None:
        """Say which row is highlighted, when it is another."""
        if self._moved is not None and self.highlighted != self._told:
            self._told = self.highlighted
            self._moved(self._told)

    @property
    def highlighted(self) -> str:
        """The key of the highlighted row; empty: there is none."""
        row = self._rows[self._at] if self._at is not None else None
        return row.key if isinstance(row, Choice) else ""

    def mark(self, chosen: str) -> None:
        """Mark the row with this key as the one that is chosen already."""
        if chosen != self._chosen:
            self._chosen = chosen
            self.refresh()

    def light(self, on: bool) -> None:
        """Draw the highlighted row as such, or as any other: nobody would take it now."""
        if on != self._lit:
            self._lit = on
            self.refresh()

    def highlight(self, key: str) -> None:
        """Highlight the row with this key, when there is one."""
        if key in self._places:
            self._go(self._places[key])

    # --- moving ---------------------------------------------------------------------------------------

    @property
    def at_first(self) -> bool:
        return not self._selectable or self._at == self._selectable[0]

    def press(self, key: str) -> bool:
        """Do what `key` does here. False: nothing."""
        page = max(self.size.height - 1, 1)
        steps = {"up": -1, "down": 1, "pageup": -page, "pagedown": page}
        ends = {"home": 0, "end": -1}
        if key == "enter":
            self.choose()
        elif key in steps:
            self._step(steps[key])
        elif key in ends and self._selectable:
            self._go(self._selectable[ends[key]])
        return key == "enter" or key in steps or key in ends

    def choose(self) -> None:
        """Take the highlighted row."""
        if self.highlighted:
            self._choose(self.highlighted)

    def _step(self, rows: int) -> None:
        """Move by about so many rows, to a choice; one row always moves."""
        if self._at is None:
            return
        rank = bisect_left(self._selectable, self._at)
        other = bisect_left(self._selectable, self._at + rows)
        other = max(other, rank + 1) if rows > 0 else min(other, rank - 1)
        self._go(self._selectable[min(max(other, 0), len(self._selectable) - 1)])

    def _go(self, at: int) -> None:
        if at != self._at:
            for row in (self._at, at):
                if row is not None:
                    self.refresh_line(row)
            self._at = at
            self._tell()
        self._into_sight()

    def _into_sight(self) -> None:
        """Scroll no further than it takes to see the highlighted row, and the headings above it."""
        if self._at is None or not self.size.height:
            return
        top = self._at
        while top and not isinstance(self._rows[top - 1], Choice):
            top -= 1
        y, height = self.scroll_offset.y, self.size.height
        wanted = top if top < y else max(y, self._at - height + 1)
        if wanted != y:
            self.scroll_to(y=wanted, animate=False)

    def on_resize(self) -> None:
        self._into_sight()

    # --- the mouse ------------------------------------------------------------------------------------

    def _row_of(self, event: events.MouseEvent) -> int | None:
        at = event.y + self.scroll_offset.y
        return at if at < len(self._rows) and isinstance(self._rows[at], Choice) else None

    def on_click(self, event: events.Click) -> None:
        at = self._row_of(event)
        if at is not None:
            self._go(at)
            self.choose()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self._hover(self._row_of(event))

    def on_leave(self) -> None:
        self._hover(None)

    def _hover(self, at: int | None) -> None:
        if at != self._hovered:
            for row in (self._hovered, at):
                if row is not None:
                    self.refresh_line(row)
            self._hovered = at

    # --- drawing --------------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        at = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        style = self.visual_style
        if at == self._at and self._lit:
            style = self.get_visual_style("choices--highlighted")
        elif at == self._hovered:
            style = self.get_visual_style("choices--hovered")
        content = self._content(at, width)
        return Visual.to_strips(self, content, width, 1, style, pad=True)[0]

    def _content(self, at: int, width: int) -> Content:
        if at >= len(self._rows):
            return quiet(f" {self._nothing}" if at == 0 else " ").truncate(width, ellipsis=True)
        row = self._rows[at]
        if isinstance(row, str):
            return quiet(f" {row}").truncate(width, ellipsis=True)
        return self._choice(row, width, at == self._at and self._lit)

    def _choice(self, choice: Choice, width: int, lit: bool) -> Content:
        chosen = choice.key == self._chosen and not self._columns
        edge = CURSOR if lit else BAR if chosen else " "
        mark = (CHOSEN, "$primary") if chosen and choice.mark == IDLE else (choice.mark, choice.mark_style)
        start = Content.assemble((edge, "$primary"), mark, " ")
        if self._columns:
            cells = [self._label(choice), *(Content.styled(*cell) for cell in choice.cells)]
            return start + joined(self._columns, self.widths(width), cells)
        detail = quiet(choice.under if choice.group and not self._query else choice.detail)
        room = width - start.cell_length - 1
        if detail and room - detail.cell_length - 2 >= MIN_LABEL:
            room -= detail.cell_length + 2
        else:
            detail = Content()
        label = self._label(choice).truncate(max(room, 1), ellipsis=True)
        pad = " " * (width - start.cell_length - label.cell_length - detail.cell_length - 1)
        return Content.assemble(start, label, pad, detail)

    def _label(self, choice: Choice) -> Content:
        """The label with what matched in bold."""
        label = Content(choice.label)
        match = self._query.match(f"{choice.label} {choice.also}")
        for index in match.at if match is not None else ():
            if index < len(choice.label):
                label = label.stylize("bold", index, index + 1)
        return label

    def measure(self, choices: Sequence[Choice]) -> None:
        """The columns are as wide as these need: all there are, so that a filter moves nothing."""
        self._measured = choices
        self._widths = (-1, [])

    def widths(self, width: int) -> list[int]:
        """The width of every column in a list that is so wide; the same for all rows."""
        if self._widths[0] != width:
            rows = [(row.label, *(cell.text for cell in row.cells)) for row in self._measured]
            natural = natural_widths(self._columns, rows, self.titled)
            self._widths = (width, lay_out(self._columns, natural, width - MARGIN))
        return self._widths[1]
