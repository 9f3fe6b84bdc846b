"""Which residents go: enough is freed, nothing goes in vain, and no cheaper set would do."""

from itertools import chain, combinations

from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.models.evict import MOST, STEP_S, Held, choose

SMALL = Held("small", frees=100, reload_s=0.4, last_used=3.0)
LARGE = Held("large", frees=1000, reload_s=4.0, last_used=1.0)
OTHER = Held("other", frees=100, reload_s=0.3, last_used=2.0)

residents = st.lists(
    st.builds(
        Held,
        name=st.text(min_size=1, max_size=4),
        frees=st.integers(1, 1000),
        reload_s=st.floats(0, 60),
        last_used=st.floats(0, 1000),
    ),
    max_size=6,
)


def cost(models: tuple[Held, ...]) -> int:
    return round(sum(model.reload_s for model in models) / STEP_S)


def test_nothing_goes_when_there_is_room() -> None:
    assert choose([SMALL], 0) == ()
    assert choose([], -5) == ()


def test_all_of_them_may_not_be_enough() -> None:
    assert choose([SMALL, OTHER], 201) is None
    assert choose([], 1) is None


def test_what_loads_quickly_again_goes_first() -> None:
    assert choose([SMALL, LARGE], 50) == (SMALL,)
    assert choose([SMALL, LARGE], 500) == (LARGE,)


def test_of_two_alike_the_one_not_used_goes() -> None:
    """Kensho's case: two models loaded and the first touched, so the other is proposed."""
    assert choose([SMALL, OTHER], 50) == (OTHER,)
    assert choose([OTHER, SMALL], 50) == (OTHER,)


@given(residents, st.integers(-100, 4000))
def test_the_loss_is_the_smallest_that_frees_enough(held: list[Held], deficit: int) -> None:
    found = choose(held, deficit)
    every = chain.from_iterable(combinations(held, size) for size in range(len(held) + 1))
    enough = [models for models in every if sum(model.frees for model in models) >= deficit]
    if found is None:
        assert not enough
        return
    assert sum(model.frees for model in found) >= deficit
    assert cost(found) == min(cost(models) for models in enough)
    # Whoever goes in vain would have to be loaded again for nothing.
    for one in found:
        assert sum(model.frees for model in found) - one.frees < deficit or cost((one,)) == 0


@given(st.lists(st.integers(1, 100), min_size=MOST + 1, max_size=40), st.integers(1, 3000))
def test_many_residents_go_oldest_first(sizes: list[int], deficit: int) -> None:
    held = [Held(str(at), size, 1.0, float(at)) for at, size in enumerate(sizes)]
    found = choose(held, deficit)
    assert (found is None) == (sum(sizes) < deficit)
    if found is not None:
        assert [model.name for model in found] == [str(at) for at in range(len(found))]
        assert sum(model.frees for model in found[:-1]) < deficit
