"""Pictures of the switcher and of the models screen. Update them with `--snapshot-update`."""

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from kensho_tui.config.settings import Settings
from kensho_tui.core.errors import LoadError
from tests.ui.conftest import app_of, shown
from tests.ui.fake_host import GIB, MODEL, FakeHost, worker
from tests.ui.fake_models import GEMMA, QWEN, FakeModels, footprint, loading
from tests.ui.test_pictures import Act, Compare, Make, at_rest, frozen, with_answer

NARROW, WIDE = (80, 24), (160, 48)
LIGHT = Settings(theme="kensho-light")


@pytest.fixture(autouse=True)
def models(host: FakeHost) -> FakeModels:
    with_answer(host)
    return FakeModels(host)


def pressing(*keys: str) -> Act:
    """Press them once the chat is there."""

    async def act(pilot: Pilot[None]) -> None:
        await shown(pilot, "What is a REST API?")
        await pilot.press(*keys)

    return act


def test_switcher(make_app: Make, snap_compare: Compare) -> None:
    act = at_rest(pressing("ctrl+l"), "in the chat · warm", "41 tok/s", "cut short")
    assert snap_compare(frozen(make_app()), terminal_size=NARROW, run_before=act)


def test_switcher_list_in_light(make_app: Make, snap_compare: Compare) -> None:
    act = at_rest(pressing("ctrl+l", "down", "down"), "i details")
    assert snap_compare(frozen(make_app(LIGHT)), terminal_size=WIDE, run_before=act)


def test_broken_model(make_app: Make, snap_compare: Compare) -> None:
    act = at_rest(pressing("ctrl+l", *"phi", "enter"), "cannot be used")
    assert snap_compare(frozen(make_app()), terminal_size=NARROW, run_before=act)


def test_remedies(make_app: Make, snap_compare: Compare) -> None:
    async def act(pilot: Pilot[None]) -> None:
        await pressing("ctrl+l", *"llama-3")(pilot)
        await shown(pilot, "1 of 5")
        await pilot.press("enter")

    run = at_rest(act, "Load it anyway", "kept as its default")
    assert snap_compare(frozen(make_app()), terminal_size=NARROW, run_before=run)


def test_loading_badge(host: FakeHost, make_app: Make, snap_compare: Compare) -> None:
    async def act(pilot: Pilot[None]) -> None:
        await pressing("ctrl+l", "enter")(pilot)
        host.post_status(workers=(worker(), loading(QWEN, "reading", 62)))

    run = at_rest(act, "50 % · 1.4 of ~2.3 s · Esc", "answers from here on")
    assert snap_compare(frozen(make_app()), terminal_size=NARROW, run_before=run)


def test_load_failed(host: FakeHost, make_app: Make, snap_compare: Compare) -> None:
    why = "Qwen2.5-Coder-1.5B did not get the memory it needs, not even with half the context"
    host.fail["prepare"] = LoadError(why, hint="Unload another model, or set a smaller context")
    act = at_rest(pressing("ctrl+l", "enter"), "did not get", f"{MODEL} answers as before")
    assert snap_compare(frozen(make_app()), terminal_size=NARROW, run_before=act)


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
def test_installed(make_app: Make, snap_compare: Compare, size: tuple[int, int]) -> None:
    act = at_rest(pressing("f3", "down"), "8,192 tokens · f16", "1.54 B")
    assert snap_compare(frozen(make_app()), terminal_size=size, run_before=act)


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
def test_running_in_light(
    host: FakeHost, make_app: Make, snap_compare: Compare, size: tuple[int, int]
) -> None:
    measured = footprint(2 * GIB, 16384, source="measured")
    gemma = replace(worker(), pid=43, model=GEMMA, context=16384, footprint=measured)
    smollm = replace(host.status_now.workers[0], state="busy", pinned=True)
    host.post_status(workers=(smollm, gemma, loading(QWEN, "reading", 62)))
    act = at_rest(pressing("f3", "tab"), "Running 3", "loading 50 %", "RAM · measured", "1.54 B")
    assert snap_compare(frozen(make_app(LIGHT)), terminal_size=size, run_before=act)


def test_too_large_with_what_would_fit(make_app: Make, snap_compare: Compare) -> None:
    act = at_rest(pressing("f3", "end", "up"), "It would fit with")
    assert snap_compare(frozen(make_app()), terminal_size=WIDE, run_before=act)


def test_tried_in_light(make_app: Make, snap_compare: Compare) -> None:
    async def act(pilot: Pilot[None]) -> None:
        await pressing("f3", "down")(pilot)
        await shown(pilot, "8,192 tokens · f16")
        await pilot.press("right_square_bracket", "k")

    run = at_rest(act, "16,384 tokens · q8_0", "w makes that its default")
    assert snap_compare(frozen(make_app(LIGHT)), terminal_size=WIDE, run_before=run)


def test_deleted(make_app: Make, snap_compare: Compare) -> None:
    act = at_rest(pressing("f3", "down", "D"), "Installed 4", "z brings it back", "gemma3, 28 blocks")
    assert snap_compare(frozen(make_app()), terminal_size=NARROW, run_before=act)


def test_filtered(make_app: Make, snap_compare: Compare) -> None:
    act = at_rest(pressing("f3", "slash", *"coder"), "/coder", "1.54 B")
    assert snap_compare(frozen(make_app()), terminal_size=NARROW, run_before=act)


def test_defaults_form(make_app: Make, snap_compare: Compare) -> None:
    async def act(pilot: Pilot[None]) -> None:
        await pressing("f3", "down")(pilot)
        await shown(pilot, "8,192 tokens · f16")
        await pilot.press("d")
        await shown(pilot, "System prompt")
        await pilot.press(*"8k", "enter")

    run = at_rest(act, "is not a whole number")
    assert snap_compare(frozen(make_app()), terminal_size=NARROW, run_before=run)


def test_no_models(host: FakeHost, make_app: Make, snap_compare: Compare) -> None:
    host.models_now = ()
    host.post_status(workers=())

    async def act(pilot: Pilot[None]) -> None:
        await pressing("f3")(pilot)
        assert app_of(pilot).place == "models"

    run = at_rest(act, "There is no model yet")
    assert snap_compare(frozen(make_app(LIGHT)), terminal_size=NARROW, run_before=run)
