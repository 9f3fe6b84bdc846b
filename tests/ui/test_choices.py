"""What lists offer and how it is searched: days, states, fuzzy matching."""

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.core import contract as c
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.choices import chat_choices, day, short_day
from kensho_tui.ui.filtered_list import grouped, ranked
from kensho_tui.ui.fuzzy import Query, fold

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("when", "long", "short"),
    [
        ("2026-11-22", "Today", "08:00"),  # a clock that went back
        ("2026-11-21", "Today", "08:00"),
        ("2026-11-20", "Yesterday", "Fri"),
        ("2026-11-19", "Thursday", "Thu"),
        ("2026-11-15", "Sunday", "Sun"),
        ("2026-11-14", "14 Nov", "14 Nov"),
        ("2026-01-01", "1 Jan", "1 Jan"),
        ("2025-03-03", "3 Mar 2025", "2025"),
    ],
)
def test_days(when: str, long: str, short: str) -> None:
    assert day(date.fromisoformat(when), TODAY) == long
    assert short_day(datetime.fromisoformat(f"{when}T08:00:00"), TODAY) == short


def summary(title: str, updated: str, state: c.ChatState = "idle") -> c.ChatSummary:
    return c.ChatSummary(
        id=title, title=title, created=updated, updated=updated, model=None, messages=2, state=state
    )


def test_chats_become_rows_in_their_order() -> None:
    rows = chat_choices(
        [
            summary("one", "2026-11-21T08:00:00+00:00", "streaming"),
            summary("two\x1b[31m\nlines", "2026-11-20T08:00:00+00:00", "failed"),
            summary("", "nonsense", "interrupted"),
        ],
        TODAY,
    )
    assert [(row.mark, row.label, row.group, row.under) for row in rows] == [
        ("◉", "one", "Today", "08:00"),
        ("✗", "two lines", "Yesterday", "08:00"),
        ("■", "untitled", "Undated", ""),
    ]
    assert grouped(rows) == ["Today", rows[0], "", "Yesterday", rows[1], "", "Undated", rows[2]]


def test_without_groups_there_are_no_headings() -> None:
    rows = [Choice("1", "one"), Choice("2", "two")]
    assert grouped(rows) == rows


def labels(query: str, *titles: str) -> list[str]:
    return [row.label for row in ranked([Choice(title, title) for title in titles], Query(query))]


@pytest.mark.parametrize(
    ("query", "titles", "found"),
    [
        ("", ("beta", "alpha"), ["beta", "alpha"]),
        ("  ", ("beta", "alpha"), ["beta", "alpha"]),
        # Together is better than scattered, the start of a word better than its middle.
        (
            "rust",
            ("robust", "return until start", "Rust lifetimes"),
            ["Rust lifetimes", "robust", "return until start"],
        ),
        # Equal matches keep their order: the newest first.
        ("kyo", ("kyo b", "kyo a"), ["kyo b", "kyo a"]),
        ("rl", ("early", "Rust lifetimes", "no"), ["Rust lifetimes", "early"]),
        ("life rust", ("Rust lifetimes", "Rust"), ["Rust lifetimes"]),
        ("zurich", ("Trip to Zürich", "Trip"), ["Trip to Zürich"]),
        ("ÉTÉ", ("l'été", "et"), ["l'été"]),
        ("[b]", ("a [b] c", "abc"), ["a [b] c"]),
        ("漢字", ("漢字 and kana", "kana"), ["漢字 and kana"]),
        ("zzz", ("beta",), []),
    ],
)
def test_ranking(query: str, titles: tuple[str, ...], found: list[str]) -> None:
    assert labels(query, *titles) == found


def test_many_ways_to_match_are_not_all_tried() -> None:
    assert labels("eeeeeeeeeeee x", "e " * 100 + "x", "e " * 100) == ["e " * 100 + "x"]


@given(st.text(max_size=40), st.text(max_size=6))
def test_the_letters_found_are_those_of_the_query(text: str, word: str) -> None:
    assert len(fold(text)) == len(text)
    match = Query(word).match(text)
    words = fold(word).split()
    if match is None:
        assert words
    elif len(words) == 1:
        assert "".join(fold(text)[at] for at in match.at) == words[0]
        assert list(match.at) == sorted(set(match.at))


@given(st.text(alphabet="abcE ", max_size=30), st.data())
def test_letters_in_their_order_are_always_found(text: str, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.sampled_from(range(len(text))), unique=True).map(sorted)) if text else []
    word = "".join(text[at] for at in places).replace(" ", "")
    assert Query(word).match(text) is not None


def test_letters_of_other_scripts_stay_what_they_are() -> None:
    assert fold("Éclair") == "eclair"
    assert fold("고양이") == "고양이"
    assert Query("가").match("고양이") is None
