"""Pictures of the metrics screen in each state of a machine. Update them with `--snapshot-update`."""

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from kensho_tui.config.settings import Settings
from kensho_tui.core import contract as c
from kensho_tui.core import sample_contract as s
from tests.ui.conftest import app_of, shown, until
from tests.ui.fake_host import GIB, MODEL, FakeHost, worker
from tests.ui.metrics.benches import Benches, run
from tests.ui.metrics.scripted import Samples, device, generation, gone, list_of, waves, working
from tests.ui.test_chat import only_stream
from tests.ui.test_pictures import Act, Compare, Make, at_rest, frozen

NARROW, WIDE = (80, 24), (160, 48)
UNIFIED = device(total=64 * GIB, unified=True, name="Apple M3 Max", power=None, power_limit=None)
EIGHT = tuple(device(number) for number in range(8))


def gap(taken: list[s.Sample]) -> list[s.Sample]:
    """Nobody looked for a while."""
    return taken[:40] + taken[70:]


def open_metrics(*keys: str) -> Act:
    async def act(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app_of(pilot).session.models is not None)
        await pilot.press("f4")
        await shown(pilot, "decode")
        await pilot.press(*keys)

    return act


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
def test_without_a_gpu(
    samples: Samples, make_app: Make, snap_compare: Compare, size: tuple[int, int]
) -> None:
    samples.take(*gap(waves()))
    act = at_rest(open_metrics(), "TTFT 34 ms", "No model has")
    assert snap_compare(frozen(make_app()), terminal_size=size, run_before=act)


def test_one_gpu_in_light(samples: Samples, make_app: Make, snap_compare: Compare) -> None:
    samples.take(*waves(devices=(device(),)))
    act = at_rest(open_metrics(), "310/700 W", "TTFT 34 ms", "No model has")
    app = frozen(make_app(Settings(theme="kensho-light")))
    assert snap_compare(app, terminal_size=NARROW, run_before=act)


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
def test_eight_gpus_one_gone(
    samples: Samples, make_app: Make, snap_compare: Compare, size: tuple[int, int]
) -> None:
    cards = (*EIGHT[:5], gone(5), *EIGHT[6:])
    workers = tuple(working(pid=pid, model=f"{MODEL}-{pid}", vram=pid * GIB) for pid in (42, 43, 44))
    samples.take(*waves(devices=cards, workers=workers, streams=3, queued=1))
    act = at_rest(open_metrics(), "GPU ×8", "does not answer", "TTFT 34 ms", "No model has")
    assert snap_compare(frozen(make_app()), terminal_size=size, run_before=act)


def test_unified_memory(samples: Samples, make_app: Make, snap_compare: Compare) -> None:
    samples.take(*waves(devices=(UNIFIED,)))
    act = at_rest(open_metrics(), "the GPU works in", "TTFT 34 ms", "No model has")
    assert snap_compare(frozen(make_app()), terminal_size=(100, 30), run_before=act)


def test_driver_gone(samples: Samples, make_app: Make, snap_compare: Compare) -> None:
    before = waves(devices=(device(),))
    samples.take(*before[:90], *(replace(one, devices=(gone(),)) for one in before[90:]))
    act = at_rest(open_metrics(), "driver gone", "TTFT 34 ms", "No model has")
    assert snap_compare(frozen(make_app()), terminal_size=NARROW, run_before=act)


def test_host_lost(host: FakeHost, samples: Samples, make_app: Make, snap_compare: Compare) -> None:
    samples.take(*waves())

    async def act(pilot: Pilot[None]) -> None:
        await open_metrics()(pilot)
        await shown(pilot, "TTFT 34 ms")
        host.reachable = False
        samples.lose()
        await shown(pilot, "reconnecting", "workers: not known now")

    run_before = at_rest(act, "the host does not answer", "waiting for the host")
    assert snap_compare(frozen(make_app()), terminal_size=NARROW, run_before=run_before)


def test_nothing_yet(host: FakeHost, samples: Samples, make_app: Make, snap_compare: Compare) -> None:
    host.replies["metrics.generations"] = list_of()

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press("f4")

    run_before = at_rest(act, "on its way", "no answer yet", "No model has")
    assert snap_compare(frozen(make_app()), terminal_size=NARROW, run_before=run_before)


def test_streaming_in_ascii(host: FakeHost, samples: Samples, make_app: Make, snap_compare: Compare) -> None:
    samples.take(*waves())

    async def act(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        await pilot.press(*"Hello", "enter")
        await until(pilot, lambda: bool(app.session.live))
        host.post_status(workers=(worker("busy"),))
        host.hub.get(only_stream(host)).append("Hello! ", 40, 120)
        await open_metrics()(pilot)

    run_before = at_rest(act, "answering", "40 tokens", "No model has")
    app = frozen(make_app(Settings(drawing="plain")))
    assert snap_compare(app, terminal_size=NARROW, run_before=run_before)


def test_a_cached_answer(host: FakeHost, samples: Samples, make_app: Make, snap_compare: Compare) -> None:
    again = generation(from_cache=True, timings=c.Timings(total_s=0.002))
    host.replies["metrics.generations"] = list_of(again)
    samples.take(*waves())
    act = at_rest(open_metrics(), "from cache in", "No model has")
    assert snap_compare(frozen(make_app(Settings(graphs="blocks"))), terminal_size=NARROW, run_before=act)


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
def test_a_benchmark(
    host: FakeHost, samples: Samples, make_app: Make, snap_compare: Compare, size: tuple[int, int]
) -> None:
    samples.take(*waves())
    Benches(host, run(applied="shared", in_use=("shared",)), run(id="b0"))
    act = at_rest(open_metrics("b"), "1 of 2", "in use", "use for a quiet machine")
    assert snap_compare(frozen(make_app()), terminal_size=size, run_before=act)


def test_an_answer_waits_for_a_benchmark(
    host: FakeHost, samples: Samples, make_app: Make, snap_compare: Compare
) -> None:
    samples.take(*waves(streams=1, queued=1))

    async def act(pilot: Pilot[None]) -> None:
        app = app_of(pilot)
        await pilot.press(*"Hello", "enter")
        await until(pilot, lambda: bool(app.session.live))
        measured = replace(worker("busy"), bench=True)
        host.post_status(workers=(measured,), bench=c.BenchNow(model=MODEL, left_s=59.0), streams=1)
        stream = host.hub.get(only_stream(host))
        stream.set_phase(c.Phase(name="queued", note="a benchmark runs"))
        await open_metrics()(pilot)

    run_before = at_rest(act, "waits for the", "1 in the queue", "▪ benchmark of", "No model has")
    assert snap_compare(frozen(make_app()), terminal_size=(120, 30), run_before=run_before)


def test_a_benchmark_under_way(
    host: FakeHost, samples: Samples, make_app: Make, snap_compare: Compare
) -> None:
    samples.take(*waves())
    benches = Benches(host)
    benches.post(
        replace(
            run(recommendations=(), bare=()),
            state="running",
            done=17,
            eta_s=42.0,
            doing="8 threads, batch 512, 512 tokens",
            points=run().points[:2],
        )
    )
    act = at_rest(open_metrics("b"), "about 42 s left", "162 ±2")
    assert snap_compare(frozen(make_app()), terminal_size=NARROW, run_before=act)
