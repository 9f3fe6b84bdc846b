"""The metrics screen as a person meets it: opened, left, read once for each sample, lost and found again."""

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from kensho_tui.config.settings import Settings
from kensho_tui.core import contract as c
from kensho_tui.core import sample_contract as s
from kensho_tui.core.errors import HostGoneError, StorageError
from kensho_tui.ui.metrics.screen import MetricsScreen
from tests.ui.conftest import Started, app_of, screen_text, shown, until
from tests.ui.fake_host import MODEL, FakeHost, worker
from tests.ui.metrics.scripted import START, Samples, device, generation, gone, list_of, sample, waves
from tests.ui.test_chat import only_stream


def screen_of(pilot: Pilot[None]) -> MetricsScreen:
    found = pilot.app.screen
    assert isinstance(found, MetricsScreen)
    return found


async def test_f4_opens_it_from_everywhere_and_f2_f3_esc_leave_it(start: Started, samples: Samples) -> None:
    samples.take(sample())
    async with start() as pilot:
        app = app_of(pilot)
        await pilot.press("f4")
        await shown(pilot, "▸ Metrics", "12/64 G", "TTFT 34 ms")
        await pilot.press("f3")
        await until(pilot, lambda: app.place == "models")
        await pilot.press("f4")
        await until(pilot, lambda: app.place == "metrics" and len(app.screen_stack) == 2)
        await pilot.press("f2")
        await until(pilot, lambda: app.place == "chat")
        await pilot.press("f4", "escape")
        await until(pilot, lambda: app.place == "chat")
        app.chat_screen.prompt.put("/metrics")
        await pilot.press("enter")
        await until(pilot, lambda: app.place == "metrics")


async def test_it_reads_while_it_is_seen_and_not_otherwise(start: Started, samples: Samples) -> None:
    samples.take(sample())
    async with start() as pilot:
        await pilot.pause()
        assert samples.reads == 0
        await pilot.press("f4")
        await shown(pilot, "148 tok/s")
        samples.take(sample(1, decode_tok_s=77.0))
        await shown(pilot, "77 tok/s")
        await until(pilot, lambda: samples.reads == 3)  # the last one is held
        await pilot.press("f1")
        await shown(pilot, "In the metrics")
        samples.take(sample(2, decode_tok_s=66.0))
        await pilot.pause()
        assert samples.reads == 3
        await pilot.press("escape")
        await shown(pilot, "66 tok/s")
        assert samples.asked[-1].since == START + 2


async def test_one_sample_is_drawn_once(start: Started, samples: Samples) -> None:
    samples.take(sample())
    async with start() as pilot:
        await pilot.press("f4")
        await shown(pilot, "148 tok/s")
        live = screen_of(pilot).query_one("#metrics-live")
        drawn: list[object] = []
        live.refresh = lambda *regions, **options: drawn.append(regions) or live  # type: ignore[assignment]
        samples.take(sample(1, decode_tok_s=77.0))
        await until(pilot, lambda: samples.reads == 3)
        assert len(drawn) == 1
        samples.take(sample(1.2, decode_tok_s=77.0))
        await until(pilot, lambda: samples.reads == 4)
        assert len(drawn) == 1  # nothing that is seen is another


@pytest.mark.usefixtures("soon")
async def test_a_host_that_goes_leaves_no_values_and_comes_back(start: Started, samples: Samples) -> None:
    samples.take(*waves(30, devices=(device(),)))
    async with start() as pilot:
        await pilot.press("f4")
        await shown(pilot, "310/700 W")
        samples.lose()
        await shown(pilot, "the host does not answer", "–")
        assert "310/700 W" not in screen_text(pilot) and "SmolLM2-135M-Instruct  ans" not in screen_text(
            pilot
        )
        samples.take(sample(60, devices=(device(load=0.5),)))
        await shown(pilot, "50 %", "310/700 W")
        assert "does not answer" not in screen_text(pilot)


async def test_a_host_that_takes_no_samples_is_said_once(
    start: Started, host: FakeHost, samples: Samples
) -> None:
    del host.replies["metrics.samples"]
    async with start() as pilot:
        await pilot.press("f4")
        await shown(pilot, "takes no samples", "/restart replaces it")
        await pilot.press("f2", "f4")
        await shown(pilot, "▸ Metrics")
        await until(pilot, lambda: len(host.called("metrics.samples")) == 2)
        feed = screen_of(pilot).upper.feed
        await until(pilot, lambda: feed.state == "too old" and feed._reading is None)


@pytest.mark.usefixtures("soon")
async def test_a_host_that_fails_is_said_and_asked_again(
    start: Started, host: FakeHost, samples: Samples
) -> None:
    samples.take(sample())
    host.fail["metrics.samples"] = StorageError("no sample could be read", hint="/restart may help")
    async with start() as pilot:
        await pilot.press("f4")
        await shown(pilot, "no sample could be read", "/restart may help", "12/64 G")


async def test_a_mistake_in_reading_is_said(start: Started, host: FakeHost, samples: Samples) -> None:
    def fails(request: s.ReadSamples) -> s.Samples:
        raise ValueError("no such thing")

    host.replies["metrics.samples"] = fails
    async with start() as pilot:
        await pilot.press("f4")
        await shown(pilot, "the app made a mistake (ValueError)")


async def test_a_driver_that_goes_is_said_in_words(start: Started, samples: Samples) -> None:
    samples.take(sample(devices=(device(),)))
    async with start() as pilot:
        await pilot.press("f4")
        await shown(pilot, "30/80 G")
        samples.take(sample(1, devices=(gone(),)))
        await shown(pilot, "driver gone", "its driver does not answer")
        assert "30/80 G" not in screen_text(pilot)


async def test_before_the_first_sample_it_says_what_it_waits_for(start: Started, samples: Samples) -> None:
    async with start() as pilot:
        await pilot.press("f4")
        await shown(pilot, "the first sample is on its way")
        samples.take(sample(workers=()))
        await shown(pilot, "no model is loaded: ask something in F2")


async def test_a_key_goes_through_the_spans(start: Started, host: FakeHost, samples: Samples) -> None:
    points = tuple(s.SamplePoint(START - 3000 + 15 * at, 0.4, 0.9) for at in range(100))
    kept = s.SampleHistory(step_s=15.0, series=(s.Series(name="cpu", points=points),))
    host.replies["metrics.sample_history"] = kept
    samples.take(sample())
    async with start(Settings(graphs="blocks")) as pilot:
        await pilot.press("f4")
        await shown(pilot, "2 minutes", "34 %")
        assert "██" not in screen_text(pilot).split("worker")[0]
        await pilot.press("t")
        await shown(pilot, "1 hour", "██")
        asked = host.called("metrics.sample_history")
        assert asked == [s.ReadSampleHistory(since=START - 3600, until=START, points=240)]
        samples.take(sample(1))
        await until(pilot, lambda: samples.reads == 3)
        assert len(host.called("metrics.sample_history")) == 1  # no step of it is over
        await pilot.press("t", "t", "t")
        await shown(pilot, "2 minutes")


async def test_what_was_kept_is_asked_for_again_after_the_host_was_gone(
    start: Started, host: FakeHost, samples: Samples
) -> None:
    samples.take(sample())
    async with start() as pilot:
        await pilot.press("f4")
        await shown(pilot, "34 %")
        host.fail["metrics.sample_history"] = HostGoneError("the connection to the host was lost")
        await pilot.press("t")
        await until(pilot, lambda: len(host.called("metrics.sample_history")) == 1)
        samples.take(sample(1))
        await until(pilot, lambda: len(host.called("metrics.sample_history")) == 2)
        assert "was lost" not in screen_text(pilot)


async def test_an_answer_under_way_is_a_time_line_and_then_the_last_one(
    start: Started, host: FakeHost, samples: Samples
) -> None:
    host.replies["metrics.generations"] = list_of()
    samples.take(sample())
    async with start() as pilot:
        app = app_of(pilot)
        await pilot.press(*"Hello", "enter")
        await until(pilot, lambda: bool(app.session.live))
        stream = host.hub.get(only_stream(host))
        stream.set_phase(c.Phase(name="prefill", done=10, total=40))
        await pilot.press("f4")
        await shown(pilot, "reading the prompt")
        stream.append("Hello! ", 2, 12)
        await shown(pilot, "answering", "2 tokens")
        host.replies["metrics.generations"] = list_of(generation())
        host.end(stream)
        samples.take(sample(1, streams=0))
        await shown(pilot, "TTFT 34 ms", "no answers under way")


async def test_an_answer_under_way_has_its_own_model_and_no_speed_of_another_one(
    start: Started, host: FakeHost, samples: Samples
) -> None:
    other = "Qwen3-4B"
    host.models_now += (replace(host.models_now[0], name=other, default=False),)
    measured = {"usage": c.Usage(completion_tokens=9), "timings": c.Timings(decode_tok_s=77.0)}
    before = host.message("assistant", "Yes.", model=other, **measured)
    host.add_chat("Two", host.message("user", "x"), before)
    samples.take(sample())
    async with start() as pilot:
        app = app_of(pilot)
        await shown(pilot, "Yes.")
        await pilot.press(*"Hello", "enter")
        await until(pilot, lambda: bool(app.session.live))
        stream = host.hub.get(only_stream(host))
        stream.set_phase(c.Phase(name="prefill", done=10, total=40))
        app.session.choice.choose(app.session.chat_id, other, MODEL)
        await pilot.press("f4")
        await shown(pilot, "reading the prompt")
        said = screen_of(pilot).upper._parts["answer"][1].plain
        assert MODEL in said and other not in said and "tok/s" not in said


async def test_an_answer_from_the_cache_is_labelled(start: Started, host: FakeHost, samples: Samples) -> None:
    again = generation(from_cache=True, timings=c.Timings(total_s=0.002))
    host.replies["metrics.generations"] = list_of(again)
    samples.take(sample())
    async with start() as pilot:
        await pilot.press("f4")
        await shown(pilot, "from cache in 2 ms")


async def test_without_an_answer_it_says_what_to_do(start: Started, host: FakeHost, samples: Samples) -> None:
    host.replies["metrics.generations"] = list_of()
    samples.take(sample())
    async with start() as pilot:
        await pilot.press("f4")
        await shown(pilot, "no answer yet: ask something in F2")


async def test_in_the_plain_drawing_graphs_are_ascii(start: Started, samples: Samples) -> None:
    samples.take(*waves(100))
    async with start(Settings(drawing="plain")) as pilot:
        await pilot.press("f4")
        await shown(pilot, "12/64 G", "decode ####")
        graphs = screen_text(pilot).split("worker")[0].splitlines()[3:]
        assert any("##" in row for row in graphs) and all(row.isascii() for row in graphs)


async def test_everything_fits_however_small_the_terminal_is(
    start: Started, host: FakeHost, samples: Samples
) -> None:
    host.post_status(workers=(worker("busy"),))
    samples.take(*waves(60, devices=tuple(device(number) for number in range(8))))
    async with start(size=(60, 20)) as pilot:
        await pilot.press("f4")
        await shown(pilot, "GPU ×8", "more GPUs")
        await pilot.resize_terminal(80, 24)
        await shown(pilot, "6 ", "TTFT 34 ms", "under way", "No model has answered yet")
        await pilot.resize_terminal(20, 8)
        await pilot.pause()
        await pilot.resize_terminal(160, 48)
        await shown(pilot, "2480/5600 W", "host 0.4 % of a core")


async def test_help_and_palette_list_its_keys(start: Started, samples: Samples) -> None:
    async with start(size=(100, 300)) as pilot:
        await pilot.press("f4", "f1")
        await shown(pilot, "In the metrics", "In the benchmarks", "/bench [model]", "/metrics")
