"""What a message is made of: runs of rows that are drawn when somebody looks at them."""

import re
from collections.abc import Iterable

from rich.cells import cell_len
from rich.segment import Segment
from rich.text import Text
from textual.strip import Strip

from kensho_tui.ui.transcript import code
from kensho_tui.ui.transcript.blocks import Block
from kensho_tui.ui.transcript.canvas import Canvas, Row
from kensho_tui.ui.transcript.wrap import wrap

# A longer block is drawn as it was written: Markdown would hold up the app.
MAX_MARKDOWN = 16_000
# Lines that begin with a letter and have no mark, address, entity or odd blank in them.
_PROSE_LINE = r"""["'(“‘]?[^\W\d_](?:[^\s`*_~<>|&\\@\[\]/.]| (?! ?\n)|/(?!/)|\.(?!\w))*"""
_PROSE = re.compile(rf"{_PROSE_LINE}(?:\n{_PROSE_LINE})*")
_NESTED = re.compile(r"^(?:[ \t]*(?:>|[*+-][ \t]|\d{1,9}[.)][ \t])){12}", re.MULTILINE)
_BRACKETS = re.compile(r"[\[\]*_`!<>(]{200}")
_DEEP = re.compile(r"^[ ]{50,}(?:[*+-]|\d{1,9}[.)])[ ]", re.MULTILINE)
TAB = 4


def drawable(text: str) -> bool:
    """Whether Markdown may have a block: no giant, no nesting a person would not write."""
    return len(text) <= MAX_MARKDOWN and not any(rule.search(text) for rule in (_NESTED, _BRACKETS, _DEEP))


def means_itself(text: str) -> bool:
    """Whether Markdown would show `text` as it was written: most paragraphs are words alone."""
    return _PROSE.fullmatch(text) is not None


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
        return [*(canvas.row(bar, row) for row in styled_rows(text, canvas.body)), canvas.empty]


def styled_rows(text: Text, width: int) -> list[Row]:
    """Words with a style each, wrapped. Every character of `text` has exactly one span."""
    rows: list[Row] = []
    spans, start = list(text.spans), 0
    for plain in wrap(text.plain, width):
        end = start + len(plain)
        rows.append(
            [
                Segment(text.plain[max(span.start, start) : min(span.end, end)], span.style)
                for span in spans
                if span.start < end and span.end > start and not isinstance(span.style, str)
            ]
        )
        start = end
    return rows


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
        rows = self._drawn(canvas)
        if rows is None:
            return [*above, *plain_strips(canvas, self.role, block.text.split("\n"))]
        return [*above, *(canvas.row(bar, row) for row in rows)]

    def _drawn(self, canvas: Canvas) -> list[Row] | None:
        """What the block means, or None where it is better shown as it was written."""
        block = self.block
        try:
            if block.kind == "fence":
                return code.code_block(canvas.look, canvas.body, block.text, block.language)
            if not means_itself(block.text) and drawable(block.text):
                from kensho_tui.ui.transcript.markdown import block_rows

                return block_rows(canvas.look, canvas.body, block.text)
        except Exception:  # noqa: S110 - whatever a lexer or a renderer stumbles over, the text can be read
            pass
        return None

    def guess(self, canvas: Canvas) -> int:
        return estimate(self.block.text, canvas.body) + self.block.gap + (self.block.kind == "fence")


def parts_of(role: str, text: str, blocks: Iterable[Block]) -> list[Part]:
    """The body of a message: an answer's blocks, a person's text as it was written."""
    if role == "assistant":
        return [BlockPart(role, block) for block in blocks]
    lines = text.split("\n")
    return [PlainPart(role, "\n".join(lines[at : at + 100])) for at in range(0, len(lines), 100)]
