"""The block that grows: what is certain is styled, nothing is lost, and it looks as it will when settled."""

import pytest

from kensho_tui.ui.transcript.tail import inline
from tests.transcript.test_column import LOOK, message, piece, stacked

BOLD, CODE = LOOK.markdown["markdown.strong"], LOOK.markdown["markdown.code"]


@pytest.mark.parametrize(
    ("line", "plain", "styled"),
    [
        ("words alone", "words alone", []),
        ("a **bold** word", "a bold word", [("bold", BOLD)]),
        ("a **bol", "a bol", [("bol", BOLD)]),
        ("a **bold*", "a bold", [("bold", BOLD)]),
        ("2 ** 3 and a*b", "2 ** 3 and a*b", []),
        ("call `f(x)` now", "call f(x) now", [("f(x)", CODE)]),
        ("call `f(", "call f(", [("f(", CODE)]),
        ("```", "```", []),
        ("**a** `b` **c**", "a b c", [("a", BOLD), ("b", CODE), ("c", BOLD)]),
    ],
)
def test_bold_words_and_code_are_styled_while_they_come(line: str, plain: str, styled: list[object]) -> None:
    text = inline(line, LOOK)
    assert text.plain == plain
    found = [(plain[span.start : span.end], span.style) for span in text.spans if span.style != LOOK.base]
    assert found == styled


@pytest.mark.parametrize(
    "text",
    [
        "A paragraph with **bold words** and `code`, long enough to be wrapped into several rows.",
        "first line\nsecond line of the same paragraph",
        "- an item that is long enough to be wrapped, with **bold** in it, that goes on\n  in another line",
        "12. twelve\n    goes on",
        "```python\ndef f():\n\treturn 1\n",
    ],
)
def test_what_grows_stands_where_it_will_stand_when_it_is_settled(text: str) -> None:
    stack = stacked(message(1, "", state="streaming", stop_reason=None, stream="s"), live=True)
    for at in range(0, len(text), 7):
        stack.items[0].grow(piece(text[at : at + 7], at), 0.0)
    stack.measure(0)
    growing = _texts(stack)
    settled = _texts(stacked(message(1, text)))
    assert growing == [*settled[:-1], " ┃ ▍", ""]


def _texts(stack: object) -> list[str]:
    from kensho_tui.ui.transcript.column import Column
    from kensho_tui.ui.transcript.place import START

    assert isinstance(stack, Column)
    stack.settle(START, 1000)
    return [stack.strip(row).text.rstrip() for row in range(1, stack.height)]
