"""What a message is made of: runs of rows that are drawn when somebody looks at them."""

import re
from collections.abc import Iterable

from rich.cells import cell_len
from rich.segment import Segment
from rich.text import Text
from textual.strip import Strip

from kensho_tui.ui.transcript import code
from kensho_tui.ui.transcript.blocks import Block, Open, item_mark
from kensho_tui.ui.transcript.canvas import Canvas, Row
from kensho_tui.ui.transcript.wrap import GrowingLine, wrap

# A longer block is drawn as it was written: Markdown would hold up the app.
MAX_MARKDOWN = 16_000
_NESTED = re.compile(r"^(?:[ \t]*(?:>|[*+-][ \t]|\d{1,9}[.)][ \t])){12}", re.MULTILINE)
_BRACKETS = re.compile(r"[\[\]*_`!<>(]{200}")
TAB = 4


def drawable(text: str) -> bool:
    """Whether Markdown may have a block: no giant, no nesting a person would not write."""
    return len(text) <= MAX_MARKDOWN and not (_NESTED.search(text) or _BRACKETS.search(text))


def estimate(text: str, width: int) -> int:
    """Rows that `text` may take; cheap, and only good enough for a scroll bar."""
    return text.count("\n") + 1 + len(text) // max(width, 1)


class Part:
    """Some rows. `height` is an estimate until they were drawn for the canvas they are asked for."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.height = 1
        self._rows: list[Strip] | None = None

    @property
    def drawn(self) -> bool:
        return self._rows is not None

    def rows(self, canvas: Canvas) -> list[Strip]:
        """The rows for `canvas`; drawn once, until `forget`."""
        if self._rows is None:
            self._rows = self.draw(canvas)
            self.height = len(self._rows)
        return self._rows

    def forget(self, canvas: Canvas | None = None) -> None:
        """Draw anew when asked next; for another canvas the height is an estimate again."""
        self._rows = None
        if canvas is not None:
            self.height = self.guess(canvas)

    def draw(self, canvas: Canvas) -> list[Strip]:
        raise NotImplementedError

    def guess(self, canvas: Canvas) -> int:
        return self.height


class HeadPart(Part):
    """Who speaks, and what was measured."""

    def __init__(self, role: str) -> None:
        super().__init__(role)
        self.name = ""
        self.meta = ""

    def say(self, name: str, meta: str) -> bool:
        """Set both; whether that changes anything."""
        changed = (name, meta) != (self.name, self.meta)
        self.name, self.meta = name, meta
        return changed

    def draw(self, canvas: Canvas) -> list[Strip]:
        look = canvas.look
        style = look.person if self.role == "user" else look.model
        room = canvas.body - cell_len(self.meta) - 2
        name = self.name if cell_len(self.name) <= room else self.name[: max(room - 1, 1)] + "…"
        gap = " " * max(canvas.body - cell_len(name) - cell_len(self.meta), 1)
        row = [Segment(name, style), Segment(gap, look.base), Segment(self.meta, look.quiet)]
        return [canvas.row(canvas.bar(self.role), row)]


class FootPart(Part):
    """What became of the message, and the empty row below it."""

    def __init__(self, role: str) -> None:
        super().__init__(role)
        self.said: tuple[tuple[str, str], ...] = ()

    def say(self, said: tuple[tuple[str, str], ...]) -> bool:
        """Words with the name of their style in the look; whether that changes anything."""
        changed = said != self.said
        self.said = said
        return changed

    def draw(self, canvas: Canvas) -> list[Strip]:
        if not self.said:
            return [canvas.empty]
        bar = canvas.bar(self.role)
        text = Text()
        for words, style in self.said:
            text.append(words, getattr(canvas.look, style))
        return [*(canvas.row(bar, row) for row in _rendered(text, canvas)), canvas.empty]


def _rendered(text: Text, canvas: Canvas) -> list[Row]:
    """Rows of styled words, wrapped."""
    plain, rows, start = text.plain, [], 0
    for row in wrap(plain, canvas.body):
        rows.append(_cut(text, start, start + len(row.rstrip())))
        start += len(row)
    return rows


def _cut(text: Text, start: int, end: int) -> Row:
    row = []
    for span in text.spans:
        part = text.plain[max(span.start, start) : min(span.end, end)]
        if part and not isinstance(span.style, str):
            row.append(Segment(part, span.style))
    return row


class PlainPart(Part):
    """Text as it was written."""

    def __init__(self, role: str, text: str) -> None:
        super().__init__(role)
        self.text = text

    def draw(self, canvas: Canvas) -> list[Strip]:
        return list(plain_strips(canvas, self.role, self.text.split("\n")))

    def guess(self, canvas: Canvas) -> int:
        return estimate(self.text, canvas.body)


def plain_strips(canvas: Canvas, role: str, lines: Iterable[str]) -> Iterable[Strip]:
    bar, base = canvas.bar(role), canvas.look.base
    for line in lines:
        for row in wrap(line.expandtabs(TAB), canvas.body):
            yield canvas.row(bar, [Segment(row, base)])


class BlockPart(Part):
    """A settled block of Markdown."""

    def __init__(self, role: str, block: Block) -> None:
        super().__init__(role)
        self.block = block

    def draw(self, canvas: Canvas) -> list[Strip]:
        block, bar = self.block, canvas.bar(self.role)
        above = [canvas.row(bar, [])] if block.gap else []
        if block.kind == "fence":
            rows = code.code_block(canvas.look, canvas.body, block.text, block.language)
        elif drawable(block.text):
            from kensho_tui.ui.transcript.markdown import block_rows

            rows = block_rows(canvas.look, canvas.body, block.text)
        else:
            return [*above, *plain_strips(canvas, self.role, block.text.split("\n"))]
        return [*above, *(canvas.row(bar, row) for row in rows)]

    def guess(self, canvas: Canvas) -> int:
        return estimate(self.block.text, canvas.body) + self.block.gap + (self.block.kind == "fence")


class TailPart(Part):
    """The block that still grows, as plain rows: what came before is not drawn again."""

    def __init__(self, role: str, block: Open) -> None:
        super().__init__(role)
        self.block = block
        self.height = 0
        self._lines = 0  # how many whole lines stand in the rows
        self._settled = 0  # how many rows those take
        self._taken = 0  # how many characters of the line that grows are in `_line`
        self._line = GrowingLine(80, words=True)
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
        self._taken = 0

    def _show(self, canvas: Canvas, rows: list[Strip], line: str) -> None:
        """Put the line that grows below the settled rows, as far as it is known."""
        stay = min(len(self._line.rows) - 1, len(rows) - self._settled)
        self._line.feed(self._new(line).expandtabs(TAB))
        del rows[self._settled + stay :]
        if not line and self._lines == len(self.block.lines):
            return  # nothing of the next line has come
        bar, look, fence = canvas.bar(self.role), canvas.look, self.block.kind == "fence"
        for at, text in enumerate(self._line.rows[stay:], stay):
            if fence:
                row = code.plain(look, canvas.body, text)
            else:
                mark = self._mark if self._lines == at == 0 else " " * len(self._mark)
                row = [Segment(mark, look.model), Segment(text, look.base)]
            rows.append(canvas.row(bar, row))

    def _new(self, line: str) -> str:
        """What of `line` has not been taken; the marker of an item and its indentation are drawn for it."""
        if self._taken == 0 and self._indent:
            blanks = len(line) - len(line.lstrip(" "))
            self._taken = self._indent if self._lines == 0 else min(blanks, self._indent)
        new, self._taken = line[self._taken :], len(line)
        return new


def parts_of(role: str, text: str, blocks: Iterable[Block]) -> list[Part]:
    """The body of a message: an answer's blocks, a person's text as it was written."""
    if role == "assistant":
        return [BlockPart(role, block) for block in blocks]
    lines = text.split("\n")
    return [PlainPart(role, "\n".join(lines[at : at + 100])) for at in range(0, len(lines), 100)]
