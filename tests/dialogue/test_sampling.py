"""Which value of a sampling parameter counts: by hand, the model's own, the program's."""

from kensho_tui.core.contract import Sampling
from kensho_tui.core.model_contract import Defaults
from kensho_tui.dialogue.sampling import chosen

OWN = Defaults(temperature=0.2, top_k=7, top_p=0.5, min_p=0.1, max_tokens=99, context=4096, system="Be brief")


def test_without_defaults_nothing_changes() -> None:
    assert chosen(Sampling(), (), Defaults()) == Sampling()


def test_the_models_own_values_are_used() -> None:
    expected = Sampling(temperature=0.2, top_k=7, top_p=0.5, min_p=0.1, max_tokens=99)
    assert chosen(Sampling(), (), OWN) == expected


def test_what_was_given_by_hand_wins_even_when_it_is_the_programs_default() -> None:
    asked = Sampling(temperature=Sampling().temperature, max_tokens=5, seed=3)
    found = chosen(asked, ("temperature", "max_tokens", "seed"), OWN)
    assert (found.temperature, found.max_tokens, found.seed) == (Sampling().temperature, 5, 3)
    assert found.top_k == 7


def test_what_a_front_end_changed_without_saying_so_wins_too() -> None:
    assert chosen(Sampling(temperature=0.0), (), OWN).temperature == 0.0
