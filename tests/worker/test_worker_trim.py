"""A history that is too long is cut in blocks."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.core.frames import Turn
from kensho_tui.worker.trim import cuts, trim, without

ROLES = {"s": "system", "u": "user", "a": "assistant"}


def history(roles: str) -> tuple[Turn, ...]:
    return tuple(Turn(ROLES[role], f"{role}{at}") for at, role in enumerate(roles))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("roles", "cost", "limit", "step", "expected"),
    [
        ("uau", 10, 20, 10, [2]),
        ("suauau", 10, 40, 20, [3, 5]),
        ("suauau", 10, 50, 20, [3, 5]),
        ("suauauau", 10, 60, 40, [5, 7]),
        ("u", 100, 20, 10, [0]),
        ("su", 100, 20, 10, [1]),
        ("uauau", 10, 20, 1000, [4]),
        ("", 1, 0, 1, []),
        ("aa", 10, 5, 5, []),
    ],
)
def test_cuts(roles: str, cost: int, limit: int, step: int, expected: list[int]) -> None:
    turns = history(roles)
    assert cuts(turns, [cost] * len(turns), limit, step) == expected


def test_system_turns_stay() -> None:
    assert "".join(turn.content[0] for turn in without(history("suasuau"), 4)) == "ssuau"
    assert without(history("suau"), 3) == history("suau")[:1] + history("suau")[3:]


def test_what_fits_is_left_alone_and_costs_are_not_asked_for() -> None:
    def unasked() -> list[int]:
        raise AssertionError

    turns = history("suau")
    assert trim(turns, unasked, 100, 25, lambda rest: True) is turns


def test_nothing_fits() -> None:
    turns = history("suau")
    assert trim(turns, lambda: [50] * 4, 10, 5, lambda rest: False) is None


def test_a_further_block_goes_when_the_estimate_was_too_small() -> None:
    turns = history("uauauauau")
    rest = trim(turns, lambda: [10] * 9, 80, 20, lambda rest: len(rest) <= 3)
    assert rest == turns[6:]


def test_the_cut_stays_for_several_turns() -> None:
    """Between two jumps the prompt begins alike, so the KV cache keeps it."""
    first_turns = []
    for pairs in range(1, 60):
        turns = history("s" + "ua" * pairs + "u")
        rest = trim(turns, lambda turns=turns: [10] * len(turns), 200, 50, lambda rest: len(rest) * 10 <= 200)
        assert rest is not None
        assert rest[0].role == "system"
        assert rest[1].role == "user"
        first_turns.append(rest[1].content)
    moves = sum(one != other for one, other in pairwise(first_turns))
    # 59 prompts of two turns of 10 tokens each, in blocks of 50: every second or third prompt may move.
    assert 10 <= moves <= 24


@given(st.lists(st.tuples(st.sampled_from("sua"), st.integers(0, 50)), max_size=30), st.integers(1, 400))
def test_properties(parts: list[tuple[str, int]], limit: int) -> None:
    turns = history("".join(role for role, _ in parts))
    costs = dict(zip([turn.content for turn in turns], [cost for _, cost in parts], strict=True))

    def fits(rest: tuple[Turn, ...]) -> bool:
        return sum(costs[turn.content] for turn in rest) <= limit

    rest = trim(turns, lambda: [cost for _, cost in parts], limit, limit // 4, fits)
    users = [turn for turn in turns if turn.role == "user"]
    if rest is None:
        smallest = [turn for turn in turns if turn.role == "system"]
        last = max((at for at, turn in enumerate(turns) if turn.role == "user"), default=0)
        assert not users or not fits((*smallest, *[t for t in turns[last:] if t.role != "system"]))
        return
    assert fits(rest)
    assert [turn for turn in turns if turn.role == "system"] == [t for t in rest if t.role == "system"]
    if users:
        assert users[-1] in rest
    if rest != turns:
        assert next(turn for turn in rest if turn.role != "system").role == "user"
        kept_tail = [turn for turn in rest if turn.role != "system"]
        assert [turn for turn in turns if turn.role != "system"][-len(kept_tail) :] == kept_tail
