"""Cutting Markdown into blocks while it arrives: what is settled never changes again. Pure.

A cut is made only where CommonMark begins a new top-level block (or a new item of a top-level list), so
every block means the same drawn on its own. Lines are looked at once: a list of a thousand items or an
endless fence costs what it is long. Not cutting where one could is harmless, it only settles later.
Reference definitions (``[name]: url``) work within their own block alone.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["text", "item", "fence"]

_FENCE = re.compile(r"( {0,3})(`{3,}(?=[^`]*$)|~{3,})(.*)")
_ANY_FENCE = re.compile(r"\s*(`{3,}(?=[^`]*$)|~{3,})")
_ITEM = re.compile(r"( {0,3})([-*+]|\d{1,9}[.)])( {1,4}(?=\S)| |$)")
_HEADING = re.compile(r" {0,3}#{1,6}(\s|$)")
_RULE = re.compile(r" {0,3}([-*_])\s*(?:\1\s*){2,}$")
_QUOTE = re.compile(r" {0,3}>")


@dataclass(frozen=True)
class Block:
    """A settled block. `gap`: a blank row belongs before it. A fence's `text` is its code alone."""

    kind: Kind
    text: str
    gap: bool
    language: str = ""


@dataclass
class Open:
    """The block that still grows: whole `lines` and the `rest` that has no line end yet."""

    kind: Kind = "text"
    gap: bool = False
    language: str = ""
    lines: list[str] = field(default_factory=list)
    rest: str = ""

    def close(self) -> Block:
        return Block(self.kind, "\n".join(self.lines), self.gap, self.language)


class BlockSplitter:
    """Takes text in pieces. `open` is replaced by another object whenever a block is settled."""

    def __init__(self) -> None:
        self.open = Open()
        self._mark = ""  # of the top-level fence that is open
        self._margin = 0  # how far that fence is indented
        self._inner = ""  # of a fence inside a list item
        self._ended = False  # the item's last line was no paragraph's
        self._indent = 0  # where an item's content begins
        self._bullet = ""
        self._blank = False  # the line before was blank
        self._any = False  # something was settled before

    def feed(self, text: str) -> list[Block]:
        """The blocks that `text` settles."""
        *lines, rest = (self.open.rest + text).split("\n")
        self.open.rest = ""
        settled: list[Block] = []
        for line in lines:
            self._line(line.rstrip("\r"), settled)
        self.open.rest = rest
        return settled

    def finish(self) -> list[Block]:
        """No more text comes: settle what is open."""
        settled: list[Block] = []
        if self.open.rest:
            rest, self.open.rest = self.open.rest, ""
            self._line(rest, settled)
        self._settle(settled)
        return settled

    # --- one line -----------------------------------------------------------------------------------

    def _line(self, line: str, settled: list[Block]) -> None:
        if self._mark:
            self._fence_line(line, settled)
            return
        if not line.strip():
            self._blank_line(settled)
            return
        goes_on = self.open.kind == "item" and self._belongs_to_item(line)
        if self._blank and self._is_code() and not line.startswith("    "):
            self._settle(settled)
        if goes_on or not self._begins(line, settled):
            self.open.lines.append(line)
        self._blank = False

    def _fence_line(self, line: str, settled: list[Block]) -> None:
        bare = line.strip()
        if set(bare) == {self._mark[0]} and len(bare) >= len(self._mark) and not line.startswith("    "):
            self._mark = ""
            self._settle(settled)
        else:
            margin = len(line[: self._margin]) - len(line[: self._margin].lstrip(" "))
            self.open.lines.append(line[margin:])

    def _blank_line(self, settled: list[Block]) -> None:
        self._blank = True
        if self.open.kind == "item" or self._is_code():
            if self.open.lines:
                self.open.lines.append("")
        else:
            self._settle(settled)

    def _belongs_to_item(self, line: str) -> bool:
        """Whether `line` goes on with the open item; ends a fence inside it that is not indented."""
        indent = len(line) - len(line.lstrip(" "))
        if indent >= self._indent:
            self._track_inner(line)
            return True
        if self._inner or self._blank or self._ended:
            return False
        # A line that is not indented goes on with the item's paragraph unless it begins something.
        return not self._starts_block(line)

    def _track_inner(self, line: str) -> None:
        found = _ANY_FENCE.match(line)
        if self._inner:
            bare = line.strip()
            if set(bare) == {self._inner[0]} and len(bare) >= len(self._inner):
                self._inner = ""
                self._ended = True
        elif found is not None:
            self._inner = found[1]
        else:
            content = line[self._indent :] if line[: self._indent].isspace() else line
            self._ended = any(rule.match(content) for rule in (_HEADING, _RULE))

    def _is_code(self) -> bool:
        """Whether the open block is indented code: a blank line does not end it."""
        return self._in_paragraph() and self.open.lines[0].startswith("    ")

    def _starts_block(self, line: str) -> bool:
        return any(rule.match(line) for rule in (_FENCE, _ITEM, _HEADING, _RULE, _QUOTE))

    def _begins(self, line: str, settled: list[Block]) -> bool:
        """Start a new block with `line` where one begins; False: it goes on with the open one."""
        if fence := _FENCE.fullmatch(line):
            self._start("fence", settled)
            self._mark, self._margin = fence[2], len(fence[1])
            self.open.language = next(iter(fence[3].split()), "")
            return True
        if _HEADING.match(line):
            self._start("text", settled)
            self.open.lines.append(line)
            self._settle(settled)
            return True
        item = None if _RULE.match(line) else _ITEM.match(line)
        # Within a paragraph only a bullet, or the number one, begins a list.
        if item and not (self._in_paragraph() and (item[2][:-1] not in ("", "1") or not line[item.end() :])):
            self._start_item(line, item, settled)
            return True
        if self.open.kind == "item":
            self._start("text", settled)
        return False

    def _in_paragraph(self) -> bool:
        return self.open.kind == "text" and bool(self.open.lines)

    def _start_item(self, line: str, item: re.Match[str], settled: list[Block]) -> None:
        bullet = item[2][-1]
        same = self.open.kind == "item" and bullet == self._bullet
        loose = self._blank
        self._start("item", settled)
        if same:
            self.open.gap = loose
        self._bullet = bullet
        self._indent = item.end() if line[item.end() :] else len(item[1]) + len(item[2]) + 1
        self._track_inner(line[item.end() :])
        self.open.lines.append(line)

    # --- settling -----------------------------------------------------------------------------------

    def _start(self, kind: Kind, settled: list[Block]) -> None:
        self._settle(settled)
        self.open.kind = kind

    def _settle(self, settled: list[Block]) -> None:
        while self.open.lines and self.open.kind != "fence" and not self.open.lines[-1]:
            self.open.lines.pop()
        if self.open.lines or self.open.kind == "fence":
            settled.append(self.open.close())
            self._any = True
        self.open = Open(gap=self._any)
        self._inner = ""


def number_mark(number: int) -> str:
    """What is drawn before an item of a numbered list; two digits keep the same column."""
    return f"{number}.".rjust(3) + " "


def item_mark(line: str) -> tuple[str, int]:
    """What is drawn for the marker `line` begins with, and its length as written; ("", 0): none."""
    found = _ITEM.match(line)
    if found is None or _RULE.match(line) or not line[found.end() :]:
        return "", 0
    number = found[2][:-1]
    return (number_mark(int(number)) if number else " • "), found.end()


def split(text: str) -> list[Block]:
    """All blocks of `text`, the same as if it had come in pieces."""
    splitter = BlockSplitter()
    return [*splitter.feed(text), *splitter.finish()]
