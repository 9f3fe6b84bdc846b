"""Downloads on every screen: the tray, what is said when one ends, the key that uses what has arrived."""

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from kensho_tui.config.settings import Settings
from kensho_tui.core import contract as c
from kensho_tui.core import hub_contract as h
from kensho_tui.ui.arrivals import Arrivals
from kensho_tui.ui.commands.registry import BY_NAME
from kensho_tui.ui.tray import done_words, duration, failed_words, tray
from tests.ui.conftest import Started, app_of, screen_text, shown, until
from tests.ui.fake_host import GIB, MODEL, FakeHost
from tests.ui.fake_hub import FakeHub, download
from tests.ui.fake_models import FakeModels, a_few
from tests.ui.test_pictures import with_answer

QWEN, GEMMA = "Qwen3-4B-Q4_K_M", "gemma-3-1b-it-Q4_K_M"
HALF = {"done": GIB, "total": 2 * GIB}


def bar(pilot: Pilot[None]) -> str:
    return screen_text(pilot).splitlines()[-1]


# --- what is said, as pure functions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0:00"), (7.4, "0:07"), (130, "2:10"), (3599.6, "1:00:00"), (3730, "1:02:10"), (200_000, "2 d")],
)
def test_how_long_it_will_take(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("downloads", "said"),
    [
        ((), ""),
        ((download("a", **HALF),), "↓ 50 % 1:13"),
        ((download("a", done=2 * GIB - 1, total=2 * GIB, eta_s=0.2),), "↓ 99 % 0:00"),
        ((download("a", done=GIB, total=0, eta_s=None),), "↓ 1.0 G"),
        ((download("a", quiet_s=11, **HALF),), "↓ 50 % no data for 11 s"),
        ((download("a", quiet_s=11, **HALF), download("b", **HALF)), "↓ 2 · 50 % 1:22"),
        ((download("a", "queued"),), "↓ queued"),
        ((download("a", "waiting", wait_s=12),), "↓ waits to retry"),
        ((download("a", "checking"),), "↓ checking"),
        ((download("a", "paused"),), "‖ paused"),
        ((download("a", "paused"), download("b", "paused")), "‖ 2 paused"),
        ((download("a", "failed"), download("b", "cancelled"), download("c", "done")), "✗ 1 failed"),
        ((download("a", **HALF), download("b", "failed")), "↓ 50 % 1:13 ✗ 1 failed"),
        ((download("a", **HALF), download("b", "queued", done=0, total=2 * GIB)), "↓ 2 · 25 % 4:06"),
        ((download("a", **HALF), download("b", "waiting", done=0, total=0)), "↓ 2 · 1.0 G"),
    ],
)
def test_the_tray(downloads: tuple[h.Download, ...], said: str) -> None:
    assert tray(downloads, Arrivals()).plain == said


def test_the_whole_does_not_fall_when_one_of_several_is_done() -> None:
    arrivals = Arrivals()
    old, both = download("old", "done", **HALF), (download("a", **HALF), download("b", **HALF))
    arrivals.take((old, *both))
    assert tray((old, *both), arrivals).plain.startswith("↓ 2 · 50 %")
    later = (old, download("a", "done", done=2 * GIB, total=2 * GIB), both[1])
    arrivals.take(later)
    assert tray(later, arrivals).plain.startswith("↓ 75 %")


def test_what_ended_is_news_once() -> None:
    arrivals, model = Arrivals(), c.ModelInfo(name=QWEN, path="/q", size=1, source="folder")
    arrivals.take([download("a", path="/q"), download("b"), download("c", "failed")])
    assert arrivals.news((model,)) == ((), ())
    ended = [download("a", "done", path="/q"), download("b", "failed"), download("c", "failed")]
    arrivals.take(ended)
    news = arrivals.news(None)
    assert ([one.id for one in news.done], [one.id for one in news.failed]) == (["a"], ["b"])
    arrivals.take(ended)
    assert arrivals.news((model,)) == ((), ())
    arrivals.take([download("b", "running"), download("new", "done")])
    arrivals.take([download("b", "failed"), download("new", "done")])
    news = arrivals.news((model,))
    assert ([one.id for one in news.done], [one.id for one in news.failed]) == (["new"], ["b"])
    assert [one.id for one in arrivals.waiting] == ["new"], "a forgotten download is no offer"


def test_what_was_done_before_the_start_is_news_if_nobody_has_used_it() -> None:
    arrivals = Arrivals()
    used, unused = "/used.gguf", "/unused.gguf"
    models = (
        c.ModelInfo(name="A", path=used, size=1, source="folder", last_used="2026-11-20T08:00:00+00:00"),
        c.ModelInfo(name="B", path=unused, size=1, source="folder"),
    )
    done = [download("a", "done", path=used), download("b", "done", path=unused), download("c", "done")]
    arrivals.take(done)
    assert arrivals.news(None).done == ()
    assert [one.id for one in arrivals.news(models).done] == ["b"]
    assert arrivals.news(models).done == ()


def test_several_that_ended_at_once_are_one_notice() -> None:
    done = [download("a", "done", model="A"), download("b", "done", model="B")]
    assert done_words(done, "F7") == ("✓ B and 1 more are here", "F7 uses B")
    failed = [
        download("a", "failed", model="A", error="x"),
        download("b", "failed", model="B\x1b[2J", error="the disk is full\nreally", hint="Free some room"),
    ]
    said, then = failed_words(failed, "F3", 150)
    assert said == "✗ B was not fetched: the disk is full really (1 more failed)"
    assert then == "Free some room · F3 shows it"


def test_a_failure_is_said_in_two_rows_with_the_key_that_shows_it() -> None:
    long = download("a", "failed", model="M" * 90, error="the disk is full " * 20, hint="free some " * 20)
    for cells in (100, 150, 300):
        said, then = failed_words([long], "F3", cells)
        assert (
            len(f"{said} · {then}") <= cells and then.endswith("F3 shows it") and "the disk is full" in said
        )
    assert (
        failed_words([download("a", "failed", error="x" * 99, hint="a hint")], "F3", 150)[1] == "F3 shows it"
    )


def test_what_a_person_knows_of_is_no_news() -> None:
    model = c.ModelInfo(name=QWEN, path="/q", size=1, source="folder")
    arrivals = Arrivals()
    arrivals.take([download("old", "done", path="/q", seen=True), download("a", path="/q")])
    assert arrivals.news((model,)) == ((), ())
    arrivals.take([download("a", "done", path="/q")])
    arrivals.news((model,))
    assert [one.id for one in arrivals.waiting] == ["a"]
    arrivals.take([download("a", "done", path="/q", seen=True)])
    assert arrivals.waiting == []


@pytest.mark.parametrize(
    ("last_used", "used"),
    [(None, []), ("2026-11-20T09:00:00+00:00", []), ("2026-11-21T09:30:00+00:00", ["a"])],
)
def test_what_was_used_since_it_was_begun_is_known(last_used: str | None, used: list[str]) -> None:
    arrivals = Arrivals()
    arrivals.take([download("a", path="/q")])
    arrivals.take([download("a", "done", path="/q")])
    model = c.ModelInfo(name=QWEN, path="/q", size=1, source="folder", last_used=last_used)
    arrivals.news((model,))
    assert [one.id for one in arrivals.used((model,))] == used


def test_a_failure_after_going_on_is_news_though_nobody_heard_that_it_ran() -> None:
    arrivals = Arrivals()
    arrivals.take([download("a", "failed")])
    arrivals.take([download("a", "failed")])
    assert arrivals.news(()).failed == ()
    arrivals.goes_on(download("a"))
    arrivals.take([download("a", "failed", error="no such file")])
    assert [one.error for one in arrivals.news(()).failed] == ["no such file"]


# --- in the app -------------------------------------------------------------------------------------------


@pytest.fixture
def hub(host: FakeHost) -> FakeHub:
    FakeModels(host, a_few()[:1])
    with_answer(host)
    return FakeHub(host)


async def test_the_tray_stays_at_80_columns_and_other_figures_go(hub: FakeHub, start: Started) -> None:
    hub.put(download("d1"))
    async with start() as pilot:
        await shown(pilot, "↓ 60 % 1:13")
        hub.put(download("d1", eta_s=4000), download("d2", "failed"))
        await shown(pilot, "↓ 60 % 1:06:40 ✗ 1 failed", "SmolLM2-135M-Instruct")
        assert "TTFT" not in bar(pilot)
        hub.put()
        await shown(pilot, "TTFT")
        assert "↓" not in bar(pilot) and "✗" not in bar(pilot)


async def test_a_long_name_gives_way_to_the_tray(host: FakeHost, hub: FakeHub, start: Started) -> None:
    name = "Some-Very-Long-Model-Name-Instruct-2507-Q4_K_M"
    host.models_now = (replace(host.models_now[0], name=name),)
    host.status_now = replace(host.status_now, notices=("a GPU is here, but llama.cpp was built without it",))
    hub.put(download("d1"))
    async with start(Settings(preload=False)) as pilot:
        await pilot.press("ctrl+n")
        await shown(pilot, "↓ 60 % 1:13", "Some-Very-Lo", "a GPU is here")


async def test_on_the_models_screen_too(hub: FakeHub, start: Started) -> None:
    hub.put(download("d1"))
    async with start() as pilot:
        await pilot.press("f3")
        await until(pilot, lambda: app_of(pilot).place == "models")
        hub.alter("d1", done=2 * GIB, eta_s=20)
        await until(pilot, lambda: "↓ 86 % 0:20" in bar(pilot))


async def test_the_tray_is_quiet_while_nobody_knows(host: FakeHost, hub: FakeHub, start: Started) -> None:
    hub.put(download("d1"))
    async with start() as pilot:
        await shown(pilot, "↓ 60 %")
        host.reachable = False
        host.vanish()
        await shown(pilot, "reconnecting")
        assert "↓" not in bar(pilot)
        host.reachable = True
        await shown(pilot, "↓ 60 %")


async def test_a_model_that_arrives_is_said_and_one_key_uses_it(
    host: FakeHost, hub: FakeHub, start: Started
) -> None:
    hub.put(download("d1", model=QWEN))
    async with start() as pilot:
        await pilot.press(*"What is")
        hub.finish("d1")
        await shown(pilot, f"✓ {QWEN} is here · F7 uses it", "What is")
        await pilot.press(*" a monad?")
        await shown(pilot, "What is a monad?", f"✓ {QWEN} is here")
        assert f"✓ {QWEN} F7" in bar(pilot)
        hub.put(*hub.downloads, download("d2"))
        await shown(pilot, f"↓ 60 % 1:13 ▪ ✓ {QWEN} F7")
        await pilot.press("f7")
        await shown(pilot, f"{QWEN} answers from here on")
        assert app_of(pilot).chat_screen.prompt.text == "What is a monad?"
        asked = [request for request in host.called("prepare") if isinstance(request, c.Prepare)]
        assert (asked[-1].model, asked[-1].switch) == (QWEN, True)
        assert "✓" not in bar(pilot)
        await pilot.press("f7")
        await shown(pilot, "no model has arrived that was not used yet")


def seen(host: FakeHost) -> list[str]:
    called = host.called(h.CHANGE_DOWNLOAD.name)
    return [one.id for one in called if isinstance(one, h.ChangeDownload) and one.action == "seen"]


async def test_using_it_takes_back_what_was_said_and_is_told_once(
    host: FakeHost, hub: FakeHub, start: Started
) -> None:
    hub.put(download("d1", model=QWEN))
    async with start() as pilot:
        hub.finish("d1")
        await shown(pilot, f"✓ {QWEN} is here · F7 uses it")
        app = app_of(pilot)
        app.models._say_switch = lambda model: None  # as while another load is shown
        await pilot.press("f7")
        await until(pilot, lambda: app.session.model == QWEN)
        await until(pilot, lambda: "is here" not in screen_text(pilot))
        app.run_command(BY_NAME["model"], MODEL)
        app.run_command(BY_NAME["model"], QWEN)
        await until(pilot, lambda: app.session.model == QWEN and hub.named("d1").seen)
        assert seen(host) == ["d1"]


async def test_a_model_used_in_another_way_is_offered_no_more(
    host: FakeHost, hub: FakeHub, start: Started
) -> None:
    hub.put(download("d1", model=QWEN))
    async with start() as pilot:
        hub.finish("d1")
        await until(pilot, lambda: f"✓ {QWEN} F7" in bar(pilot))
        used = replace(host.models_now[-1], last_used="2026-11-21T09:19:00+00:00")
        host.models_now = (*host.models_now[:-1], used)
        host.board.touch(c.TOPIC_MODELS, c.ModelsFact())
        await until(pilot, lambda: seen(host) == ["d1"])
        await until(pilot, lambda: f"✓ {QWEN}" not in bar(pilot))


async def test_what_is_known_elsewhere_is_not_offered(hub: FakeHub, start: Started) -> None:
    hub.put(download("d1", model=QWEN))
    hub.finish("d1")
    hub.alter("d1", seen=True)
    async with start() as pilot:
        app = app_of(pilot)
        await until(pilot, lambda: app.session.models is not None and bool(app.session.downloads))
        await pilot.press("f7")
        await shown(pilot, "no model has arrived")
        assert app.session.arrived is None and QWEN not in bar(pilot)


async def test_the_offer_stays_beside_long_names(host: FakeHost, hub: FakeHub, start: Started) -> None:
    host.status_now = replace(host.status_now, notices=("a GPU is here, but llama.cpp was built without it",))
    hub.put(download("d1", model="Another-Very-Long-Model-Name-Q4_K_M"))
    async with start(Settings(preload=False)) as pilot:
        hub.finish("d1")
        hub.put(*hub.downloads, download("d2", quiet_s=12), download("d3", "failed"))
        await until(pilot, lambda: " F7" in bar(pilot) and "no data for 12 s ✗ 1 failed" in bar(pilot))
        assert "✓ Anot" in bar(pilot) and "SmolLM2-135…" in bar(pilot) and "! F1" in bar(pilot)


@pytest.mark.parametrize("dialog", ["ctrl+l", "f1", "f3"])
async def test_the_key_works_over_what_lies_over_the_chat(
    dialog: str, host: FakeHost, hub: FakeHub, start: Started
) -> None:
    hub.put(download("d1", model=QWEN))
    async with start() as pilot:
        await pilot.press(dialog)
        await until(pilot, lambda: len(app_of(pilot).screen_stack) > 1)
        hub.finish("d1")
        await until(pilot, lambda: app_of(pilot).session.arrived is not None)
        await pilot.press("f7")
        await shown(pilot, f"{QWEN} answers from here on")
        assert app_of(pilot).screen is app_of(pilot).chat_screen


async def test_a_form_is_not_dropped_by_the_key(hub: FakeHub, start: Started) -> None:
    hub.put(download("d1", model=QWEN))
    async with start() as pilot:
        await pilot.press(*"/tags", "enter")
        await until(pilot, lambda: len(app_of(pilot).screen_stack) > 1)
        await pilot.press(*"code")
        hub.finish("d1")
        await shown(pilot, f"✓ {QWEN} is here")
        await pilot.press("f7")
        await shown(pilot, "what is typed here comes first", "code")


async def test_it_is_used_even_before_the_models_are_listed_again(
    host: FakeHost, hub: FakeHub, start: Started
) -> None:
    hub.put(download("d1", model=QWEN, path="/new.gguf"))
    async with start() as pilot:
        app = app_of(pilot)
        await until(pilot, lambda: app.session.models is not None)
        new = replace(host.models_now[0], name=QWEN, path="/new.gguf", source="folder", default=False)
        host.models_now = (*host.models_now, new)
        hub.alter("d1", state="done")
        await until(pilot, lambda: app.session.arrived is not None)
        await pilot.press("f7")
        await shown(pilot, f"{QWEN} answers from here on")


async def test_a_model_that_has_gone_again_is_said(hub: FakeHub, start: Started) -> None:
    hub.put(download("d1", model=QWEN, path="/new.gguf"))
    async with start() as pilot:
        hub.alter("d1", state="done")
        await until(pilot, lambda: app_of(pilot).session.arrived is not None)
        await pilot.press("f7")
        await shown(pilot, "is no longer on this machine")
        assert app_of(pilot).session.arrived is None


async def test_a_failure_is_said_with_what_helps(hub: FakeHub, start: Started) -> None:
    hub.put(download("d1", model=QWEN))
    async with start() as pilot:
        hub.alter("d1", state="failed", error="the disk is full", hint="Free 2.3 GB")
        await shown(
            pilot,
            f"✗ {QWEN} was not fetched: the disk is full",
            "Free 2.3 GB",
            "/downloads shows it",
            "✗ 1 failed",
        )


async def test_news_covers_no_error_that_stands(hub: FakeHub, start: Started) -> None:
    hub.put(download("d1", model=QWEN))
    async with start() as pilot:
        await pilot.press(*"/nonsense", "enter")
        await shown(pilot, "there is no command /nonsense")
        hub.finish("d1")
        await until(pilot, lambda: f"✓ {QWEN} F7" in bar(pilot))
        assert "there is no command /nonsense" in screen_text(pilot)


async def test_nothing_is_said_twice_when_the_host_comes_back(
    host: FakeHost, hub: FakeHub, start: Started
) -> None:
    hub.put(download("d1", model=QWEN), download("d2", model=GEMMA))
    async with start() as pilot:
        app = app_of(pilot)
        hub.finish("d1")
        await shown(pilot, f"✓ {QWEN} is here")
        app.say("something else")
        host.vanish()
        await until(pilot, lambda: app.session.link != "connected")
        hub.finish("d2")
        await shown(pilot, f"✓ {GEMMA} is here")
        assert f"{QWEN} is here" not in screen_text(pilot) and "more" not in screen_text(pilot)


async def test_what_arrived_while_the_app_was_closed_is_said_at_the_start(
    host: FakeHost, hub: FakeHub, start: Started
) -> None:
    hub.put(download("d1", model=QWEN))
    hub.finish("d1")
    async with start() as pilot:
        await shown(pilot, f"✓ {QWEN} is here · F7 uses it")


async def test_leaving_knows_how_many_downloads_go_on(hub: FakeHub, start: Started) -> None:
    hub.put(download("d1"), download("d2", "queued"), download("d3", "paused"), download("d4", "failed"))
    async with start() as pilot:
        await until(pilot, lambda: len(app_of(pilot).session.downloads) == 4)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: app_of(pilot)._exit)
        assert app_of(pilot).downloads_go_on == 2


async def test_a_download_that_goes_on_draws_no_more_than_the_status_bar(
    hub: FakeHub, start: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.put(download("d1"))
    async with start() as pilot:
        await shown(pilot, "↓ 60 %")
        app = app_of(pilot)
        drawn: list[str] = []
        for name in ("_show_frame", "_renew_sidebar", "show_state"):
            monkeypatch.setattr(app.chat_screen, name, lambda name=name: drawn.append(name))
        monkeypatch.setattr(app.chat_screen.transcript, "refresh", lambda *a, **k: drawn.append("transcript"))
        for share in range(61, 71):
            hub.alter("d1", done=hub.named("d1").total * share // 100 + 1)
            await until(pilot, lambda share=share: f"↓ {share} %" in bar(pilot))
        assert drawn == []
        assert MODEL in bar(pilot)
