"""The first start: what could be fetched where there is nothing but the starter, or no model at all."""

import pytest
from textual.pilot import Pilot

from kensho_tui.config.settings import Settings
from kensho_tui.core import contract as c
from kensho_tui.core import hub_contract as h
from kensho_tui.core.errors import KenshoError
from kensho_tui.ui.welcome import offered
from tests.ui.conftest import Started, app_of, screen_text, shown, until
from tests.ui.fake_host import MODEL, FakeHost
from tests.ui.fake_hub import REPO, FakeHub, download, repo, verdict
from tests.ui.test_pictures import Compare, Make, at_rest, frozen, new_chat, with_chats

SIZES = {
    "Qwen3 4B": 2.3,
    "Llama 3.2 3B": 1.9,
    "SmolLM3 3B": 1.8,
    "Qwen2.5 Coder 1.5B": 1.0,
    "gpt-oss 20B": 11.3,
}
ROLES = ("dialogue", "dialogue", "reasoning", "code", "reasoning")


def some() -> tuple[h.HubRepo, ...]:
    pairs = zip(SIZES.items(), ROLES, strict=True)
    return tuple(repo(f"x/{name}", size, title=name, role=role) for (name, size), role in pairs)


def titles(repos: list[h.HubRepo]) -> list[str]:
    return [one.title for one in repos]


def test_what_is_offered_fits_and_is_for_different_things() -> None:
    assert titles(offered(some())) == ["Qwen3 4B", "SmolLM3 3B", "Qwen2.5 Coder 1.5B"]
    assert titles(offered(some()[:2])) == ["Qwen3 4B", "Llama 3.2 3B"]
    assert titles(offered((some()[4], *some()[:2]))) == ["Qwen3 4B", "Llama 3.2 3B", "gpt-oss 20B"]
    large = tuple(repo(f"x/{n}", 40.0 + n, title=str(n), role="r", verdict=verdict(90)) for n in range(5))
    assert titles(offered(large)) == ["0", "1", "2"]
    assert offered(()) == []


def asked(host: FakeHost) -> list[object]:
    return host.called(h.SEARCH_HUB.name)


async def test_beside_the_starter_other_models_are_offered_until_one_is_there(
    host: FakeHost, start: Started
) -> None:
    hub = FakeHub(host)
    hub.curated = some()
    async with start() as pilot:
        await shown(pilot, "Qwen3 4B", "dialogue", "2.3 G", "fits", "the starter chats meanwhile")
        assert asked(host) == [h.SearchHub()]
        assert "gpt-oss" not in screen_text(pilot)
        hub.put(download("d1", origin="x/SmolLM3 3B"))
        await shown(pilot, "↓ on its way")
        hub.finish("d1")
        await until(pilot, lambda: "the starter chats meanwhile" not in screen_text(pilot))
        assert "Qwen3 4B" not in screen_text(pilot)
        assert len(asked(host)) == 1


async def test_with_another_model_nobody_is_asked(host: FakeHost, start: Started) -> None:
    host.models_now = (c.ModelInfo(name=MODEL, path="/m", size=1, source="folder", default=True),)
    FakeHub(host)
    async with start() as pilot:
        await until(pilot, lambda: app_of(pilot).session.models is not None)
        host.board.touch(c.TOPIC_MODELS, c.ModelsFact())
        await until(pilot, lambda: len(host.called("models")) > 1)
        await pilot.pause()
        assert asked(host) == []


async def test_typing_goes_on_while_the_list_is_awaited(host: FakeHost, start: Started) -> None:
    hub = FakeHub(host)
    slow = hub.slowly()

    async def search(request: h.SearchHub) -> h.HubRepos:
        await slow.go.wait()
        return h.HubRepos(repos=some(), curated=True)

    host.replies[h.SEARCH_HUB.name] = search
    async with start() as pilot:
        await until(pilot, lambda: bool(asked(host)))
        host.post_status(workers=())
        await shown(pilot, "cold")  # the facts go on
        await pilot.press(*"hello")
        slow.go.set()
        await shown(pilot, "Qwen3 4B", "› hello")
        assert app_of(pilot).focused is app_of(pilot).chat_screen.prompt


async def test_a_host_that_has_no_list_changes_nothing(host: FakeHost, start: Started) -> None:
    FakeHub(host)
    host.fail[h.SEARCH_HUB.name] = KenshoError("the list cannot be read")
    async with start() as pilot:
        await shown(pilot, "Private and local", "Enter send")
        await until(pilot, lambda: bool(asked(host)))
        await pilot.pause()
        assert "cannot be read" not in screen_text(pilot) and "Larger models" not in screen_text(pilot)


async def test_a_link_that_is_lost_meanwhile_asks_again(host: FakeHost, start: Started) -> None:
    hub = FakeHub(host)
    hub.curated = some()
    async with start() as pilot:
        app = app_of(pilot)
        await shown(pilot, "Qwen3 4B")
        app.session.suggestions = ()
        host.vanish()
        await shown(pilot, "Qwen3 4B")
        assert len(asked(host)) == 2


async def test_without_any_model_the_hub_is_the_first_way(host: FakeHost, start: Started) -> None:
    host.models_now = ()
    FakeHub(host).curated = some()
    async with start() as pilot:
        await shown(
            pilot, "There is no model yet", "fetches one from the hub", "Qwen3 4B", "kensho-tui[starter]"
        )
        rows = screen_text(pilot).splitlines()
        assert len(rows) == 24 and "kensho" in rows[2], "it fits the smallest terminal from its first row"
        assert any("Then press" in row for row in rows)


@pytest.mark.parametrize("hostile", ["\x1b[2J\x1b]52;c;x\x07", "a" * 4000, "日本語" * 40, "[bold]x[/]"])
async def test_names_of_the_list_do_nothing_to_the_screen(
    hostile: str, host: FakeHost, start: Started
) -> None:
    hub = FakeHub(host)
    hub.curated = (repo(hostile or REPO, 1.0, title=hostile, role=hostile, verdict=verdict(1)),)
    async with start() as pilot:
        await shown(pilot, "Larger models", "the starter chats meanwhile")
        text = screen_text(pilot)
        assert "\x1b" not in text and all(len(row) <= 80 for row in text.splitlines())


# --- pictures ---------------------------------------------------------------------------------------------


async def settled(pilot: Pilot[None]) -> None:
    await new_chat(pilot)
    await shown(pilot, "Larger models", "Last chats")


def test_first_start(host: FakeHost, make_app: Make, snap_compare: Compare) -> None:
    with_chats(host)
    FakeHub(host).curated = some()
    assert snap_compare(frozen(make_app()), run_before=at_rest(settled))


def test_no_model(host: FakeHost, make_app: Make, snap_compare: Compare) -> None:
    host.models_now = ()
    FakeHub(host).curated = some()
    app = frozen(make_app(Settings(theme="kensho-light")))
    assert snap_compare(app, run_before=at_rest(None, "Qwen3 4B"))


def test_downloads_in_the_tray(host: FakeHost, make_app: Make, snap_compare: Compare) -> None:
    hub = FakeHub(host)
    hub.curated = some()
    hub.put(download("d1"), download("d2", model="gemma-3-1b-it-Q4_K_M", done=0), download("d3", "failed"))

    async def act(pilot: Pilot[None]) -> None:
        hub.finish("d1")
        await shown(pilot, "✓ Qwen3-4B-Q4_K_M is here", "↓ 50 %")

    app = frozen(make_app(Settings(theme="kensho-light")))
    assert snap_compare(app, terminal_size=(160, 48), run_before=at_rest(act))


async def test_what_keeps_the_host_from_answering_is_seen(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        host.reachable = False
        host.vanish()
        host.starting = "saving chats from a damaged database: 35%"
        host.told()
        await shown(pilot, f"The host is {host.starting} …", f"◌ {host.starting}")
        host.starting = ""
        host.told()
        await shown(pilot, "Connecting to the host …", "◌ reconnecting")
