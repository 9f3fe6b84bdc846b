"""Keys of cached answers: every ingredient counts, nothing else does, and none runs into the next."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.core.contract import Sampling
from kensho_tui.core.frames import Turn
from kensho_tui.dialogue.response_key import caching, key_of
from kensho_tui.models.ways import Way

DAY = "2026-11-21"
text = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
turn = st.builds(Turn, st.sampled_from(["system", "user", "assistant"]), text)
sampling = st.builds(
    Sampling,
    temperature=st.floats(0, 2),
    top_k=st.integers(0, 100),
    top_p=st.floats(0, 1),
    min_p=st.floats(0, 1),
    seed=st.none() | st.integers(0, 9),
    max_tokens=st.integers(1, 99),
    stop=st.lists(text, max_size=2).map(tuple),
)
way = st.builds(
    Way,
    files=text,
    template=text,
    context=st.integers(0, 9),
    kv_type=st.sampled_from(["f16", "q8_0"]),
    adapters=st.lists(text, max_size=2).map(tuple),
)
asked = st.tuples(way, st.lists(turn, max_size=3).map(tuple), sampling)
Asked = tuple[Way, tuple[Turn, ...], Sampling]


@given(asked, asked)
def test_two_questions_have_one_key_only_if_they_are_one(one: Asked, other: Asked) -> None:
    assert (key_of(*one, DAY) == key_of(*other, DAY)) == (one == other)


@given(asked, st.data())
def test_any_change_of_one_ingredient_changes_the_key(one: Asked, data: st.DataObject) -> None:
    """Drawn near the first, where a key that leaves something out would be caught."""
    spot = data.draw(st.integers(0, 2))
    fields = one[spot]
    if isinstance(fields, tuple):
        changed: object = data.draw(st.lists(turn, max_size=3).map(tuple).filter(lambda new: new != fields))
    else:
        name = data.draw(st.sampled_from(fields.__struct_fields__))
        new = getattr(data.draw(way if isinstance(fields, Way) else sampling), name)
        changed = msgspec.structs.replace(fields, **{name: new})
    other = (*one[:spot], changed, *one[spot + 1 :])
    assert (key_of(*other, DAY) == key_of(*one, DAY)) == (other == one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([Turn("user", "ab"), Turn("assistant", "c")], [Turn("user", "a"), Turn("assistant", "bc")]),
        ([Turn("user", "a"), Turn("user", "b")], [Turn("user", "ab")]),
        ([Turn("user", "a\x00user\x00b")], [Turn("user", "a"), Turn("user", "b")]),
        ([Turn("system", "a")], [Turn("user", "a")]),
        ([], [Turn("user", "")]),
    ],
)
def test_texts_do_not_run_together(one: list[Turn], other: list[Turn]) -> None:
    some = Way("1-2-3-4", "", 4096, "f16")
    assert key_of(some, tuple(one), Sampling(), DAY) != key_of(some, tuple(other), Sampling(), DAY)


def test_the_day_counts_only_where_the_template_says_it() -> None:
    for template, counts in (("{{ messages }}", False), ("{{ strftime_now('%d %b %Y') }}", True)):
        some = Way("1", template, 4096, "f16")
        turns = (Turn("user", "What day is it?"),)
        tomorrow = key_of(some, turns, Sampling(), "2026-11-22")
        assert (key_of(some, turns, Sampling(), DAY) != tomorrow) is counts


@pytest.mark.parametrize(
    ("fresh", "by_hand", "how"),
    [
        (False, (), "use"),
        (False, ("max_tokens", "top_k"), "use"),
        (True, (), "renew"),
        (False, ("temperature",), "no"),
        (True, ("seed", "max_tokens"), "no"),
    ],
)
def test_which_turns_use_the_cache(fresh: bool, by_hand: tuple[str, ...], how: str) -> None:
    assert caching(fresh=fresh, given=by_hand) == how
