"""What is streamed and what is stored: fixed texts, the same in every run, and chats that are there already.

About every fifth word is a mark, ``m`` with four digits, unique in its text: where a mark stands on the
screen, the text up to it has been drawn. A token is 3.6 characters, as in measured.md.
"""

import itertools
import random
import re
from collections.abc import Callable, Iterator

from kensho_tui.config.paths import Paths
from kensho_tui.storage.chats import Chats, Outcome
from kensho_tui.storage.database import open_database

TOKEN = 3.6
MARK = re.compile(r"\bm\d{4}\b")
_WORDS = """
the harbour light turns slowly over a quiet sea while every ship that left at dawn keeps its course north and
the keeper writes down wind water pressure and names nobody reads until spring comes again
"""


class _Writer:
    """Words drawn from a fixed list, in the same order every time."""

    def __init__(self) -> None:
        self._random = random.Random(7)
        self._words = _WORDS.split()
        self._marks = itertools.count()

    def mark(self) -> str:
        return f"m{next(self._marks):04d}"

    def words(self, count: int) -> list[str]:
        return [self.mark() if at % 5 == 4 else self._random.choice(self._words) for at in range(count)]

    def sentence(self, count: int) -> str:
        words = self.words(count)
        words[count // 2] = f"**{words[count // 2]}"
        words[count // 2 + 2] += "**"
        return " ".join(words).capitalize() + "."

    def paragraph(self) -> str:
        return " ".join(self.sentence(12) for _ in range(5)) + "\n\n"

    def item(self) -> str:
        return f"- {' '.join(self.words(5))}: `{self.mark()}` {' '.join(self.words(4))}\n"

    def code(self) -> str:
        first, second = self._random.sample(self._words, 2)
        shape = self._random.choice(
            (
                '    {0} = load("{1}", depth=7)\n',
                "    for {1} in range({0}):  # {2}\n",
                '        print(f"{1} {{{0}}}", {2}=None)\n',
            )
        )
        return shape.format(self.mark(), first, second)

    def function(self) -> str:
        return f"def {self._random.choice(self._words)}({self.mark()}: int) -> None:\n"


def _mix(writer: _Writer) -> Iterator[str]:
    while True:
        yield f"## {' '.join(writer.words(4)).capitalize()}\n\n"
        yield writer.paragraph()
        yield writer.paragraph()
        yield "".join(writer.item() for _ in range(5)) + "\n"
        yield f"```python\n{writer.function()}{''.join(writer.code() for _ in range(7))}```\n\n"


def _prose(writer: _Writer) -> Iterator[str]:
    while True:
        yield writer.paragraph()


def _fence(writer: _Writer) -> Iterator[str]:
    yield "```python\n"
    while True:
        yield writer.function() + "".join(writer.code() for _ in range(12)) + "\n"


def _items(writer: _Writer) -> Iterator[str]:
    while True:
        yield writer.item()


def _text(source: Callable[[_Writer], Iterator[str]], tokens: int) -> str:
    text, parts = "", source(_Writer())
    while len(text) < tokens * TOKEN:
        text += next(parts)
    return text[: int(tokens * TOKEN)]


def mix(tokens: int) -> str:
    """Heading, paragraphs with bold, a list with inline code, a block of Python, and again."""
    return _text(_mix, tokens)


def prose(tokens: int) -> str:
    return _text(_prose, tokens)


def fence(tokens: int) -> str:
    """One block of Python, never closed."""
    return _text(_fence, tokens)


def items(count: int) -> str:
    """One list."""
    writer = _Writer()
    return "".join(writer.item() for _ in range(count))


def marks_from(text: str, start: int) -> dict[str, int]:
    """Marks that begin at character `start` or later, each with the place of its last character."""
    return {found[0]: found.end() - 1 for found in MARK.finditer(text) if found.start() >= start}


async def store_chat(paths: Paths, title: str, messages: int, answer: str, last: str = "") -> None:
    """A chat of so many messages, every second one `answer`, the last of them `last`. No host may run."""
    database = (await open_database(paths.database)).database
    try:
        chats = Chats(database)
        chat_id: str | None = None
        for number in range(messages // 2):
            prompt = title if number == 0 else f"And what of number {number}?"
            row = await chats.begin_turn(chat_id, prompt, "scripted", None, "streaming")
            chat_id = row.chat_id
            text = last if last and number == messages // 2 - 1 else answer
            await chats.finish(row, text, Outcome("complete", "end"))
    finally:
        await database.close()
