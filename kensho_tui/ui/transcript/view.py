"""The widget that shows a chat. It draws rows itself: a widget for each paragraph costs more than all else.

What draws is imported with the first message: the prompt is there before that.

Follows the end until somebody scrolls up, and again once they are back there. What is read stays where it
is while text arrives below, while messages above are drawn for the first time, and when the width changes.
"""

import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Offset, Region, Size
from textual.message import Message
from textual.reactive import Reactive, var
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from kensho_tui.core import contract as c
from kensho_tui.core.text import printable
from kensho_tui.ui.transcript.place import START, Place, Words

if TYPE_CHECKING:
    from kensho_tui.ui.transcript.canvas import Canvas
    from kensho_tui.ui.transcript.column import Column

NEAR_END_ROWS = 2
# A longer way is a jump: the messages on it are not drawn.
JUMP_PAGES = 3


class Transcript(ScrollView, can_focus=True):
    """The messages of one chat."""

    # A new line must not lay out the whole screen: nothing else depends on this height.
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=False)

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", show=False),
        Binding("down,j", "scroll_down", show=False),
        Binding("home,g", "scroll_home", show=False),
        Binding("end,G", "scroll_end", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
    ]

    class Typed(Message):
        """A letter was typed here: it belongs into the prompt."""

        def __init__(self, character: str) -> None:
            super().__init__()
            self.character = character

    class Followed(Message):
        """Whether the end is followed is another than before."""

    following: var[bool] = var(True, init=False)

    def __init__(self, words: Words) -> None:
        super().__init__(id="transcript")
        self._words = words
        self._column: Column | None = None
        self._place = START
        self._chat_id: str | None = None
        self._messages: tuple[c.Message, ...] = ()
        self._live: Collection[str] = ()
        self._putting = False
        self._expected = Size(0, 0)
        # Rows by which true heights above have moved what is read: selections are kept without them.
        self._mended = 0

    def watch_following(self) -> None:
        self.post_message(self.Followed())

    # --- what is shown ------------------------------------------------------------------------------

    def show(self, chat: c.Chat | None, live: Collection[str]) -> None:
        """Bring the messages in step with `chat`; another chat is shown from its end."""
        messages = chat.messages if chat is not None else ()
        if chat is None or chat.id != self._chat_id:
            self.following = True
            self._place = START
            self._column = None
            self._mended = 0
            self.screen.clear_selection()
        self._chat_id = chat.id if chat is not None else None
        self._messages, self._live = messages, live
        if self._column is None and messages:
            self._change_canvas()
        elif self._column is not None:
            self._renew(self._column)

    def _renew(self, column: "Column") -> None:
        """In step with the messages; what is read stays, or the nearest before it that is still there."""
        reading = [item.message.id for item in column.items[: self._place.item + 1]]
        if column.show(self._messages, self._live):
            found = ((at, name) for name in reversed(reading) if (at := column.index(name)) is not None)
            at, name = next(found, (0, ""))
            self._place = self._place._replace(item=at) if name in reading[-1:] else Place(at, 0, 0)
            self._arrange(column)
            self.refresh()

    def grow(self, message_id: str, piece: c.Piece, elapsed: float) -> None:
        """News of one stream."""
        column = self._column
        at = column.index(message_id) if column is not None else None
        if column is None or at is None:
            return
        before, offset = column.height, self.scroll_offset.y
        item = column.items[at]
        first = item.grow(piece, elapsed)
        column.measure(at)
        self._arrange(column)
        if self.scroll_offset.y == offset:
            top = column.top(at) + first - offset
            bottom = self.size.height if column.height != before else column.top(at) + item.height - offset
            top, bottom = max(top, 0), min(bottom, self.size.height)
            if bottom > top:
                self.refresh(Region(0, top, self.size.width, bottom - top))

    def tick(self, elapsed: Callable[[str], float]) -> None:
        """Count the seconds of those who wait."""
        column = self._column
        for at, item in enumerate(column.items if column is not None else ()):
            if item.waiting and item.say(elapsed(item.message.id)) and column is not None:
                column.measure(at)
                self._arrange(column)
                self.refresh()

    def expect(self, size: Size) -> None:
        """What it will be given when it is laid out next: drawn for that already, it is drawn once."""
        self._expected = size

    # --- where it stands ----------------------------------------------------------------------------

    @property
    def _room(self) -> Size:
        """Cells for rows; text may come before there is a place for it."""
        if self.size:
            return self.scrollable_content_region.size
        if self._expected:
            return self._expected - Size(self.styles.scrollbar_size_vertical, 0)
        return Size(self.app.size.width, 0)

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._change_canvas(), immediate=True)

    def on_resize(self) -> None:
        column = self._column
        if column is None or column.canvas.width != self._room.width:
            self._change_canvas()
        else:
            self._arrange(column)

    def _change_canvas(self) -> None:
        """Another width or theme: everything in sight is drawn anew."""
        if not self._messages:
            return
        from kensho_tui.ui.transcript.canvas import Canvas
        from kensho_tui.ui.transcript.column import Column
        from kensho_tui.ui.transcript.look import make_look

        canvas = Canvas(self._room.width, make_look(self.app.theme_variables))
        if self._column is None:
            self._column = Column(canvas, self._words)
            self._renew(self._column)
        else:
            self._place = self._column.resize(canvas, self._place)
            self.screen.clear_selection()
            self._arrange(self._column)
        self.refresh()

    def _arrange(self, column: "Column") -> None:
        """Draw what is in sight and scroll to it."""
        height = self._room.height
        if height <= 0:
            return
        place = column.end(height) if self.following else self._place
        self._place = column.settle(place, height)
        self._put(column)

    def _put(self, column: "Column") -> None:
        self._putting = True
        try:
            self.virtual_size = Size(self.size.width, column.height)
            row = column.row_of(self._place) if column.items else 0
            self.scroll_target_y = row
            self.scroll_y = row
        finally:
            self._putting = False

    def watch_virtual_size(self, size: Size) -> None:
        self.vertical_scrollbar.window_virtual_size = size.height

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Somebody scrolled: go that many true rows, whatever the heights there were thought to be."""
        super().watch_scroll_y(old_value, new_value)
        column = self._column
        if self._putting or column is None or not column.items:
            return
        rows = round(new_value) - round(old_value)
        before, row_before = self._place, column.row_of(self._place)
        if abs(rows) > JUMP_PAGES * self.size.height:
            place = column.place_at(round(new_value))
        else:
            place = column.moved(self._place, rows)
        self._place = column.settle(place, self.size.height)
        self._mended += column.row_of(before) - row_before
        left = column.height - self.size.height - column.row_of(self._place)
        self.following = left <= 0 or (rows > 0 and left <= NEAR_END_ROWS)
        self._put(column)

    def follow(self) -> None:
        """Show the end and stay there."""
        self.following = True
        if self._column is not None:
            self._arrange(self._column)

    def go_to(self, message_id: str) -> bool:
        """Bring a message to the top, or as near to it as the chat's end allows. False: it is not here."""
        column = self._column
        at = column.index(message_id) if column is not None else None
        if column is None or at is None or self.size.height <= 0:
            return False
        self._place = column.settle(Place(at, 0, 0), self.size.height)
        self.following = column.row_of(self._place) >= column.height - self.size.height
        self._put(column)
        self.refresh()
        return True

    def scroll_pages(self, pages: int) -> None:
        """Scroll by screens, keeping a row in sight."""
        self.scroll_to(y=self.scroll_y + pages * max(self.size.height - 1, 1), animate=False)

    def action_page_up(self) -> None:
        self.scroll_pages(-1)

    def action_page_down(self) -> None:
        self.scroll_pages(1)

    def action_scroll_up(self) -> None:
        self.scroll_to(y=self.scroll_y - 1, animate=False)

    def action_scroll_down(self) -> None:
        self.scroll_to(y=self.scroll_y + 1, animate=False)

    def action_scroll_home(self) -> None:
        self.scroll_to(y=0, animate=False)

    def action_scroll_end(self) -> None:
        self.follow()

    def on_key(self, event: events.Key) -> None:
        if event.key in ("question_mark", "j", "k", "g", "G"):
            return
        if event.is_printable and event.character is not None:
            event.stop()
            self.post_message(self.Typed(event.character))

    # --- drawing and selecting ----------------------------------------------------------------------

    def render_lines(self, crop: Region) -> list[Strip]:
        """Rows as they are: whole and styled, with no border or padding for Textual to add to each."""
        if self._column is None:
            return [Strip.blank(crop.width, self.rich_style)] * crop.height
        strips = [self.render_line(y) for y in crop.line_range]
        ground = self.background_colors[1]
        for line_filter in self.get_line_filters():
            strips = [strip.apply_filter(line_filter, ground) for strip in strips]
        if crop.column_span == (0, self.size.width):
            return strips
        return [strip.crop(*crop.column_span) for strip in strips]

    def render_line(self, y: int) -> Strip:
        column = self._column
        if column is None:
            return Strip.blank(self.size.width, self.rich_style)
        row = y + self.scroll_offset.y
        strip = column.strip(row)
        selection = self.text_selection
        span = selection.get_span(row - self._mended) if selection is not None else None
        return strip if span is None else _selected(strip, span, column.canvas)

    def offset_at(self, x: int, y: int) -> Offset:
        """A cell of the widget as selections name it: column of the text, row of the chat."""
        left = self._column.canvas.LEFT if self._column is not None else 0
        return Offset(max(x - left, 0), y + self.scroll_offset.y - self._mended)

    def on_click(self, event: events.Click) -> None:
        """Twice selects a word, three times the rows around it up to an empty one."""
        if event.chain < 2 or self._column is None:
            return
        event.prevent_default()
        event.stop()
        column, left = self._column, self._column.canvas.LEFT
        row, x = event.y + self.scroll_offset.y, event.x - left
        if event.chain == 2:
            start, end = word_at(column.strip(row).text[left:], x)
            first = last = row
        else:
            first, last = column.paragraph(row)
            start, end = 0, self.size.width
        ends = Offset(start, first - self._mended), Offset(end, last - self._mended)
        self.screen.selections = {self: Selection(*ends)} if end > start else {}

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected rows' text, without the bar at the left; all of it is all that was said."""
        column = self._column
        if column is None:
            return None
        if selection.start is None and selection.end is None:
            return "\n\n".join(printable(message.content) for message in self._messages), "\n"
        first = selection.start.y + self._mended if selection.start is not None else 0
        last = selection.end.y + self._mended if selection.end is not None else column.height - 1
        lines = []
        for row in range(max(first, 0), min(last, column.height - 1) + 1):
            strip, left = column.strip(row), column.canvas.LEFT
            start, end = selection.get_span(row - self._mended) or (0, -1)
            lines.append(strip.crop(left + start, None if end == -1 else left + end).text.rstrip())
        return "\n".join(lines), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()


def word_at(text: str, cell: int) -> tuple[int, int]:
    """The cells of the word at a cell of `text`, (0, 0) where there is none."""
    at = 0
    for found in re.finditer(r"\S+|\s+", text):
        size = cell_len(found[0])
        if at <= cell < at + size:
            return (0, 0) if found[0].isspace() else (at, at + size)
        at += size
    return 0, 0


def _selected(strip: Strip, span: tuple[int, int], canvas: "Canvas") -> Strip:
    """The strip with characters of its text marked."""
    width, left = strip.cell_length, canvas.LEFT
    start = min(left + span[0], width)
    end = width if span[1] == -1 else min(left + span[1], width)
    if start >= end:
        return strip
    before, marked, after = strip.divide([start, end, width])
    ground = canvas.look.selection
    lit = [Segment(text, style + ground if style else ground) for text, style, _ in marked]
    return Strip.join([before, Strip(lit, end - start), after])
