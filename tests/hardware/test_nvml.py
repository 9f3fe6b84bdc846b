"""The driver's counters, from a scripted library: what they say, and what is left when they fail."""

from types import SimpleNamespace
from typing import Any

import pytest

from kensho_tui.hardware.card import Gpu, GpuUser
from kensho_tui.hardware.memory import ram
from kensho_tui.hardware.nvml import RETRY_S, Nvml
from kensho_tui.hardware.pools import foreign, gpu_users
from tests.support.nvml import (
    LOST,
    NO_PERMISSION,
    NOT_SUPPORTED,
    REPLACED,
    Card,
    NvmlError,
    ScriptedNvml,
    eight,
    installed,
)

GIB = 1 << 30


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_sizes_and_names() -> None:
    cards = Nvml(ScriptedNvml(Card(80 * GIB, 3 * GIB), Card(24 * GIB))).cards()
    assert cards == (
        Gpu("Card 0", "nvidia", 80 * GIB, 3 * GIB, uuid="GPU-000"),
        Gpu("Card 1", "nvidia", 24 * GIB, 0, uuid="GPU-111"),
    )


def test_eight_cards_in_the_drivers_order() -> None:
    cards = Nvml(eight(used=[place * GIB for place in range(8)])).cards()
    assert [(card.uuid, card.used) for card in cards] == [
        (f"GPU-{place}{place}{place}", place * GIB) for place in range(8)
    ]


@pytest.mark.parametrize("old", [False, True])
def test_what_the_driver_reserves_is_never_free(old: bool) -> None:
    library = ScriptedNvml(Card(80 * GIB, used=3 * GIB, reserved=GIB), old=old)
    nvml = Nvml(library)
    for _ in range(3):
        (card,) = nvml.cards()
        assert card.total - card.used == 76 * GIB
    assert (card.total, card.reserved) == ((80 * GIB, 0) if old else (79 * GIB, GIB))
    # An old driver is asked for the second form once.
    assert library.calls["memory"] == (4 if old else 3)


def test_one_session_is_opened_and_kept() -> None:
    library = ScriptedNvml(Card())
    nvml = Nvml(library)
    for _ in range(5):
        nvml.cards()
    assert library.calls["init"] == 1


@pytest.mark.parametrize("card", [Card(error=NOT_SUPPORTED), Card(total=0)])
def test_a_card_without_memory_of_its_own_is_unified(card: Card) -> None:
    library = ScriptedNvml(Card())
    nvml = Nvml(library)
    nvml.cards()
    library.cards[0] = card
    (found,) = nvml.cards()
    assert found.unified
    assert found.total == ram().total
    assert found.uuid == "GPU-000"


def test_a_lost_card_has_no_sizes_and_the_others_go_on() -> None:
    library = eight()
    nvml = Nvml(library)
    nvml.cards()
    library.cards[3].error = LOST
    cards = nvml.cards()
    assert [place for place, card in enumerate(cards) if not card.total] == [3]
    assert cards[3].name == "Card 3"
    assert library.calls["init"] == 1


def test_a_card_that_is_not_ours_to_use_is_left_out() -> None:
    library = ScriptedNvml(Card(error=NO_PERMISSION), Card())
    assert [card.uuid for card in Nvml(library).cards()] == ["GPU-111"]


def test_the_driver_goes_and_comes_back() -> None:
    library, clock = ScriptedNvml(Card(used=GIB), Card()), Clock()
    nvml = Nvml(library, clock)
    before = nvml.cards()
    library.unload()
    gone = nvml.cards()
    assert [(card.name, card.total) for card in gone] == [("Card 0", 0), ("Card 1", 0)]
    assert nvml.sizes(before[0]) == {}
    library.driver = True
    clock.now += RETRY_S - 1
    assert nvml.cards() == gone
    clock.now += 1
    assert nvml.cards() == before
    assert library.sessions == 2


def test_a_driver_that_stays_away_is_asked_for_rarely() -> None:
    library, clock = ScriptedNvml(Card(), driver=False), Clock()
    nvml = Nvml(library, clock)
    for _ in range(25):
        assert nvml.cards() == ()
        clock.now += 1
    assert library.calls["init"] == 3


@pytest.mark.parametrize("error", [LOST, REPLACED, 999])
def test_a_session_in_which_no_card_answers_is_opened_anew(error: int) -> None:
    library, clock = ScriptedNvml(Card()), Clock()
    nvml = Nvml(library, clock)
    nvml.cards()
    library.cards[0].error = error
    assert nvml.cards() == (Gpu("Card 0", "nvidia", uuid="GPU-000"),)
    library.cards[0].error = 0
    clock.now += RETRY_S
    assert nvml.cards()[0].total == 80 * GIB
    assert library.sessions == 2


def no_answer(*arguments: Any) -> None:
    raise NvmlError(999)


@pytest.mark.parametrize(
    "library",
    [
        SimpleNamespace(),
        SimpleNamespace(nvmlInit=lambda: None),
        SimpleNamespace(nvmlInit=lambda: None, nvmlDeviceGetCount=no_answer),
        SimpleNamespace(nvmlInit=lambda: (_ for _ in ()).throw(OSError("cannot be loaded"))),
    ],
)
def test_a_library_that_is_half_there(library: Any) -> None:
    nvml = Nvml(library)
    assert nvml.cards() == ()
    assert nvml.sizes(Gpu("x", "nvidia", uuid="GPU-000")) == {}
    assert nvml.name(1) == ""


def test_a_card_without_a_name_is_shown_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptedNvml, "nvmlDeviceGetName", no_answer)
    monkeypatch.setattr(ScriptedNvml, "nvmlDeviceGetUUID", no_answer)
    nvml = Nvml(ScriptedNvml(Card()))
    (card,) = nvml.cards()
    assert card == Gpu("NVIDIA GPU", "nvidia", 80 * GIB)
    assert nvml.sizes(card) == {}


@pytest.mark.parametrize("old", [False, True])
def test_bytes_by_process(old: bool) -> None:
    library = ScriptedNvml(Card(users={7: 2 * GIB, 8: None}), Card(users={9: GIB}), old=old)
    nvml = Nvml(library)
    first, second = nvml.cards()
    assert nvml.sizes(first) == {7: 2 * GIB, 8: None}
    assert nvml.sizes(second) == {9: GIB}


def test_a_process_that_computes_and_draws_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(self: ScriptedNvml, handle: int) -> list[Any]:
        return [SimpleNamespace(pid=7, usedGpuMemory=GIB), SimpleNamespace(pid=8, usedGpuMemory=5)]

    monkeypatch.setattr(ScriptedNvml, "nvmlDeviceGetGraphicsRunningProcesses", both)
    nvml = Nvml(ScriptedNvml(Card(users={7: GIB})))
    assert nvml.sizes(nvml.cards()[0]) == {7: GIB, 8: 5}


def test_who_uses_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    library = ScriptedNvml(Card(users={1: GIB, 77: 3 * GIB, 999_999_999: None, 50: 2 * GIB}))
    library.names = {77: "/opt/tools/trainer", 50: "worker"}
    with installed(monkeypatch, library) as nvml:
        users = gpu_users(nvml.cards()[0])
    assert [user.pid for user in users] == [77, 50, 1, 999_999_999]
    assert users[0] == GpuUser(77, "trainer", 3 * GIB)
    assert users[2].name  # asked of the system, where the driver does not say it
    assert users[3] == GpuUser(999_999_999, "", None)
    assert [user.pid for user in foreign(users, {50}, most=2)] == [77, 1]


def test_nobody_is_seen_on_cards_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    with installed(monkeypatch, ScriptedNvml(Card(users={1: GIB}))):
        assert gpu_users(Gpu("Red", "amd", GIB)) == ()
