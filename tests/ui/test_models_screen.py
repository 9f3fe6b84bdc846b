"""F3: the models of this machine, their details, and every action by key, palette and slash command."""

import asyncio

import pytest
from msgspec.structs import replace
from textual import events
from textual.pilot import Pilot
from textual.widgets import TextArea

from kensho_tui.core import contract as c
from kensho_tui.core import model_contract as m
from kensho_tui.core.errors import KenshoError, NotFoundError
from kensho_tui.ui.choice_list import ChoiceList
from kensho_tui.ui.models.forms import DefaultsForm, TagsForm
from tests.ui.conftest import Started, app_of, screen_text, shown, until
from tests.ui.fake_host import GIB, MODEL, FakeHost, worker
from tests.ui.fake_models import BROKEN, GEMMA, LLAMA, QWEN, FakeModels, a_few, footprint, loading

WIDE = (160, 48)
ALL = (MODEL, QWEN, GEMMA, LLAMA, BROKEN)


@pytest.fixture(autouse=True)
def models(host: FakeHost) -> FakeModels:
    host.add_chat("REST", host.message("user", "What is REST?"), host.message("assistant", "An interface."))
    return FakeModels(host)


async def opened(pilot: Pilot[None], *keys: str) -> None:
    await shown(pilot, "An interface.")
    await pilot.press("f3")
    await shown(pilot, "▸ Models", "Installed 5")
    await pilot.press(*keys)


def highlighted(pilot: Pilot[None]) -> str:
    return pilot.app.screen.query_one(ChoiceList).highlighted


def order(pilot: Pilot[None]) -> list[str]:
    """The models in the order of their rows."""
    lines = (line[:40] for line in screen_text(pilot).splitlines()[4:])
    return [name for line in lines for name in ALL if f"{name} " in line]


def fits(host: FakeHost) -> list[object]:
    return host.called(m.FIT.name)


@pytest.mark.parametrize("size", [(80, 24), WIDE])
async def test_it_shows_the_table_and_the_details_of_a_row(start: Started, size: tuple[int, int]) -> None:
    async with start(size=size) as pilot:
        await opened(pilot, "down")
        await shown(pilot, "name", "size", "verdict", "speed", "fits · 2.3 s", "41 tok/s")
        await shown(
            pilot,
            "RAM · estimated",
            "▓▓▓",
            "weights",
            "KV cache",
            "225 M  8,192 tokens · f16",
            "compute",
        )
        await shown(pilot, "qwen2, 28 blocks", "1.54 B", f"{MODEL} answers in the chat")
        assert order(pilot)[:5] == [*ALL]


async def test_only_a_row_that_rests_is_asked_for(host: FakeHost, start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await opened(pilot, "down", "down", "down")
        await shown(pilot, "It would fit with", "a context of 4,096 tokens")
        asked = [request.model for request in host.called(m.DETAILS.name) if isinstance(request, m.ModelRef)]
        assert asked[-1] == LLAMA and QWEN not in asked and GEMMA not in asked


async def test_a_broken_file_says_why(start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "end")
        await shown(pilot, "✗ the file is cut short: 1.1 of 2.2 GB are there", "/data/models/Phi-3-mini.gguf")
        await pilot.press("enter")
        await shown(pilot, "Phi-3-mini cannot be used")


async def test_details_that_cannot_be_had_say_so_where_they_would_be(host: FakeHost, start: Started) -> None:
    host.fail[m.DETAILS.name] = NotFoundError("the file has gone", hint="Look for it")
    async with start() as pilot:
        await opened(pilot)
        await shown(pilot, "✗ the file has gone. Look for it")


# --- sort, filter, tabs ---------------------------------------------------------------------------------


async def test_s_sorts_by_the_next_column_and_S_the_other_way_round(start: Started) -> None:
    async with start() as pilot:
        await opened(pilot)
        await shown(pilot, "by last used ▼")
        await pilot.press("s")
        await shown(pilot, "by name ▲", "name ▲")
        assert order(pilot)[:5] == [GEMMA, LLAMA, BROKEN, QWEN, MODEL]
        await pilot.press("S")
        await shown(pilot, "by name ▼")
        assert order(pilot)[:5] == [MODEL, QWEN, BROKEN, LLAMA, GEMMA]
        await pilot.press("s", "s")
        await shown(pilot, "by size ▼")
        assert order(pilot)[:5] == [LLAMA, GEMMA, BROKEN, QWEN, MODEL]
        await pilot.press("s")
        await shown(pilot, "by verdict ▲")
        assert order(pilot)[:5] == [MODEL, QWEN, GEMMA, LLAMA, BROKEN]
        # Who was highlighted stays so, wherever the row goes.
        assert highlighted(pilot) == MODEL


async def test_slash_filters_and_esc_ends_that_first(start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "slash", *"llma3", "enter")
        await until(pilot, lambda: order(pilot)[0] == LLAMA and highlighted(pilot) == LLAMA)
        await shown(pilot, "/llma3")
        await pilot.press("escape")
        await until(pilot, lambda: len(order(pilot)) >= 5)
        assert "▸ Models" in screen_text(pilot)
        await pilot.press("escape")
        await shown(pilot, "▸ Chat", "An interface.")


async def test_a_filter_opened_again_goes_on_where_it_ended(start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "slash", *"llma3", "enter", "tab", "1", "slash", "backspace", "enter")
        await shown(pilot, "/llma ")


async def test_the_running_tab_shows_the_workers(host: FakeHost, start: Started) -> None:
    measured = footprint(2 * GIB, 16384, source="measured")
    gemma = replace(worker(), pid=43, model=GEMMA, device="CUDA0", context=16384, pinned=True)
    gemma = replace(gemma, footprint=measured)
    host.post_status(workers=(worker("busy"), gemma, loading(QWEN, "reading", 50)))
    async with start(size=WIDE) as pilot:
        await opened(pilot, "tab")
        await shown(pilot, "Running 3", "answering", "ready", "loading 40 %", "CUDA0", "16,384", "77")
        await shown(pilot, "◆", "measured", "3.2 G")
        await pilot.press("shift+tab")
        await shown(pilot, "last used ▼")


async def test_no_models_and_no_workers_are_said(host: FakeHost, start: Started) -> None:
    host.models_now, host.chats_now = (), {}
    host.post_status(workers=())
    async with start() as pilot:
        await shown(pilot, "There is no model yet")
        await pilot.press("f3")
        await shown(pilot, "Installed 0", "There is no model yet: 3 shows good ones")
        await pilot.press("tab")
        await shown(pilot, "No model is loaded")
        await pilot.press("enter", "u", "d", "x", "D", "escape")
        await shown(pilot, "▸ Chat")


async def test_the_list_follows_the_host(host: FakeHost, models: FakeModels, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "down")
        models.put(*a_few()[1:2])
        await shown(pilot, "Installed 1")
        assert highlighted(pilot) == QWEN


@pytest.mark.parametrize("key", ["f3", "ctrl+l"])
async def test_what_fits_is_asked_again_when_a_model_has_gone(
    host: FakeHost, start: Started, key: str
) -> None:
    async with start(size=WIDE) as pilot:
        await shown(pilot, "An interface.")
        await pilot.press(key)
        await shown(pilot, f"fits after unloading {MODEL}"[:30])
        fits_now = c.Verdict(kind="fits", need=GIB, free=8 * GIB)
        host.models_now = tuple(replace(info, resident=False, verdict=fits_now) for info in a_few()[:3])
        host.post_status(workers=())
        await until(pilot, lambda: "after unloading" not in screen_text(pilot))


# --- what is tried --------------------------------------------------------------------------------------


async def test_brackets_try_another_context_and_w_keeps_it(
    host: FakeHost, models: FakeModels, start: Started
) -> None:
    models.defaults[QWEN] = m.Defaults(temperature=0.1)
    async with start(size=WIDE) as pilot:
        await opened(pilot, "down")
        await shown(pilot, "8,192 tokens · f16", "tokens fit at most")
        await pilot.press("right_square_bracket")
        await shown(pilot, "451 M  16,384 tokens · f16", "w makes that its default")
        await pilot.press("k")
        await shown(pilot, "225 M  16,384 tokens · q8_0")
        assert fits(host)[-1] == m.FitModel(model=QWEN, context=16384, kv_type="q8_0")
        assert models.defaults[QWEN] == m.Defaults(temperature=0.1)
        await pilot.press("w")
        await shown(pilot, "has 16,384 tokens and a q8_0 KV cache from now on")
        assert models.defaults[QWEN] == m.Defaults(temperature=0.1, context=16384, kv_type="q8_0")
        await shown(pilot, "context 16,384 · q8_0 KV · temperature 0.1")


async def test_x_asks_for_the_dry_run(host: FakeHost, start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await opened(pilot, "down")
        await shown(pilot, "RAM · estimated")
        await pilot.press("x")
        await shown(pilot, "RAM · dry run")
        assert fits(host) == [m.FitModel(model=QWEN, exact=True)]


async def test_another_row_forgets_what_was_tried(start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await opened(pilot, "down")
        await shown(pilot, "8,192 tokens")
        await pilot.press("left_square_bracket")
        await shown(pilot, "4,096 tokens · f16")
        await pilot.press("down", "up")
        await shown(pilot, "8,192 tokens · f16")
        await pilot.press("w")
        await shown(pilot, "nothing else is tried")


async def test_a_dry_run_that_fails_is_said(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "down")
        await shown(pilot, "RAM · estimated")
        host.fail[m.FIT.name] = KenshoError("the dry run did not end", hint="Try it again")
        await pilot.press("x")
        await shown(pilot, "✗ the dry run did not end", "Try it again", "RAM · estimated")
        await pilot.press("down")
        await until(pilot, lambda: "did not end" not in screen_text(pilot))


# --- actions --------------------------------------------------------------------------------------------


async def test_enter_uses_the_model_in_the_chat(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "down", "enter")
        await shown(pilot, "▸ Chat", f"{QWEN} answers from here on")
        assert app_of(pilot).session.model == QWEN
        assert pilot.app.focused is app_of(pilot).chat_screen.prompt


async def test_letters_act_on_the_row(host: FakeHost, models: FakeModels, start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await opened(pilot, "down", "p")
        await shown(pilot, f"◆ {QWEN} is pinned")
        await pilot.press("f")
        await shown(pilot, f"{QWEN} is none any more")
        await pilot.press("l")
        await until(pilot, lambda: c.Prepare(model=QWEN, switch=True) in host.called("prepare"))
        await shown(pilot, f"{QWEN} is loaded")
        assert app_of(pilot).session.model == MODEL
        await pilot.press("u")
        await shown(pilot, f"{QWEN} is not loaded")
        assert host.called(m.UNLOAD.name) == [m.Unload(model=QWEN)]


async def test_tags_are_typed_and_shown(models: FakeModels, start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await opened(pilot, "down", "t")
        await until(pilot, lambda: isinstance(pilot.app.screen, TagsForm))
        await pilot.press(*" Math,code", "enter")
        await shown(pilot, "#code", "#math", "has the tags code, math")
        assert models.named(QWEN).tags == ("code", "math")
        await pilot.press("t")
        await until(pilot, lambda: isinstance(pilot.app.screen, TagsForm))
        await pilot.press("escape", "down")
        assert models.named(QWEN).tags == ("code", "math")


async def test_defaults_are_typed_checked_and_kept(models: FakeModels, start: Started) -> None:
    before = m.Defaults(temperature=0.1, template="{{ messages }}", system="Be brief.\nAlways.")
    models.defaults[QWEN] = before
    async with start(size=(100, 30)) as pilot:
        await opened(pilot, "down", "d")
        await shown(pilot, f"Defaults of {QWEN}", "0.1", "as it is set now", "Be brief.")
        await pilot.press(*"many", "enter")
        await shown(pilot, "Context: 'many' is not a whole number")
        await pilot.press("ctrl+u", *"4096", "tab", *"q8_0", "enter")
        await until(pilot, lambda: models.defaults[QWEN] != before)
        assert models.defaults[QWEN] == replace(before, context=4096, kv_type="q8_0")
        await shown(pilot, "are kept", "from its next load on")


async def test_leaving_the_form_keeps_what_was(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "down", "d")
        await until(pilot, lambda: isinstance(pilot.app.screen, DefaultsForm))
        await pilot.press(*"4096", "escape")
        await shown(pilot, "▸ Models")
        assert not host.called(m.CHANGE.name)


async def test_the_system_prompt_has_lines(models: FakeModels, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "down", "d")
        await until(pilot, lambda: isinstance(pilot.app.screen, DefaultsForm))
        form = pilot.app.screen
        form.query_one(TextArea).focus()
        await pilot.press(*"One", "enter", *"two", "tab", "enter")
        await until(pilot, lambda: models.defaults.get(QWEN) == m.Defaults(system="One\ntwo"))


async def test_delete_is_undone_with_one_key(host: FakeHost, models: FakeModels, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "down", "D")
        await shown(pilot, "Installed 4", f"{QWEN} is deleted (1.1 G)", "z brings it back", "z undo the")
        assert order(pilot)[:4] == [MODEL, GEMMA, LLAMA, BROKEN]
        await pilot.press("z")
        await shown(pilot, "Installed 5", f"{QWEN} is back")
        assert models.bin == {}
        await pilot.press("z")
        await shown(pilot, "✗ all that was deleted here is back")


async def test_what_is_not_ours_is_not_deleted(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "down", "down", "down", "D")
        await shown(pilot, f"the file of {LLAMA} is not ours to delete")
        assert not host.called(m.DELETE.name)


async def test_a_bin_that_was_emptied_is_said(models: FakeModels, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "down", "D")
        await shown(pilot, "is deleted")
        models.bin.clear()
        await pilot.press("z")
        await shown(pilot, "✗ the bin was emptied", "Download the model again")


@pytest.mark.parametrize(
    ("typed", "method", "request_"),
    [
        ("/pin qwen", m.CHANGE, m.ChangeModel(model=QWEN, pinned=True)),
        ("/favourite", m.CHANGE, m.ChangeModel(model=MODEL, favourite=True)),
        ("/tags maths, code", m.CHANGE, m.ChangeModel(model=MODEL, tags=("maths", "code"))),
        ("/unload smol", m.UNLOAD, m.Unload(model=MODEL)),
        ("/delete-model gemma", m.DELETE, m.ModelRef(model=GEMMA)),
        ("/rm gemma", m.DELETE, m.ModelRef(model=GEMMA)),
    ],
)
async def test_actions_by_slash_command(
    host: FakeHost, start: Started, typed: str, method: c.Method[object, object], request_: object
) -> None:
    async with start() as pilot:
        await shown(pilot, "An interface.")
        app_of(pilot).chat_screen.prompt.put(typed)
        await pilot.press("enter")
        await until(pilot, lambda: host.called(method.name) == [request_])


async def test_actions_by_the_palette(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "down", "ctrl+p")
        await pilot.press(*"pin the")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await until(pilot, lambda: host.called(m.CHANGE.name) == [m.ChangeModel(model=QWEN, pinned=True)])
        await shown(pilot, "▸ Models", "is pinned")


async def test_the_screen_by_slash_command_and_palette(start: Started) -> None:
    async with start() as pilot:
        await shown(pilot, "An interface.")
        app_of(pilot).chat_screen.prompt.put("/models gemma")
        await pilot.press("enter")
        await shown(pilot, "▸ Models", "gemma3, 28 blocks")
        await pilot.press("f2")
        await shown(pilot, "▸ Chat")
        await pilot.press("ctrl+p", *"models")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await shown(pilot, "▸ Models")
        assert highlighted(pilot) == GEMMA


@pytest.mark.parametrize(("keys", "text"), [(("ctrl+n",), "Private and local"), (("ctrl+r",), "Today")])
async def test_keys_of_the_chat_lead_back_to_it(start: Started, keys: tuple[str, ...], text: str) -> None:
    async with start() as pilot:
        await opened(pilot, *keys)
        await shown(pilot, "▸ Chat", text)


async def test_the_switcher_and_help_open_over_it(start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "ctrl+l")
        await shown(pilot, "Switch model")
        await pilot.press("escape", "question_mark")
        await shown(pilot, "Help")
        await pilot.press("escape", "ctrl+l", "enter")
        await shown(pilot, "▸ Chat", f"{QWEN} answers from here on")


async def test_esc_on_it_leaves_a_load_alone(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        host.post_status(workers=(loading(MODEL, "reading", 50),))
        await shown(pilot, "40 %")
        await pilot.press("f3")
        await shown(pilot, "▸ Models", "loading 40 %")
        await pilot.press("escape")
        await shown(pilot, "▸ Chat")
        assert not host.called(m.CANCEL_LOAD.name)


async def test_keys_that_come_in_one_go_reach_the_table(start: Started) -> None:
    async with start() as pilot:
        await shown(pilot, "An interface.")
        for key in ("f3", "down", "down", "enter"):
            pilot.app.post_message(events.Key(key, None))
        await until(pilot, lambda: app_of(pilot).session.model == GEMMA)


async def test_a_click_highlights_and_a_second_one_uses(start: Started) -> None:
    async with start() as pilot:
        await opened(pilot)
        table = pilot.app.screen.query_one(ChoiceList)
        await pilot.click(table, offset=(10, 2))
        await until(pilot, lambda: highlighted(pilot) == GEMMA)
        assert "▸ Models" in screen_text(pilot)
        await pilot.click(table, offset=(10, 2), times=2)
        await until(pilot, lambda: app_of(pilot).session.model == GEMMA)


# --- what belongs to what -------------------------------------------------------------------------------


async def test_figures_of_a_loaded_model_are_not_labelled_with_what_is_set_for_its_next_load(
    host: FakeHost, models: FakeModels, start: Started
) -> None:
    async with start(size=WIDE) as pilot:
        await opened(pilot)
        await shown(pilot, "RAM · measured\n", "20 M  8,192 tokens · f16")
        await pilot.press("left_square_bracket", "k")
        await shown(pilot, "4,096 tokens · q8_0", "w makes that its default")
        await pilot.press("w")
        await shown(pilot, "RAM · measured, as it is loaded", "20 M  8,192 tokens\n")
        await shown(pilot, "next load 4,096 tokens · q8_0 · 468 M")
        # Another type alone is told by the size of the cache.
        models.defaults[MODEL] = m.Defaults(kv_type="q8_0")
        models.put(*host.models_now[1:], replace(host.models_now[0], tags=("new",)))
        await shown(pilot, "as it is loaded", "next load 8,192 tokens · q8_0")


async def test_a_load_begun_here_is_cancelled_with_esc_and_that_is_no_error(
    host: FakeHost, start: Started
) -> None:
    cancelled = asyncio.Event()
    plain = host.prepare

    async def prepare(request: c.Prepare) -> None:
        await plain(request)
        host.post_status(workers=(worker(), loading(QWEN, "reading", 50)))
        await cancelled.wait()
        raise KenshoError("loading was cancelled", hint="Choose it again to load it")

    def cancel(request: c.Empty) -> c.Empty:
        host.post_status(workers=(worker(),))
        cancelled.set()
        return c.Empty()

    host.prepare = prepare  # type: ignore[method-assign]
    host.replies[m.CANCEL_LOAD.name] = cancel
    async with start() as pilot:
        await opened(pilot, "down", "l")
        await shown(pilot, "Esc cancel the load", "loading 40 %")
        await pilot.press("escape")
        await shown(pilot, f"The load of {QWEN} is cancelled", "F2 chat", "▸ Models")
        assert host.called(m.CANCEL_LOAD.name) == [c.Empty()]
        await pilot.pause(0.2)
        assert "✗ loading" not in screen_text(pilot) and "Esc cancel" not in screen_text(pilot)
        await pilot.press("escape")
        await shown(pilot, "▸ Chat")


async def test_all_of_the_tables_keys_are_named_at_80_columns(start: Started) -> None:
    async with start() as pilot:
        await opened(pilot)
        await shown(pilot, "Enter use", "d defaults", "[ ] context", "k KV", "x exact", "t tags", "D delete")
        await shown(pilot, "F1 help")
