"""A driver that hangs: whoever asks is told what was known before, in time, and the truth once it answers."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kensho_tui.hardware import drivers as room
from kensho_tui.hardware.card import Gpu
from kensho_tui.hardware.drivers import Drivers
from kensho_tui.hardware.gpu import gpus
from kensho_tui.hardware.nvml import Nvml
from kensho_tui.hardware.pools import gpu_users, pools
from kensho_tui.host.model_rooms import expected_device
from tests.support.nvml import GIB, Card, ScriptedNvml, installed


class Hanging(ScriptedNvml):
    """A driver that answers `question` only while `answers` is set."""

    def __init__(self, question: str, *cards: Card) -> None:
        super().__init__(*cards)
        self.answers, self.begun = threading.Event(), threading.Event()
        self.asked = 0
        answer = getattr(self, question)

        def hang(*arguments: Any, **named: Any) -> Any:
            self.asked += 1
            self.begun.set()
            assert self.answers.wait(60)
            return answer(*arguments, **named)

        setattr(self, question, hang)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LATE_S", 0.05)


def answered(driver: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver answers again, and what it was asked is over."""
    monkeypatch.setattr(room, "LATE_S", 60)
    driver.answers.set()
    assert room.drivers._turn.acquire(timeout=60)
    room.drivers._turn.release()


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Hanging]:
    """One that hangs in the question that the test names."""
    driver = Hanging(request.param, Card(used=GIB, users={7: GIB}))
    with installed(monkeypatch, driver):
        yield driver
        answered(driver, monkeypatch)


def with_device(root: Path) -> Path:
    (root / "dev").mkdir()
    (root / "dev/nvidia0").touch()
    return root


@pytest.mark.parametrize("driver", ["nvmlInit", "nvmlDeviceGetMemoryInfo"], indirect=True)
def test_one_that_hangs_from_its_first_call_has_a_card_without_a_size(
    driver: Hanging, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = with_device(tmp_path)
    for _ in range(3):
        found = gpus(root)
        assert [(card.vendor, card.total) for card in found] == [("nvidia", 0)]
    assert driver.asked == 1
    [pool] = pools("CUDA0", {7: GIB}, cards=found, environ={})
    assert (pool.kind, pool.known) == ("VRAM", False)
    answered(driver, monkeypatch)
    assert gpus(root) == (Gpu("Card 0", "nvidia", 80 * GIB, GIB, uuid="GPU-000"),)


@pytest.mark.parametrize("driver", ["nvmlDeviceGetMemoryInfo"], indirect=True)
def test_the_cards_seen_last_keep_their_names(
    driver: Hanging, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(driver, monkeypatch)
    assert gpus(tmp_path)[0].total == 80 * GIB
    driver.answers.clear()
    monkeypatch.setattr(room, "LATE_S", 0.05)
    assert gpus(tmp_path) == (Gpu("Card 0", "nvidia", uuid="GPU-000"),)


@pytest.mark.parametrize("driver", ["nvmlDeviceGetComputeRunningProcesses"], indirect=True)
def test_who_uses_a_card_is_not_waited_for(driver: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(room, "LATE_S", 60)
        [card] = gpus()
    assert gpu_users(card) == ()
    assert driver.asked == 1
    # What the caller measured counts instead.
    [pool] = pools("CUDA0", {7: GIB // 2}, cards=[card], environ={})
    assert (pool.own, pool.used_by_others) == (GIB // 2, GIB // 2)


@pytest.mark.parametrize("driver", ["nvmlInit"], indirect=True)
def test_the_start_of_a_host_does_not_hang(driver: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kensho_tui.host.model_rooms.backends", lambda: frozenset({"cuda", "cpu"}))
    assert expected_device() in ("CPU", "CUDA")  # as far as devices can be seen
    assert driver.asked == 1


@pytest.mark.parametrize("driver", ["nvmlDeviceGetTemperature"], indirect=True)
def test_samples_that_hang_hold_up_nobody_else(driver: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = Nvml(driver)
    monkeypatch.setattr("kensho_tui.hardware.nvml.session", lambda: nvml)
    nvml.cards()
    sampling = threading.Thread(target=nvml.readings, args=(False,))
    sampling.start()
    assert driver.begun.wait(60)
    assert gpus() == (Gpu("Card 0", "nvidia", uuid="GPU-000"),)
    driver.answers.set()
    sampling.join(30)


def test_what_goes_wrong_in_a_question_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LATE_S", 60)

    def fail() -> None:
        raise ValueError("no number")

    drivers = Drivers()
    with pytest.raises(ValueError, match="no number"):
        drivers.ask(fail)
    assert drivers.ask(lambda: 7) == 7


def test_a_system_without_threads_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(room, "LATE_S", 60)
    drivers = Drivers()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none)
        assert drivers.ask(lambda: 7) is None
    assert drivers.ask(lambda: 7) == 7
