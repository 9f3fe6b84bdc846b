"""From counters to samples: rates, what is whose, and what nobody tells."""

from dataclasses import replace
from typing import Any

import pytest

from kensho_tui.core.contract import Footprint, WorkerInfo
from kensho_tui.core.sample_contract import Sample
from kensho_tui.hardware.card import CardReading, Gpu
from kensho_tui.hardware.memory import Ram
from kensho_tui.hardware.own import ProcessUse
from kensho_tui.hardware.readings import CpuTimes, MachineReading
from kensho_tui.metrics.sample import Counts, Look, sample

GIB = 1 << 30
MACHINE = MachineReading(100.0, CpuTimes(50.0, 800.0, 8), Ram(64 * GIB, 40 * GIB), 3.0, {})
WORKER = WorkerInfo(pid=7, model="tiny", state="ready", device="CUDA0")


def look(machine: MachineReading = MACHINE, *cards: CardReading, **counts: Any) -> Look:
    return Look(1e9, machine.moment, Counts(**counts), machine, cards, 4096)


def after(seconds: float, **changes: Any) -> MachineReading:
    return replace(MACHINE, moment=MACHINE.moment + seconds, **changes)


def reading(place: int, *, total: int = 80 * GIB, used: int = GIB, **more: Any) -> CardReading:
    return CardReading(
        Gpu(f"Card {place}", "nvidia", total, used, uuid=f"GPU-{place}"), f"GPU-{place}", **more
    )


def taken(before: Look, now: Look, **environ: str) -> Sample:
    return sample(before, now, environ)


def test_rates_are_those_of_the_time_between() -> None:
    now = after(2.0, cpu=CpuTimes(58.0, 816.0, 8), own_cpu_s=3.5)
    counts = {"written": 300, "read": 1000, "streams": 3, "queued": 1, "cache_hits": 2, "cache_asked": 5}
    found = taken(look(written=100, read=1000), look(now, **counts, downloads=2, download_rate=7.5))
    assert (found.cpu, found.cores, found.host_cpu) == pytest.approx((0.5, 8, 0.25))
    assert (found.decode_tok_s, found.prompt_tok_s) == pytest.approx((100.0, 0.0))
    assert (found.ram_used, found.ram_total, found.database) == (24 * GIB, 64 * GIB, 4096)
    assert (found.streams, found.queued, found.cache_hits, found.cache_asked) == (3, 1, 2, 5)
    assert (found.at, found.downloads, found.download_rate) == (1e9, 2, 7.5)


def test_counters_that_go_back_and_time_that_stands_still() -> None:
    now = after(1.0, cpu=CpuTimes(40.0, 700.0, 8), own_cpu_s=1.0)
    found = taken(look(written=100, read=50), look(now))
    assert (found.cpu, found.host_cpu, found.decode_tok_s, found.prompt_tok_s) == (0, 0, 0, 0)
    found = taken(look(), look(after(0.0, own_cpu_s=9.0), written=5))
    assert (found.host_cpu, found.decode_tok_s) == (0, 0)
    assert taken(look(), look(after(1.0, cpu=CpuTimes(70.0, 810.0, 8)))).cpu == 1.0


def test_workers_that_come_and_go() -> None:
    before = look(replace(MACHINE, processes={7: ProcessUse(GIB, 5, 10.0), 8: ProcessUse(1, 1, 1.0)}))
    workers = (
        WORKER,
        WorkerInfo(pid=9, model="new", state="loading"),
        WorkerInfo(pid=10, model="x", state="ready"),
    )
    machine = after(2.0, processes={7: ProcessUse(2 * GIB, 6, 13.0), 9: ProcessUse(3, 2, 5.0)})
    old, new, dead = taken(before, look(machine, workers=workers)).workers
    assert (old.pid, old.ram, old.file, old.cpu) == (7, 2 * GIB, 6, pytest.approx(1.5))
    assert (new.pid, new.model, new.state, new.ram, new.cpu) == (9, "new", "loading", 3, 0.0)
    assert (dead.pid, dead.ram, dead.cpu) == (10, 0, 0.0)


def test_memory_of_workers_on_several_cards() -> None:
    cards = (reading(0, used=4 * GIB, users={7: GIB, 99: GIB}), reading(1, used=9 * GIB, users={7: 2 * GIB}))
    found = taken(look(), look(after(1.0), *cards, workers=(WORKER,)))
    assert found.workers[0].vram == 3 * GIB
    assert [device.own for device in found.devices] == [GIB, 2 * GIB]


@pytest.mark.parametrize(
    ("worker", "cards", "expected"),
    [
        (WORKER, (), None),
        (WORKER, (reading(0, users={7: None}),), None),
        (WORKER, (reading(0),), None),
        (WorkerInfo(pid=7, model="m", state="busy", device="CPU"), (reading(0),), 0),
        (WorkerInfo(pid=7, model="m", state="busy", device="CPU"), (), None),
        (WorkerInfo(pid=7, model="m", state="loading", device="CPU"), (reading(0, users={}),), None),
        (WorkerInfo(pid=7, model="m", state="loading", device="CPU"), (reading(0, users={7: 5}),), 5),
    ],
)
def test_memory_that_the_driver_does_not_tell(
    worker: WorkerInfo, cards: tuple[CardReading, ...], expected: int | None
) -> None:
    (found,) = taken(look(), look(after(1.0), *cards, workers=(worker,))).workers
    assert found.vram == expected


def test_untold_memory_is_parted_as_layers_are() -> None:
    footprint = Footprint(weights=30 * GIB, kv=0, compute=0, source="measured")
    worker = WorkerInfo(pid=7, model="m", state="ready", device="CUDA", footprint=footprint)
    cards = (reading(0, used=40 * GIB, users={}), reading(1, total=40 * GIB, used=5 * GIB, users={}))
    found = taken(look(), look(after(1.0), *cards, workers=(worker,)))
    assert [device.own for device in found.devices] == [20 * GIB, 5 * GIB]  # never more than is used
    hidden = taken(look(), look(after(1.0), *cards, workers=(worker,)), CUDA_VISIBLE_DEVICES="0")
    assert [device.own for device in hidden.devices] == [30 * GIB, 0]
    assert found.workers[0].vram is None


def test_what_a_card_tells_is_handed_on() -> None:
    card = reading(0, load=0.5, temperature=60.0, power=300.0, power_limit=700.0)
    (device,) = taken(look(), look(after(1.0), card)).devices
    assert (device.device, device.name, device.total, device.used) == ("GPU-0", "Card 0", 80 * GIB, GIB)
    assert (device.load, device.temperature, device.power, device.power_limit) == (0.5, 60.0, 300.0, 700.0)
    assert not device.unified


def test_whether_a_worker_may_be_on_a_card() -> None:
    cpu = WorkerInfo(pid=7, model="m", state="busy", device="CPU")
    assert not Counts().on_cards and not Counts(workers=(cpu,)).on_cards
    assert Counts(workers=(cpu, WORKER)).on_cards
    assert Counts(workers=(WorkerInfo(pid=7, model="m", state="loading"),)).on_cards
