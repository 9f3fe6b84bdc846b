"""Ctrl+L: another model for the open chat, what is said while it loads, and when it cannot."""

import re
from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from textual import events
from textual.pilot import Pilot

from kensho_tui.config.settings import Settings
from kensho_tui.core import contract as c
from kensho_tui.core import model_contract as m
from kensho_tui.core.errors import LoadError
from kensho_tui.ui.choice_list import ChoiceList
from kensho_tui.ui.commands.registry import COMMANDS
from kensho_tui.ui.help_screen import help_text
from kensho_tui.ui.models import switcher
from kensho_tui.ui.models.switcher import Switcher
from kensho_tui.ui.picker import Picker
from tests.ui.conftest import Started, app_of, screen_text, shown, until
from tests.ui.fake_host import MODEL, FakeHost, worker
from tests.ui.fake_models import BROKEN, GEMMA, LLAMA, QWEN, FakeModels, a_few, loading


@pytest.fixture(autouse=True)
def models(host: FakeHost) -> FakeModels:
    host.add_chat("REST", host.message("user", "What is REST?"), host.message("assistant", "An interface."))
    return FakeModels(host)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A highlighted row has rested when the test looks."""
    monkeypatch.setattr(switcher, "PREFETCH_AFTER_S", 0.05)
    yield


def switched(host: FakeHost) -> list[str | None]:
    asked = (request for request in host.called("prepare") if isinstance(request, c.Prepare))
    return [request.model for request in asked if request.switch]


def highlighted(pilot: Pilot[None]) -> str:
    return pilot.app.screen.query_one(ChoiceList).highlighted


async def test_it_lists_the_models_last_used_first_with_their_verdicts(start: Started) -> None:
    async with start(size=(110, 30)) as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+l")
        await shown(pilot, "Switch model", "in the chat · warm", "148 tok/s", "fits · 2.3 s", "41 tok/s")
        await shown(pilot, f"fits after unloading {MODEL}", "7.1 G free · 4,096 tokens fit", "cut short")
        lines = [line for line in screen_text(pilot).splitlines() if re.search("[●○✗] .* [MG]  ", line)]
        order = [re.split("[●○✗] ", line)[1].split()[0] for line in lines]
        assert order == [MODEL, QWEN, GEMMA, LLAMA, BROKEN]
        assert [next(g for g in "●○✗" if g in line) for line in lines] == ["●", "○", "○", "✗", "✗"]
        assert "in the chat · warm" in lines[0] and highlighted(pilot) == QWEN
        assert [line.split("│")[1][1] for line in lines] == [" ", "›", " ", " ", " "]


async def test_the_list_has_room_for_models_that_came_after_it_was_opened(
    models: FakeModels, start: Started
) -> None:
    first, *_, last = a_few()
    models.put(first)
    async with start(size=(110, 30)) as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+l")
        await shown(pilot, "Switch model", first.name)
        models.put(first, last)
        await shown(pilot, "Switch model", last.name)
        assert pilot.app.screen.query_one(ChoiceList).size.height == 2


async def test_two_keys_go_back_and_forth_between_the_last_two(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        app = app_of(pilot)
        await shown(pilot, "An interface.")
        for wanted in (QWEN, MODEL, QWEN):
            await pilot.press("ctrl+l", "enter")
            await until(pilot, lambda wanted=wanted: app.session.model == wanted)
        # One that was never used: the next two keys go back to the one before, and then to it again.
        await pilot.press("ctrl+l", *"gemma", "enter")
        await until(pilot, lambda: app.session.model == GEMMA)
        for wanted in (QWEN, GEMMA):
            await pilot.press("ctrl+l", "enter")
            await until(pilot, lambda wanted=wanted: app.session.model == wanted)
        assert switched(host) == [QWEN, MODEL, QWEN, GEMMA, QWEN, GEMMA]
        assert app.focused is app.chat_screen.prompt


async def test_keys_that_come_in_one_go_switch_and_are_not_sent(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        app = app_of(pilot)
        await shown(pilot, "An interface.")
        await pilot.press(*"half a prompt")
        for key in ("ctrl+l", "g", "e", "m", "m", "enter"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: app.session.model == GEMMA)
        assert app.chat_screen.prompt.text == "half a prompt" and not host.called("submit")


async def test_the_chat_is_kept_and_the_next_prompt_goes_to_the_model(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await shown(pilot, "An interface.")
        chat = app_of(pilot).session.chat_id
        await pilot.press("ctrl+l", "enter")
        await shown(pilot, f"{QWEN} answers from here on", "^L Enter goes back", "An interface.")
        assert host.called("prepare") == [c.Prepare(chat=chat, model=QWEN, switch=True)]
        await pilot.press(*"more", "enter")
        await until(pilot, lambda: bool(host.called("submit")))
        assert host.called("submit") == [c.Submit(prompt="more", chat=chat, model=QWEN, show=True)]


async def test_a_new_chat_keeps_what_was_chosen_for_it(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        app = app_of(pilot)
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+n")
        await shown(pilot, "Private and local", "^L model")
        await pilot.press("ctrl+l", "enter")
        await until(pilot, lambda: app.session.model == QWEN)
        await pilot.press(*"hello", "enter")
        await until(pilot, lambda: bool(app.session.live))
        assert host.called("submit") == [c.Submit(prompt="hello", model=QWEN, show=True)]
        assert app.session.chat_id is not None and app.session.model == QWEN
        # The host says now that it answers there: nothing more has to be remembered.
        host.chats_now[app.session.chat_id] = replace(host.chats_now[app.session.chat_id], model=QWEN)
        await app.session.refresh()
        assert app.session.choice.of(app.session.chat_id) is None and app.session.model == QWEN


@pytest.mark.parametrize(
    ("typed", "model"),
    [("/model gemma", GEMMA), ("/model QWEN2.5-CODER-1.5B", QWEN), ("/model gm4b", GEMMA)],
)
async def test_the_slash_command_takes_a_name(start: Started, typed: str, model: str) -> None:
    async with start() as pilot:
        app = app_of(pilot)
        app.chat_screen.prompt.put(typed)
        await pilot.press("enter")
        await until(pilot, lambda: app.session.model == model)


@pytest.mark.parametrize(
    ("name", "said"), [("nonsense", "there is no model 'nonsense'"), ("-", "models match '-'")]
)
async def test_a_name_that_means_none_or_several_is_said(start: Started, name: str, said: str) -> None:
    async with start() as pilot:
        app_of(pilot).chat_screen.prompt.put(f"/model {name}")
        await pilot.press("enter")
        await shown(pilot, said)


# --- what does not fit ----------------------------------------------------------------------------------


async def test_what_does_not_fit_offers_what_would_make_it_fit(
    host: FakeHost, models: FakeModels, start: Started
) -> None:
    models.defaults[LLAMA] = m.Defaults(temperature=0.2)
    async with start() as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+l", *"llama-3", "enter")
        await shown(
            pilot,
            "needs 11 G, 7.1 G of RAM are free",
            "a context of 4,096",
            "a q8_0 KV cache",
            "Load it anyway",
        )
        await pilot.press("enter")
        await until(pilot, lambda: bool(switched(host)))
        assert models.defaults[LLAMA] == m.Defaults(context=4096, temperature=0.2)
        assert host.called("prepare")[-1] == c.Prepare(
            chat=app_of(pilot).session.chat_id, model=LLAMA, switch=True
        )


async def test_it_can_be_loaded_anyway(host: FakeHost, models: FakeModels, start: Started) -> None:
    async with start() as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+l", *"llama-3", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Picker))
        await pilot.press(*"anyway", "enter")
        await until(pilot, lambda: bool(switched(host)))
        request = host.called("prepare")[-1]
        assert isinstance(request, c.Prepare) and request.anyway and models.defaults == {}


async def test_leaving_the_remedies_changes_nothing(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+l", *"llama-3", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Picker))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is app_of(pilot).chat_screen)
        assert app_of(pilot).session.model == MODEL and not switched(host)


async def test_a_broken_file_says_why_and_is_not_switched_to(host: FakeHost, start: Started) -> None:
    async with start(size=(110, 30)) as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+l", *"phi", "enter")
        await shown(pilot, "Phi-3-mini cannot be used: the file is cut short")
        assert isinstance(pilot.app.screen, Switcher) and not switched(host)


# --- the list's letters ---------------------------------------------------------------------------------


async def test_in_the_list_letters_act_and_others_go_back(
    host: FakeHost, models: FakeModels, start: Started
) -> None:
    async with start(size=(110, 30)) as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+l", "down")
        await shown(pilot, "p pin", "u unload", "f favourite", "i details")
        assert highlighted(pilot) == GEMMA
        await pilot.press("p")
        await until(pilot, lambda: models.named(GEMMA).pinned)
        await pilot.press("f")
        await shown(pilot, "★◆", "is a favourite")
        assert host.called(m.CHANGE.name) == [
            m.ChangeModel(model=GEMMA, pinned=True),
            m.ChangeModel(model=GEMMA, favourite=True),
        ]
        await pilot.press("up", "up", "u")
        await until(pilot, lambda: host.called(m.UNLOAD.name) == [m.Unload(model=MODEL)])
        await shown(pilot, f"{MODEL} unloaded, 483 M are free again")
        await pilot.press("q", "w")
        await shown(pilot, "3 of 5", "Enter switch · ↓ list")
        assert highlighted(pilot) == QWEN


async def test_details_open_the_models_screen_on_the_row(start: Started) -> None:
    async with start(size=(120, 30)) as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+l", "down", "i")
        await shown(pilot, "▸ Models", "gemma3, 28 blocks")
        assert highlighted(pilot) == GEMMA


async def test_a_query_finds_tags_and_quantisations_after_names(start: Started) -> None:
    async with start() as pilot:
        await pilot.press("ctrl+l", *"q8")
        await until(pilot, lambda: highlighted(pilot) == LLAMA)
        await pilot.press("ctrl+u", *"llama")
        await until(pilot, lambda: highlighted(pilot) == LLAMA)  # SmolLM2's architecture has that name, too
        await pilot.press("ctrl+u", *"code")
        await until(pilot, lambda: highlighted(pilot) == QWEN)


# --- reading ahead --------------------------------------------------------------------------------------


async def test_a_row_that_rests_is_read_ahead_once(host: FakeHost, start: Started, soon: None) -> None:
    async with start() as pilot:
        await pilot.press("ctrl+l")
        await until(pilot, lambda: host.called(m.PREFETCH.name) == [m.ModelRef(model=QWEN)])
        await pilot.press("down")
        await pilot.pause(0.2)
        await pilot.press("up")
        await pilot.pause(0.2)
        # Gemma would evict: nothing is read for it, and nothing again for the other.
        assert host.called(m.PREFETCH.name) == [m.ModelRef(model=QWEN)]
        await pilot.press("escape")
        await until(pilot, lambda: host.called(m.PREFETCH.name)[1:] == [m.ModelRef(model="")])


async def test_nothing_is_read_ahead_when_the_settings_say_so(
    host: FakeHost, start: Started, soon: None
) -> None:
    async with start(Settings(prefetch=False)) as pilot:
        await pilot.press("ctrl+l")
        await pilot.pause(0.3)
        assert not host.called(m.PREFETCH.name)


async def test_reading_ahead_may_fail_in_silence(host: FakeHost, start: Started, soon: None) -> None:
    host.fail[m.PREFETCH.name] = LoadError("the disk is slow")
    async with start() as pilot:
        await pilot.press("ctrl+l")
        await until(pilot, lambda: bool(host.called(m.PREFETCH.name)))
        await pilot.pause()
        assert "the disk is slow" not in screen_text(pilot)


# --- while it loads -------------------------------------------------------------------------------------


async def test_the_badge_is_the_progress_and_never_runs_backwards(host: FakeHost, start: Started) -> None:
    async with start(size=(110, 30)) as pilot:
        app_of(pilot).session.clock = lambda: 0.0
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+l", "enter")
        unloading = c.Phase(name="unloading", note=MODEL)
        host.post_status(workers=(worker("closing"), replace(loading(QWEN, "unloading"), phase=unloading)))
        await shown(pilot, f"◔ {QWEN} unloading {MODEL} · 1.4 of ~2.3 s · Esc")
        host.post_status(workers=(loading(QWEN, "reading", 50),))
        await shown(pilot, f"◔ {QWEN} 40 % · 1.4 of ~2.3 s · Esc", "Esc cancel the load")
        again = c.Phase(name="reading", done=10, total=100, note="once more with half the context")
        host.post_status(workers=(replace(loading(QWEN, "reading"), phase=again, elapsed_s=2.0),))
        await shown(pilot, "40 % · 2.0 of ~2.3 s · once more with half the context")
        host.post_status(workers=(replace(loading(QWEN, "loading", 500, 1000), elapsed_s=2.2),))
        await shown(pilot, "89 % · 2.2 of ~2.3 s")
        host.post_status(workers=(replace(worker(), model=QWEN),))
        await shown(pilot, f"● {QWEN}")


async def test_esc_cancels_the_load_and_the_model_before_answers(host: FakeHost, start: Started) -> None:
    async with start(size=(110, 30)) as pilot:
        app = app_of(pilot)
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+l", "enter")
        host.post_status(workers=(worker(), loading(QWEN, "reading", 50)))
        await shown(pilot, "40 %")
        await pilot.press("escape")
        await shown(pilot, f"The load of {QWEN} is cancelled", f"{MODEL} answers as before")
        assert host.called(m.CANCEL_LOAD.name) == [c.Empty()] and app.session.model == MODEL


async def test_esc_stops_the_answer_and_not_the_load_while_one_streams(
    host: FakeHost, start: Started
) -> None:
    async with start() as pilot:
        await pilot.press(*"hi", "enter")
        await until(pilot, lambda: bool(app_of(pilot).session.live))
        host.post_status(workers=(loading(MODEL, "reading", 50),))
        await shown(pilot, "40 %")
        await pilot.press("escape")
        await until(pilot, lambda: bool(host.called("abort")))
        assert not host.called(m.CANCEL_LOAD.name)


async def test_a_load_that_fails_is_said_with_what_was_kept(host: FakeHost, start: Started) -> None:
    async with start(size=(160, 30)) as pilot:
        app = app_of(pilot)
        await shown(pilot, "An interface.")
        host.fail["prepare"] = LoadError("out of memory: 1.9 GB needed", hint="Set a smaller context")
        await pilot.press("ctrl+l", "enter")
        await shown(
            pilot, "✗ out of memory: 1.9 GB needed", "Set a smaller context", f"{MODEL} answers as before"
        )
        assert app.session.model == MODEL
        await pilot.press(*"go on", "enter")
        await until(pilot, lambda: bool(host.called("submit")))
        request = host.called("submit")[0]
        assert isinstance(request, c.Submit) and request.model is None


async def test_typing_loads_the_model_that_was_chosen_and_again_after_it_was_unloaded(
    host: FakeHost, start: Started
) -> None:
    async with start() as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("a", "b")
        await until(pilot, lambda: len(host.called("prepare")) == 1)
        await pilot.press("f8")
        await shown(pilot, "unloaded")
        await pilot.press("c")
        await until(pilot, lambda: len(host.called("prepare")) == 2)


# --- freeing memory -------------------------------------------------------------------------------------


async def test_one_key_frees_the_memory_now(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("f8")
        await shown(pilot, f"{MODEL} unloaded, 483 M are free again", "cold")
        assert host.called(m.UNLOAD.name) == [m.Unload()]
        await pilot.press("f8")
        await shown(pilot, "No model is loaded")


async def test_what_answers_is_not_cut_and_that_is_said(host: FakeHost, start: Started) -> None:
    host.post_status(workers=(worker("busy"),))
    async with start() as pilot:
        app_of(pilot).chat_screen.prompt.put("/unload smollm")
        await pilot.press("enter")
        await shown(pilot, f"{MODEL} answers just now and stays", "stop the answer first")


async def test_names_from_files_do_nothing_to_the_screen(host: FakeHost, start: Started) -> None:
    name = "Evil\x1b[31m\x1b]0;title\x07\nmodel [bold]x[/] 漢字\u202e"
    changes = {"quantisation": "Q4\x1b[2J\n", "tags": ("a\x1b[31mb",), "architecture": "\x1b]0;x\x07\nqw"}
    bad = replace(a_few()[1], name=name, **changes)
    host.models_now = (*a_few()[:1], bad)
    async with start(size=(120, 30)) as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+l")
        await shown(pilot, "Evil model [bold]x[/] 漢字", "fits · 2.3 s")
        await pilot.press("down", "p")
        await shown(pilot, "Evil model [bold]x[/] 漢字 is pinned")
        await pilot.press("i")
        await shown(pilot, "#ab", "qw, 28 blocks")
        await pilot.press("enter")
        await shown(pilot, "Evil model [bold]x[/] 漢字 answers from here on")
        assert "\x1b" not in screen_text(pilot)


# --- what is in the way, what is said of a load ---------------------------------------------------------


def in_the_way(models: FakeModels, *names: str) -> None:
    llama = models.named(LLAMA)
    assert llama.verdict is not None
    blocked = replace(llama, verdict=replace(llama.verdict, blocked=names))
    models.put(*(blocked if one.name == LLAMA else one for one in models.host.models_now))


async def test_a_pinned_model_in_the_way_can_be_unloaded_first(
    host: FakeHost, models: FakeModels, start: Started
) -> None:
    in_the_way(models, MODEL)
    async with start() as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+l", *"llama-3", "enter")
        await shown(pilot, f"Unload {MODEL}", "it is pinned", "Load it anyway")
        await pilot.press(*"unload", "enter")
        await until(pilot, lambda: switched(host) == [LLAMA])
        assert host.called(m.UNLOAD.name) == [m.Unload(model=MODEL)]
        names = [name for name, _ in host.calls if name in (m.UNLOAD.name, "prepare")]
        assert names == [m.UNLOAD.name, "prepare"]


async def test_a_model_that_answers_and_is_in_the_way_is_named_and_not_offered(
    host: FakeHost, models: FakeModels, start: Started
) -> None:
    host.post_status(workers=(worker("busy"),))
    in_the_way(models, MODEL)
    async with start() as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+l", *"llama-3", "enter")
        await shown(pilot, f"{MODEL} answers now and cannot go", "Load it anyway")
        assert "Unload " not in screen_text(pilot)


async def test_at_80_columns_a_verdict_keeps_its_point(start: Started) -> None:
    async with start() as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+l")
        await shown(pilot, "7.1 G free · 4,096 tokens fit", "in the chat · warm")


async def test_the_lists_footer_says_how_to_close_it_and_the_cursor_needs_no_colour(start: Started) -> None:
    async with start() as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("ctrl+l", "down")
        await shown(pilot, "Enter switch", "i details", "Esc close", f"›○ {GEMMA}")


async def test_one_load_has_one_share(host: FakeHost, start: Started) -> None:
    async with start(size=(110, 30)) as pilot:
        await pilot.press(*"hi", "enter")
        await until(pilot, lambda: bool(app_of(pilot).session.live))
        stream = host.hub.get(host.called("read")[-1])  # type: ignore[arg-type]
        stream.set_phase(c.Phase(name="reading", done=95, total=100))
        host.post_status(workers=(loading(MODEL, "reading", 90),))
        await shown(pilot, "reading the model file · ▓▓▓▓▓▓▓░░░ 72 %", f"◔ {MODEL} 72 %")
        assert "95 %" not in screen_text(pilot)
        # Esc would stop the answer.
        status = screen_text(pilot).splitlines()[-1]
        assert "72 %" in status and "Esc" not in status


async def test_figures_are_those_of_the_model_that_is_named(host: FakeHost, start: Started) -> None:
    async with start(size=(110, 30)) as pilot:
        await pilot.press(*"hi", "enter")
        await until(pilot, lambda: bool(app_of(pilot).session.live))
        stream = host.hub.get(host.called("read")[-1])  # type: ignore[arg-type]
        stream.append("An answer.", 5, 7)
        host.end(stream)
        await shown(pilot, "TTFT 34 ms ▪ 148 tok/s")
        await pilot.press("ctrl+l", "enter")
        await shown(pilot, f"○ {QWEN} · cold")
        assert "TTFT" not in screen_text(pilot).splitlines()[-1]
        assert "tok/s" not in screen_text(pilot).splitlines()[-1]


async def test_a_cancelled_load_is_no_error_in_the_answer_that_waited(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await pilot.press(*"hi", "enter")
        await until(pilot, lambda: bool(app_of(pilot).session.live))
        stream = host.hub.get(host.called("read")[-1])  # type: ignore[arg-type]
        host.end(stream, state="failed", error="loading was cancelled. Ask again to load it")
        await shown(pilot, "■ the load was cancelled · ^G continues")


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "… 1 earlier message no longer fits the context and was left out"),
        (4, "… 4 earlier messages no longer fit the context and were left out"),
    ],
)
async def test_what_was_left_out_of_the_prompt_is_said(
    host: FakeHost, start: Started, count: int, said: str
) -> None:
    host.add_chat("Long", host.message("user", "And?"), host.message("assistant", "Yes.", trimmed=count))
    async with start() as pilot:
        await shown(pilot, "Yes.", said)


@pytest.mark.parametrize("width", [66, 100])
def test_help_leaves_a_gap_behind_every_name(width: int) -> None:
    lines = help_text(lambda name: "", width).plain.splitlines()
    for command in COMMANDS:
        slash = f"/{command.name} {command.argument}".strip()
        line = next(line for line in lines if line.strip().startswith(f"{slash} "))
        assert line.split(slash, 1)[1].startswith("  ") and len(line) <= width
