"""A benchmark runs: whoever waits for it is told so, and the status bar says that there is one."""

from textual.pilot import Pilot

from kensho_tui.core import contract as c
from kensho_tui.core.model_contract import Unloaded
from kensho_tui.ui.models.actions import unloaded_words
from tests.ui.conftest import Started, app_of, screen_text, shown, until
from tests.ui.fake_host import MODEL, FakeHost

BENCH = c.BenchNow(model="Gemma", left_s=59.0)


def gone(pilot: Pilot[None], text: str) -> bool:
    return text not in screen_text(pilot)


async def test_an_answer_that_waits_for_it_says_so_until_it_ends(host: FakeHost, start: Started) -> None:
    stream = host.hub.open("s")
    answer = host.message("assistant", "", state="queued", stop_reason=None, stream=stream.id)
    host.add_chat("Two of us", host.message("user", "Hello?"), answer)
    async with start() as pilot:
        host.post_status(bench=BENCH, streams=1)
        # Nothing has been heard of the answer itself: its first read is held.
        await shown(pilot, "◌ waits for the benchmark of Gemma, about 59 s", "F4 b x stops it")
        stream.set_phase(c.Phase(name="queued", note="a benchmark of Gemma runs"))
        host.post_status(bench=c.BenchNow(model="Gemma", left_s=12.0))
        await shown(pilot, "benchmark of Gemma, about 12 s", "stops waiting", "▪ benchmark, about 12 s")
        host.post_status(bench=None)
        await shown(pilot, "queued: it starts when the answers before it are done", "Esc stops")
        assert gone(pilot, "benchmark")
        stream.append("Hello!", 2, 10)
        await shown(pilot, "Hello!")


async def test_the_status_bar_names_it_where_there_is_room(host: FakeHost, start: Started) -> None:
    async with start(size=(120, 30)) as pilot:
        host.post_status(bench=c.BenchNow(model="Gemma"), workers=())
        await shown(pilot, f"○ {MODEL} · cold ▪ benchmark of Gemma ▪")
        host.reachable = False
        host.vanish()
        await shown(pilot, "reconnecting")
        assert gone(pilot, "benchmark of")


async def test_on_f4_the_line_of_the_answer_says_so_too(host: FakeHost, start: Started) -> None:
    async with start(size=(120, 30)) as pilot:
        host.post_status(bench=BENCH)
        await pilot.press(*"Hi", "enter")
        await until(pilot, lambda: bool(app_of(pilot).session.live))
        await pilot.press("f4")
        await shown(pilot, "decode ▏  waits for the benchmark of Gemma, about 59 s")


def test_a_worker_in_a_benchmark_is_not_said_to_answer() -> None:
    said = unloaded_words(Unloaded(models=(), busy=(MODEL,), bench=True), None, lambda _: "F6")
    assert said[:2] == (f"{MODEL} is in a benchmark and stays", "F6 b x stops it")
