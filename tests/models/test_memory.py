"""How much a new model may take: driver, foreign processes, our residents and the person's limit joined."""

import pytest

from kensho_tui.core.frames import DeviceMemory
from kensho_tui.core.model_info import Footprint
from kensho_tui.hardware.pools import Pool
from kensho_tui.models.memory import MARGIN, MemoryManager, Room, Taken, margin, room_in

GIB = 1 << 30


def vram(total: int, free: int, others: int = 0, name: str = "CUDA0") -> Pool:
    return Pool("VRAM", "card", name, total * GIB, free * GIB, others * GIB)


def ram(total: int, free: int, others: int = 0) -> Pool:
    return Pool("RAM", "RAM", "CPU", total * GIB, free * GIB, others * GIB)


def taken(weights: int, kv: int = 0, device: str = "CUDA0") -> Taken:
    return Taken(1, device, Footprint(weights=weights * GIB, kv=kv * GIB))


def test_the_driver_s_figure_minus_a_margin() -> None:
    room = room_in([vram(24, 20)], [], 0)
    assert room == Room("VRAM", 20 * GIB - margin(24 * GIB), 24 * GIB - margin(24 * GIB), 24 * GIB, 0)


def test_what_others_use_is_never_given_away() -> None:
    """A driver that reports what it has not given back yet does not talk us into an OOM."""
    room = room_in([vram(24, 24, others=10)], [taken(8)], 0)
    assert room.free == 6 * GIB - margin(24 * GIB)


def test_pages_of_our_model_files_are_not_free() -> None:
    """RAM counts them as available, but the residents read all of them for each token."""
    room = room_in([ram(16, 12)], [taken(4, 1, "CPU")], 0)
    assert room.free == 8 * GIB - margin(16 * GIB)


def test_several_cards_are_one_room() -> None:
    room = room_in([vram(24, 20), vram(24, 24, name="CUDA1")], [], 0)
    assert room.total == 48 * GIB and room.free == 44 * GIB - margin(48 * GIB)


def test_a_limit_holds_for_all_models_together() -> None:
    room = room_in([ram(16, 14)], [taken(1, 1, "CPU")], 3 * GIB)
    assert room.free == GIB and room.whole == 3 * GIB


def test_a_limit_above_what_is_there_changes_nothing() -> None:
    assert room_in([ram(16, 14)], [], 400 * GIB) == room_in([ram(16, 14)], [], 0)


def test_copies_of_weights_are_private_memory_and_missing_already() -> None:
    copied = Taken(1, "CPU", Footprint(weights=4 * GIB, copies=3 * GIB))
    assert room_in([ram(16, 12)], [copied], 0).free == 11 * GIB - margin(16 * GIB)


def test_a_card_that_tells_nothing_refuses_nothing() -> None:
    room = room_in([vram(24, 20), vram(0, 0, name="CUDA1")], [taken(8)], 0)
    assert not room.known and room.free > 1000 * GIB
    assert room_in([vram(0, 0)], [taken(8)], 10 * GIB).free == 2 * GIB, "but for what a person allows"


def test_more_than_allowed_is_a_debt() -> None:
    room = room_in([ram(16, 14)], [taken(2)], GIB)
    assert (room.free, room.limit) == (-GIB, GIB)


@pytest.mark.parametrize("total", [0, 1 << 20, GIB, 80 * GIB])
def test_the_margin_never_takes_most_of_a_small_memory(total: int) -> None:
    assert 0 <= margin(total) <= total // 4
    assert margin(24 * GIB) > MARGIN


def test_llama_cpp_s_own_figures_count_where_no_driver_can_be_asked() -> None:
    manager = MemoryManager(lambda device, own: [vram(0, 0), vram(0, 0, name="CUDA1")])
    assert not manager.room("CUDA", []).known
    free = [DeviceMemory(name=name, total=24 * GIB, free=16 * GIB) for name in ("CUDA0", "CUDA1")]
    manager.learn(free, own=10 * GIB)
    room = manager.room("CUDA", [taken(10)])
    assert (room.known, room.total, room.others) == (True, 48 * GIB, 6 * GIB)
    assert room.free == 32 * GIB - margin(48 * GIB)


def test_the_manager_asks_for_the_memory_of_its_workers() -> None:
    asked: list[tuple[str, dict[int, int]]] = []

    def read(device: str, own: object) -> list[Pool]:
        asked.append((device, dict(own)))  # type: ignore[call-overload]
        return [ram(16, 14)]

    assert MemoryManager(read).room("CPU", [taken(1, 1, "CPU")]).total == 16 * GIB
    assert asked == [("CPU", {1: 2 * GIB})]
