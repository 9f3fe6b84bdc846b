"""What gauges, GPUs and workers say in every state of a machine."""

from collections.abc import Sequence

from msgspec.structs import replace
from textual.content import Content

from kensho_tui.core import contract as c
from kensho_tui.core import sample_contract as s
from kensho_tui.ui.metrics.graph import GLYPHS
from kensho_tui.ui.metrics.layout import heights
from kensho_tui.ui.metrics.now.activity import activity
from kensho_tui.ui.metrics.now.devices import device_rows
from kensho_tui.ui.metrics.now.gauges import JOINED, Gauge, Shown, Source, gauge_rows, gauges
from kensho_tui.ui.metrics.now.workers import worker_rows
from tests.ui.fake_host import GIB, worker
from tests.ui.metrics.scripted import START, device, gone, sample, waves, working

UNIFIED = device(total=64 * GIB, unified=True, name="Apple M3 Max", power=None, power_limit=None)


def found(now: s.Sample, *, lost: bool = False) -> dict[str, Gauge]:
    shown = gauges(now, None if lost else now, Source([now], None))
    return {one.title: one for one in shown}


def texts(rows: Sequence[Content]) -> list[str]:
    return [row.plain for row in rows]


def shown(**changes: object) -> Shown:
    values = {"until": START, "span_s": 120.0, "step_s": 1.0, "joined_s": JOINED, "glyphs": GLYPHS["braille"]}
    return Shown(**{**values, **changes})  # type: ignore[arg-type]


def test_without_a_gpu_there_are_ram_and_cpu() -> None:
    said = found(sample())
    assert list(said) == ["RAM", "CPU", "decode"]
    assert said["RAM"].value == "12/64 G" and said["RAM"].notes == ("52 G free",)
    assert said["CPU"].value == "34 %" and said["CPU"].notes == ("16 cores",)
    assert said["decode"].value == "148 tok/s"


def test_one_gpu_has_memory_load_heat_and_power() -> None:
    said = found(sample(devices=(device(),)))
    assert list(said) == ["VRAM", "GPU", "CPU", "decode"]
    assert said["VRAM"].value == "30/80 G" and said["VRAM"].notes == ("28 G models", "50 G free")
    assert said["GPU"].value == "87 %" and said["GPU"].notes == ("64 °C", "310/700 W")
    assert "RAM 12/64 G" in said["CPU"].notes


def test_eight_gpus_are_summed_up() -> None:
    said = found(sample(devices=tuple(device(number) for number in range(8))))
    assert said["VRAM"].value == "380/640 G"
    assert said["GPU ×8"].value == "87 %" and "2480/5600 W" in said["GPU ×8"].notes


def test_unified_memory_is_ram_and_said_to_be() -> None:
    said = found(sample(devices=(UNIFIED,)))
    assert list(said) == ["RAM", "GPU", "CPU", "decode"]
    assert said["RAM"].notes[0] == "the GPU works in it"
    assert said["GPU"].notes == ("64 °C",)


def test_a_driver_that_is_gone_shows_nothing_old_as_current() -> None:
    before = sample(devices=(device(),))
    now = sample(1, devices=(gone(),))
    shown = {one.title: one for one in gauges(now, now, Source([before, now], None))}
    assert shown["VRAM"].value == shown["GPU"].value == "–"
    assert shown["VRAM"].notes == shown["GPU"].notes == ("driver gone",)
    assert [value for _, value in shown["GPU"].points] == [0.87, None]


def test_of_some_drivers_gone_the_others_count() -> None:
    said = found(sample(devices=(device(0), gone(1))))
    assert said["VRAM"].value == "30/80 G" and said["GPU ×2"].value == "87 %"


def test_a_gpu_that_tells_no_load_says_so() -> None:
    bare = device(load=None, temperature=None, power=None)
    said = found(sample(devices=(bare,)))
    assert said["GPU"].value == "–" and said["GPU"].notes == ("the driver tells no load",)


def test_a_host_that_is_lost_leaves_no_values() -> None:
    said = found(sample(devices=(device(),)), lost=True)
    assert {one.value for one in said.values()} == {"–"}


def test_memory_that_is_nearly_full_has_another_colour() -> None:
    assert found(sample())["RAM"].style == "$primary"
    assert found(sample(ram_used=62 * GIB))["RAM"].style == "$warning"


def test_gauges_stand_side_by_side_in_rows_of_one_width() -> None:
    taken = waves(devices=(device(),))
    drawn = gauge_rows(
        gauges(taken[-1], taken[-1], Source(taken, None)), shown(until=taken[-1].at), 76, height=3
    )
    assert {row.cell_length for row in drawn} == {76} and len(drawn) == 5
    assert drawn[0].plain.split() == ["VRAM", "45/80", "G", "GPU", "77", "%", "CPU", "77", "%",
                                      "decode", "75", "tok/s"]  # fmt: skip


def test_what_was_kept_takes_the_place_of_samples() -> None:
    now = sample(devices=(device(0), device(1)))
    kept = tuple(
        s.Series(name=name, device=card, points=(s.SamplePoint(START - 60, 1.0, 2.0),))
        for name, card in (("memory", "gpu-0"), ("memory", "gpu-1"), ("memory", ""), ("cpu", ""))
    )
    history = s.SampleHistory(step_s=15, series=kept)  # type: ignore[arg-type]
    said = {one.title: one for one in gauges(now, now, Source([now], history))}
    assert said["VRAM"].points == [(START - 60, 4.0)]  # the highest of both cards, and no RAM
    assert said["CPU"].points == [(START - 60, 2.0)]
    assert said["VRAM"].value == "65/160 G"


def test_gpus_fold_into_the_rows_there_are() -> None:
    now = sample(devices=(*(device(number) for number in range(7)), gone(7)))
    source = Source([now], None)
    beside = texts(device_rows(now, now, source, shown(), 76, 4))
    assert len(beside) == 4 and all(len(row) <= 76 for row in beside)
    assert "30/80 G" in beside[0] and "35/80 G" in beside[0] and "310 W" in beside[0]
    assert "7 its driver does not answer" in beside[3]
    below = texts(device_rows(now, now, source, shown(), 60, 4))
    assert below[3] == "and 5 more GPUs: a taller terminal shows them" and len(below) == 4
    lost = texts(device_rows(now, None, source, shown(), 76, 4))
    assert "30/80" not in "".join(lost)


def test_workers_have_their_columns_right_aligned() -> None:
    now = sample(workers=(working(), working(pid=4321, model="Gemma", state="ready", cpu=0.0)))
    rows = texts(worker_rows(now, now, {42: worker("busy")}, 76, 4, "F3"))
    assert rows[0].split() == ["worker", "state", "RAM", "mapped", "CPU", "context", "pid"]
    assert "answering" in rows[1] and "2.9 cores" in rows[1] and "8,192" in rows[1]
    assert rows[1].endswith("  42") and rows[2].endswith("4321")
    measured = replace(worker("busy"), bench=True)
    assert "benchmark" in texts(worker_rows(now, now, {42: measured}, 76, 4, "F3"))[1]
    assert "VRAM" in worker_rows(replace(now, devices=(device(),)), now, {}, 90, 4, "F3")[0].plain


def test_more_workers_than_rows_are_counted() -> None:
    now = sample(workers=tuple(working(pid=number) for number in range(1, 6)))
    rows = texts(worker_rows(now, now, {}, 76, 2, "F3"))
    assert len(rows) == 3 and rows[-1] == "and 4 more: F3 shows all that run"


def test_without_workers_it_says_what_to_do() -> None:
    bare = sample(workers=())
    assert "ask something in F2" in texts(worker_rows(bare, bare, {}, 76, 2, "F3"))[0]
    assert "F2" not in texts(worker_rows(bare, None, {}, 76, 2, "F3"))[0]


def test_everything_else_is_one_line() -> None:
    now = sample(queued=2, streams=3, downloads=1, download_rate=12.3e6)
    said = activity(now, 200).plain
    for part in ("1 answer under way", "2 in the queue", "1 download at 11.7 M/s", "3 of 12 from cache",
                 "database 11 M", "host 0.4 % of a core"):  # fmt: skip
        assert part in said
    assert "1 download at 49 K/s" in activity(sample(downloads=1, download_rate=50_000), 200).plain
    assert activity(now, 60).cell_length <= 60
    assert "3 of 12 from cache since the host started" in said
    assert "cache not asked since the host started" in activity(sample(cache_asked=0), 200).plain
    assert "cache not asked yet" in activity(sample(cache_asked=0), 100).plain
    assert " · 3 of 12 from cache · " in activity(now, 120).plain
    assert not activity(None, 80)


def test_a_benchmark_is_told_before_what_waits_for_it() -> None:
    bench = c.BenchNow(model="Gemma", left_s=59.0)
    said = activity(sample(streams=1, queued=1), 80, bench).plain
    assert said.startswith("benchmark of Gemma, about 59 s · no answers under way · 1 in the queue")


def test_the_figures_below_keep_their_place_in_every_terminal() -> None:
    for rows in range(20, 120):
        found = heights(rows)
        gauges, answer, rest = found.graph + 2, 2, 1
        frame = 2 + 1 + 2 + 1  # header, border, two rows of keys, status
        above = gauges + found.devices + found.workers + 1 + answer + rest + frame + 4 * found.roomy
        assert rows - above >= (4 if rows < 34 else 8)


def test_a_worker_that_the_host_does_not_list_has_no_context() -> None:
    now = sample()
    assert "context" not in texts(worker_rows(now, now, {}, 76, 2, "F3"))[0]
    known = c.WorkerInfo(pid=42, model="m", state="ready", context=0)
    assert "context" not in texts(worker_rows(now, now, {42: known}, 76, 2, "F3"))[0]
