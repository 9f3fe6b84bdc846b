"""Ids kept are matched by the text they stand for."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.worker.kept import Kept, Token, align, common_prefix

# A toy vocabulary: special tokens first, then whole words before their letters, as real tokenizers prefer.
PIECES = [
    b"<s>",
    b"<u>",
    b"<e>",
    b"hello",
    b"hell",
    b"he",
    b" wor",
    b"world",
    b" ",
    b"\n",
    *map(bytes, zip(b"helowrd")),
]
PATTERN = re.compile(b"|".join(re.escape(piece) for piece in PIECES))


def look(token: int) -> Token:
    special = token < 3
    return Token(b"" if special else PIECES[token], PIECES[token], token == 2, special, special)


def tokenize(text: bytes) -> list[int]:
    return [PIECES.index(piece) for piece in PATTERN.findall(text)]


def kept(ids: list[int]) -> Kept:
    made = Kept(look)
    made.extend(ids, [PIECES[token] for token in ids])
    return made


def text(ids: list[int]) -> bytes:
    return b"".join(PIECES[token] for token in ids)


HE, EL, OH = PIECES.index(b"he"), PIECES.index(b"l"), PIECES.index(b"o")
SAMPLED = [0, 1, HE, EL, EL, OH]  # "hello" as no tokenizer would split it


def test_ids_sampled_otherwise_are_kept_when_the_prompt_goes_on() -> None:
    plan = kept(SAMPLED).plan(text(SAMPLED) + b"<e>\n<u>world", tokenize)
    assert plan.keep == len(SAMPLED)
    assert text(plan.ids) == b"<e>\n<u>world"
    assert tokenize(text(SAMPLED)) != SAMPLED


def test_the_same_prompt_again_evaluates_only_its_last_token() -> None:
    plan = kept(SAMPLED).plan(text(SAMPLED), tokenize)
    assert (plan.keep, plan.ids, plan.pieces) == (5, [OH], [b"o"])


def test_regenerating_keeps_the_whole_prompt() -> None:
    prompt = tokenize(b"<s><u>hello<e>\n")
    held = kept([*prompt, HE, EL])
    plan = held.plan(b"<s><u>hello<e>\n", tokenize)
    assert (plan.keep, plan.ids) == (len(prompt) - 1, prompt[-1:])


def test_another_text_keeps_up_to_the_last_control_token_in_common() -> None:
    held = kept([*SAMPLED, 2, *tokenize(b"<u>hello world")])
    plan = held.plan(text(SAMPLED) + b"<e><u>hell", tokenize)
    assert plan.keep == len(SAMPLED) + 2
    assert plan.ids == tokenize(b"hell")


def test_nothing_in_common_keeps_nothing() -> None:
    assert kept(tokenize(b"world")).plan(b"hello", tokenize).keep == 0
    assert kept([]).plan(b"hello", tokenize) == (0, [3], [b"hello"])


def test_an_empty_prompt_has_no_tokens() -> None:
    assert kept(SAMPLED).plan(b"", tokenize) == (0, [], [])


def test_a_base_model_without_control_tokens_keeps_equal_ids() -> None:
    plan = kept(tokenize(b"hello world hello")).plan(b"hello world world", tokenize)
    assert plan.keep == len(tokenize(b"hello world"))


def test_truncate_forgets_text_and_ids() -> None:
    held = kept(SAMPLED)
    held.truncate(3)
    assert (held.ids, held.text) == (SAMPLED[:3], b"<s><u>he")
    held.append(EL, b"l")
    assert held.text == b"<s><u>hel"
    held.truncate(0)
    assert (held.ids, held.text) == ([], b"")


def test_ids_of_unknown_text_are_compared_as_ids() -> None:
    held = Kept(look)
    held.extend(tokenize(b"<s>hello"), [b"<s>"])
    held.append(EL, b"l")
    assert (len(held), held.text) == (3, b"<s>")
    assert held.plan(b"<s>hello world", tokenize).keep == 2


@pytest.mark.parametrize(
    ("ids", "written", "at_start", "covered"),
    [
        ([3], b"hello", False, [b"hello"]),
        ([8, 3], b"hello", True, [b"", b"hello"]),  # the space that some tokenizers add
        ([8, 3], b"hello", False, []),
        (
            [2, 3],
            b"<e>\n\nhello",
            False,
            [b"<e>\n\n", b"hello"],
        ),  # white space dropped behind a special token
        ([3, 2], b"hello \n<e>", False, [b"hello \n", b"<e>"]),  # and before one
        ([3, 3], b"hello \nhello", False, [b"hello"]),
        ([3], b"hello\n", False, [b"hello\n"]),
        ([3], b"hello world", False, []),
        ([3, 7], b"hello hello", False, [b"hello"]),
        ([], b"", True, []),
    ],
)
def test_align(ids: list[int], written: bytes, at_start: bool, covered: list[bytes]) -> None:
    assert align(ids, written, look, at_start) == covered


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_common_prefix(start: bytes, one: bytes, other: bytes) -> None:
    size = common_prefix(bytearray(start + one), start + other)
    assert size >= len(start)
    assert (start + one)[:size] == (start + other)[:size]
    assert (start + one)[size : size + 1] != (start + other)[size : size + 1] or size == min(
        len(start + one), len(start + other)
    )


tokens = st.lists(st.integers(0, len(PIECES) - 1), max_size=12)


@given(tokens, tokens, st.integers(0, 12), tokens.filter(bool))
def test_a_plan_always_makes_the_prompt(held: list[int], more: list[int], cut: int, rest: list[int]) -> None:
    prompt = text([*held[:cut], *rest])
    before = kept([*held, *more])
    plan = before.plan(prompt, tokenize)
    assert plan.ids
    assert text(before.ids[: plan.keep]) + text(plan.ids) == prompt
    assert plan.pieces == [PIECES[token] for token in plan.ids]
    before.truncate(plan.keep)
    before.extend(plan.ids, plan.pieces)
    assert before.text == prompt
