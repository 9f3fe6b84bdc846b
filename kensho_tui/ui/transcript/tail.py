"""The block that still grows, as plain rows: what came before is not drawn again.

Only what is certain in the middle of a line is more than plain: code between back-ticks, and bold words.
"""

import re

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from kensho_tui.ui.transcript import code
from kensho_tui.ui.transcript.blocks import Open, item_mark
from kensho_tui.ui.transcript.canvas import Canvas, Row
from kensho_tui.ui.transcript.look import Look
from kensho_tui.ui.transcript.parts import TAB, Part, styled_rows
from kensho_tui.ui.transcript.wrap import GrowingLine

# A longer line is drawn as it was written, and only its last row again.
MAX_STYLED = 2_000
# A mark that has not been closed yet holds to the end.
_INLINE = re.compile(r"\*\*(?=[^\s*])(.+?)(?:\*\*|\*?$)|`([^`]+)(?:`|$)")


def inline(line: str, look: Look) -> Text:
    """The line with bold words and code as they will look."""
    text, at = Text(), 0
    for found in _INLINE.finditer(line):
        bold, literal = found.groups()
        text.append(line[at : found.start()], look.base)
        style = look.markdown["markdown.strong"] if bold is not None else look.markdown["markdown.code"]
        text.append(bold if bold is not None else literal, style)
        at = found.end()
    return text.append(line[at:], look.base)


class TailPart(Part):
    """The block that still grows, as plain rows: what came before is not drawn again."""

    def __init__(self, role: str, block: Open) -> None:
        super().__init__(role)
        self.block = block
        self.height = 0
        self._lines = 0  # how many whole lines stand in the rows
        self._settled = 0  # how many rows those take
        self._taken = 0  # how many characters of the line that grows are in `_line`
        self._column = 0  # and how many it has with its tabs expanded
        self._line = GrowingLine(80, words=True)
        self._bodies: list[Row] = []  # what its rows show
        self._mark, self._indent = "", 0  # of a list item: see `item_mark`

    def follow(self, block: Open) -> None:
        """Show what grows now; the old rows are kept as far as they still hold."""
        if block is not self.block:
            self.block = block
            self.forget()

    def forget(self, canvas: Canvas | None = None) -> None:
        super().forget()
        self._lines = self._settled = 0

    def draw(self, canvas: Canvas) -> list[Strip]:
        self._rows = []
        self._mark, self._indent = self._marker()
        self._begin_line(canvas)
        if self.block.lines or self.block.rest or self.block.kind == "fence":
            bar = canvas.bar(self.role)
            if self.block.gap:
                self._rows.append(canvas.row(bar, []))
            if self.block.kind == "fence":
                self._rows.append(canvas.row(bar, code.label(canvas.look, canvas.body, self.block.language)))
        self._settled = len(self._rows)
        self._grow(canvas, self._rows)
        return self._rows

    def grow(self, canvas: Canvas) -> int:
        """Draw what came; the first row that changed."""
        if not self._rows or self._marker() != (self._mark, self._indent):
            self.forget()
            self.rows(canvas)
            return 0
        first = self._settled
        self._grow(canvas, self._rows)
        self.height = len(self._rows)
        return first

    def _grow(self, canvas: Canvas, rows: list[Strip]) -> None:
        """Whole lines come to stay, the rest of one is drawn anew."""
        lines = self.block.lines
        while self._lines < len(lines):
            self._show(canvas, rows, lines[self._lines])
            self._settled = len(rows)
            self._lines += 1
            self._begin_line(canvas)
        self._show(canvas, rows, self.block.rest)

    def _marker(self) -> tuple[str, int]:
        block = self.block
        return ("", 0) if block.kind == "fence" else item_mark(block.lines[0] if block.lines else block.rest)

    def _begin_line(self, canvas: Canvas) -> None:
        fence = self.block.kind == "fence"
        margin = 2 * code.INDENT if fence else len(self._mark)
        self._line = GrowingLine(canvas.body - margin, words=not fence)
        self._taken = self._column = 0
        self._bodies = []

    def _show(self, canvas: Canvas, rows: list[Strip], line: str) -> None:
        """Put the line that grows below the settled rows; those of its rows that stay are kept."""
        bodies = self._line_bodies(canvas, line) if line or self._lines < len(self.block.lines) else []
        same = 0
        while same < min(len(bodies), len(self._bodies)) and bodies[same] == self._bodies[same]:
            same += 1
        del rows[self._settled + same :]
        bar = canvas.bar(self.role)
        rows += [canvas.row(bar, body) for body in bodies[same:]]
        self._bodies = bodies

    def _line_bodies(self, canvas: Canvas, line: str) -> list[Row]:
        """The rows of the line; those known already where it is only taken as it was written."""
        look, fence = canvas.look, self.block.kind == "fence"
        start = min(len(line) - len(line.lstrip(" ")), self._indent) if self._lines else self._indent
        if fence or len(line) > MAX_STYLED:
            stay, rows = self._grown(line[start:])
            known = self._bodies[:stay]
            found = [self._plain(canvas, text) for text in rows]
        else:
            known = []
            text = inline(line[start:].expandtabs(TAB), look)
            found = styled_rows(text, canvas.body - len(self._mark)) or [[]]
        return [*known, *(self._marked(look.model, at, row) for at, row in enumerate(found, len(known)))]

    def _plain(self, canvas: Canvas, text: str) -> Row:
        if self.block.kind == "fence":
            return code.plain(canvas.look, canvas.body, text)
        return [Segment(text, canvas.look.base)]

    def _marked(self, style: Style, at: int, row: Row) -> Row:
        if not self._mark:
            return row
        return [Segment(self._mark if self._lines == at == 0 else " " * len(self._mark), style), *row]

    def _grown(self, line: str) -> tuple[int, list[str]]:
        """Rows of a line taken as it was written: how many are as they were, and those that are not."""
        stay = min(len(self._line.rows) - 1, len(self._bodies)) if self._taken else 0
        new = line[self._taken :]
        if "\t" in new:
            filled = " " * (self._column % TAB) + new
            new = filled.expandtabs(TAB)[self._column % TAB :]
        self._line.feed(new)
        self._taken = len(line)
        self._column += len(new)
        return stay, self._line.rows[stay:]
