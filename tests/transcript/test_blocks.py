"""Cutting Markdown into blocks: any pieces make the same blocks, and each means the same on its own."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from kensho_tui.ui.transcript.blocks import Block, BlockSplitter, item_mark, split

LINES = st.sampled_from(
    [
        "",
        "words",
        "  words",
        "    indented",
        "# Heading",
        "```python",
        "```",
        "   ```",
        "~~~",
        "- item",
        "* star",
        "  - nested",
        "1. one",
        "2. two",
        "10) ten",
        "> quote",
        "---",
        "===",
        "| a | b |",
        "|---|---|",
        "-",
        "**bold",
        "`code",
    ]
)
TEXTS = st.lists(LINES, max_size=25).map("\n".join)


@given(TEXTS, st.lists(st.integers(1, 20), min_size=1))
def test_pieces_of_any_size_make_the_same_blocks(text: str, sizes: list[int]) -> None:
    splitter, found, at, turn = BlockSplitter(), [], 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        found += splitter.feed(text[at : at + size])
        at, turn = at + size, turn + 1
    assert [*found, *splitter.finish()] == split(text)


@given(TEXTS)
def test_no_word_is_lost(text: str) -> None:
    """Only blank lines, fence marks and a fence's margin are not in a block."""
    kept = "".join(block.language + block.text for block in split(text))
    words = [word for line in text.split("\n") for word in line.split() if set(word) - set("`~")]
    at = 0
    for word in words:
        at = kept.find(word.lstrip("`~"), at)
        assert at >= 0, (word, kept)


def shapes(text: str) -> list[str]:
    """What Markdown makes of `text`: tokens with their text, lists joined, whatever their spacing."""
    parser = MarkdownIt("gfm-like", {"html": False})
    found = []
    for token in parser.parse(text):
        if token.type in ("inline", "fence", "code_block"):
            found.append(f"{token.type} {token.content.strip()}")
        elif not token.type.startswith(("paragraph", "bullet_list", "ordered_list")):
            found.append(token.type)
    return found


def rejoined(block: Block) -> str:
    """A block as Markdown; the fence around its code is longer than any in it."""
    return f"``````{block.language}\n{block.text}\n``````" if block.kind == "fence" else block.text


# Indented code may hold blank lines, and a fence without an end takes all that follows: both only differ in
# where the cut is made, never in the words. They are left out here.
PLAIN = st.lists(
    st.sampled_from(
        [
            "",
            "words",
            "more words",
            "# Heading",
            "```python\ncode\n\n- no item\n```",
            "~~~\ncode\n~~~",
            "- item",
            "- item\n  goes on\n\n  ```sh\n  ls\n\n  cd\n  ```",
            "- item\n  - nested\n  - more",
            "- # heading",
            "* star",
            "1. one",
            "2. two",
            "> quote",
            "***",
            "",
        ]
    ),
    max_size=14,
).map("\n".join)


@given(PLAIN)
@example("- item\n\n  ```sh\n  ls\n  ```\nwords\n2. two")
@example("- # heading\nwords\n2. two")
def test_blocks_mean_the_same_on_their_own(text: str) -> None:
    alone = [shape for block in split(text) for shape in shapes(rejoined(block))]
    assert alone == shapes(text)


def test_items_are_settled_one_by_one() -> None:
    splitter = BlockSplitter()
    settled = splitter.feed("".join(f"{number}. item {number}\n" for number in range(1, 401)))
    assert len(settled) == 399
    assert all(block.kind == "item" and block.gap is False for block in settled)
    assert splitter.open.lines == ["400. item 400"]


def test_a_fence_is_open_until_its_own_mark_comes() -> None:
    splitter = BlockSplitter()
    assert splitter.feed("````md\n```\ninner\n```\n") == []
    assert splitter.open.kind == "fence"
    assert splitter.feed("````\n") == [Block("fence", "```\ninner\n```", False, "md")]


@pytest.mark.parametrize(
    ("line", "mark", "length"),
    [
        ("- word", " • ", 2),
        ("7. word", " 7. ", 3),
        ("12) word", "12. ", 4),
        ("-", "", 0),
        ("---", "", 0),
        ("word", "", 0),
        ("    - code", "", 0),
    ],
)
def test_marks_of_items(line: str, mark: str, length: int) -> None:
    assert item_mark(line) == (mark, length)
