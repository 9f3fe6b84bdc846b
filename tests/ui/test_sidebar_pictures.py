"""Pictures of the sidebar and of a dialog with the same list. Update them with `--snapshot-update`."""

from textual.pilot import Pilot

from kensho_tui.config.settings import Settings
from tests.ui.conftest import app_of, shown
from tests.ui.fake_host import FakeHost
from tests.ui.test_pictures import Compare, Make, at_rest, frozen, with_answer

BAD = (
    ("A proof that π is irrational", "failed"),
    ("日本語のタイトルがとても長い場合", "interrupted"),
)


def with_many(host: FakeHost) -> None:
    for title, state in BAD:
        cut = host.message("assistant", "Half", state=state, stop_reason=None, error="the engine died")
        host.add_chat(title, host.message("user", title), cut, updated="2025-03-03T08:00:00+00:00")
    with_answer(host)


async def search(pilot: Pilot[None]) -> None:
    await pilot.press("ctrl+r")
    await shown(pilot, "Rust lifetimes")
    await pilot.press(*"re")


async def walk(pilot: Pilot[None]) -> None:
    await pilot.press("ctrl+r", "down", "down")


async def themes(pilot: Pilot[None]) -> None:
    app_of(pilot).chat_screen.prompt.put("/theme")
    await pilot.press("enter")


def test_beside_the_chat(host: FakeHost, make_app: Make, snap_compare: Compare) -> None:
    with_many(host)
    act = at_rest(walk, "Yesterday", "Rust lifetimes")
    assert snap_compare(frozen(make_app()), terminal_size=(120, 40), run_before=act)


def test_search_in_light(host: FakeHost, make_app: Make, snap_compare: Compare) -> None:
    with_many(host)
    app = frozen(make_app(Settings(theme="kensho-light")))
    assert snap_compare(app, terminal_size=(120, 40), run_before=at_rest(search, "2 of 6"))


def test_over_the_chat(host: FakeHost, make_app: Make, snap_compare: Compare) -> None:
    with_many(host)
    assert snap_compare(frozen(make_app()), run_before=at_rest(walk, "Yesterday", "Rust lifetimes"))


def test_a_dialog(host: FakeHost, make_app: Make, snap_compare: Compare) -> None:
    with_answer(host)
    assert snap_compare(frozen(make_app()), run_before=at_rest(themes, "kensho-light", "in use"))
