"""The tab of downloads: their rows, what each state says, and what is done about one."""

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from kensho_tui.core import hub_contract as h
from kensho_tui.core.errors import KenshoError
from kensho_tui.ui.choice_list import ChoiceList
from kensho_tui.ui.models.downloads_tab import DownloadsTab
from tests.ui.conftest import Started, app_of, screen_text, shown, until
from tests.ui.fake_host import GIB, FakeHost
from tests.ui.fake_hub import OTHER, REPO, FakeHub, download
from tests.ui.fake_models import FakeModels

WIDE = (160, 48)
RUNNING = download("running")
PAUSED = download(
    "paused", "paused", model="gemma-3-1b-it-Q8_0", done=GIB // 4, total=GIB, origin=OTHER, added="2026-11-19"
)
FAILED = download(
    "failed",
    "failed",
    model="Llama-3.3-70B-Q4_K_M",
    error="38 GB are needed, 12 GB are free",
    hint="Free 12 GB, then go on",
    code="disk_full",
    parts=3,
    part=2,
    added="2026-11-20",
)


@pytest.fixture(autouse=True)
def hub(host: FakeHost) -> FakeHub:
    host.add_chat("REST", host.message("user", "What is REST?"), host.message("assistant", "An interface."))
    FakeModels(host)
    return FakeHub(host)


async def opened(pilot: Pilot[None], *keys: str) -> None:
    await shown(pilot, "An interface.")
    await pilot.press("f3", "4")
    await shown(pilot, "▸ Models", "added")
    await pilot.press(*keys)


def highlighted(pilot: Pilot[None]) -> str:
    return pilot.app.screen.query_one(ChoiceList).highlighted


def changes(host: FakeHost) -> list[tuple[str, str]]:
    called = host.called(h.CHANGE_DOWNLOAD.name)
    return [(one.id, one.action) for one in called if isinstance(one, h.ChangeDownload)]


def order(pilot: Pilot[None]) -> list[str]:
    names = {one.model: one.id for one in (RUNNING, PAUSED, FAILED)}
    lines = screen_text(pilot).splitlines()[5:12]
    return [names[name] for line in lines for name in names if name[:12] in line[:30]]


@pytest.mark.parametrize("size", [(80, 24), WIDE])
async def test_rows_say_how_far_each_is(hub: FakeHub, start: Started, size: tuple[int, int]) -> None:
    hub.put(PAUSED, FAILED, RUNNING)
    async with start(size=size) as pilot:
        await opened(pilot)
        await shown(pilot, "4 Downloads 3", "60 %", "1.4 of 2.3 G", "1:13", "12.5 M/s", "25 %", "disk full")
        # Those that go on by themselves come first, then the newest.
        assert order(pilot) == ["running", "failed", "paused"] and highlighted(pilot) == "running"
        await shown(pilot, "1 on its way", "p pause", "c cancel", "o origin", "F1 help", "It is coming")


async def test_progress_moves_while_the_row_stays(hub: FakeHub, start: Started) -> None:
    hub.put(PAUSED, FAILED, RUNNING)
    async with start() as pilot:
        await opened(pilot, "down")
        hub.alter("running", done=2 * GIB, eta_s=7300.0)
        await shown(pilot, "86 %", "2.0 of 2.3 G", "2 h 01")
        assert highlighted(pilot) == "failed"


@pytest.mark.parametrize(
    ("state", "more", "said"),
    [
        ("queued", {"done": 0}, "It waits for its turn"),
        ("running", {"quiet_s": 12.0}, "No data for 12 s; it is tried again by itself"),
        ("waiting", {"wait_s": 8.0, "error": "the hub answered 503"}, "It tries again by itself in 8 s"),
        ("checking", {}, "its checksum is compared"),
        ("paused", {}, "1.4 G, from where it goes on"),
        ("cancelled", {}, "1.4 G, from where it goes on; x deletes them"),
        ("failed", {"error": "the disk is full", "hint": "Free 12 GB"}, "Free 12 GB"),
        ("cancelled", {}, "It is cancelled"),
        ("done", {"path": "/home/me/m.gguf"}, "/home/me/m.gguf"),
        ("running", {"note": "the file changed on the hub and is fetched anew"}, "fetched anew"),
        ("running", {"parts": 3, "part": 2}, "2 of 3"),
    ],
)
async def test_the_pane_says_each_state_in_words(
    hub: FakeHub, start: Started, state: h.DownloadState, more: dict[str, object], said: str
) -> None:
    hub.put(download("one", state, **more))
    async with start() as pilot:
        await opened(pilot)
        await shown(pilot, said)


async def test_p_pauses_and_goes_on(hub: FakeHub, host: FakeHost, start: Started) -> None:
    hub.put(RUNNING)
    async with start() as pilot:
        await opened(pilot, "p")
        await shown(pilot, "Qwen3-4B-Q4_K_M is paused", "It is paused", "Enter go on")
        await pilot.press("p")
        await shown(pilot, "↓ Qwen3-4B-Q4_K_M goes on", "It is asked for")
        hub.alter("running", rate=5e6)
        await shown(pilot, "It is coming")
        assert changes(host) == [("running", "pause"), ("running", "resume")]


async def test_enter_goes_on_with_what_ended(hub: FakeHub, host: FakeHost, start: Started) -> None:
    hub.put(PAUSED, FAILED)
    async with start() as pilot:
        await opened(pilot, "enter")
        await until(pilot, lambda: changes(host) == [("failed", "resume")])
        await pilot.press("end", "enter")
        await until(pilot, lambda: changes(host) == [("failed", "resume"), ("paused", "resume")])


async def test_cancelling_is_undone_with_z(hub: FakeHub, host: FakeHost, start: Started) -> None:
    hub.put(FAILED, RUNNING)
    async with start() as pilot:
        await opened(pilot, "c")
        await shown(pilot, "is cancelled · 1.4 G of it are kept; z goes on with it", "Enter go on")
        await pilot.press("down")
        await shown(pilot, "z undo")
        await pilot.press("z")
        await shown(pilot, "↓ Qwen3-4B-Q4_K_M goes on")
        assert changes(host) == [("running", "cancel"), ("running", "resume")]
        await pilot.press("z")
        await shown(pilot, "✗ nothing was cancelled here")


@pytest.mark.parametrize("key", ["x", "delete"])
@pytest.mark.parametrize("state", ["running", "waiting", "paused", "failed"])
async def test_what_could_go_on_is_deleted_with_the_second_key_only(
    hub: FakeHub, host: FakeHost, start: Started, key: str, state: h.DownloadState
) -> None:
    hub.put(PAUSED, FAILED, replace(RUNNING, state=state))
    async with start() as pilot:
        await opened(pilot)
        app_of(pilot).models.open_downloads("running")
        await until(pilot, lambda: highlighted(pilot) == "running")
        before = order(pilot)
        await pilot.press(key)
        await shown(
            pilot, "Qwen3-4B-Q4_K_M is cancelled · x again deletes its 1.4 G, Enter goes", "It is cancelled"
        )
        assert order(pilot) == before and highlighted(pilot) == "running"
        await pilot.press(key)
        await shown(pilot, "Qwen3-4B-Q4_K_M is off the list, 1.4 G are deleted", "4 Downloads 2")
        assert changes(host) == [("running", "cancel"), ("running", "remove")]


async def test_enter_goes_on_with_what_x_cancelled(hub: FakeHub, host: FakeHost, start: Started) -> None:
    hub.put(replace(RUNNING, done=0))
    async with start() as pilot:
        await opened(pilot, "x")
        await shown(pilot, "x again takes it off the list, Enter goes on", "Enter go on", "x take away")
        await pilot.press("enter")
        await shown(pilot, "↓ Qwen3-4B-Q4_K_M goes on")
        assert changes(host) == [("running", "cancel"), ("running", "resume")]


async def test_enter_tries_one_that_waits_at_once(hub: FakeHub, host: FakeHost, start: Started) -> None:
    hub.put(replace(RUNNING, state="waiting", wait_s=300.0))
    async with start() as pilot:
        await opened(pilot)
        await shown(pilot, "again in 5 min", "Enter try now", "Enter tries now")
        await pilot.press("enter")
        await shown(pilot, "↓ Qwen3-4B-Q4_K_M is tried now")
        assert changes(host) == [("running", "resume")]


async def test_a_second_failure_is_said_and_what_was_said_before_goes(
    hub: FakeHub, host: FakeHost, start: Started
) -> None:
    hub.put(FAILED)
    again = replace(FAILED, error="the hub has no such file", code="not_found")

    def fails_soon(request: h.ChangeDownload) -> h.Download:
        """The facts come no more often than four times a second: nobody hears that it ran."""
        hub.downloads = (again,)
        return replace(FAILED, state="running", error="", hint="", code="")

    host.replies[h.CHANGE_DOWNLOAD.name] = fails_soon
    async with start() as pilot:
        await opened(pilot, "enter")
        await shown(pilot, "↓ Llama-3.3-70B-Q4_K_M goes on")
        hub.put(again)
        await shown(pilot, "✗ Llama-3.3-70B-Q4_K_M was not fetched: the hub has no such file")
        assert "goes on" not in screen_text(pilot)


async def test_one_that_failed_before_the_host_answered_goes_not_on(
    hub: FakeHub, host: FakeHost, start: Started
) -> None:
    hub.put(FAILED)
    host.replies[h.CHANGE_DOWNLOAD.name] = FAILED
    async with start() as pilot:
        await opened(pilot, "enter")
        await shown(pilot, "✗ Llama-3.3-70B-Q4_K_M failed again: 38 GB are needed", "Free 12 GB, then go on")


async def test_the_keys_stay_on_one_row_whatever_the_state(hub: FakeHub, start: Started) -> None:
    hub.put(PAUSED, FAILED, RUNNING)
    async with start() as pilot:
        await opened(pilot)
        for state, key in (
            ("running", "c cancel"),
            ("waiting", "Enter try now"),
            ("cancelled", "x delete"),
            ("failed", "Enter go on"),
            ("done", "Enter use"),
        ):
            hub.alter("running", state=state)
            await shown(pilot, key, "F1 help")
            assert not pilot.app.screen.query_one("#more-hints").display


async def test_keys_that_needed_two_rows_keep_them(
    hub: FakeHub, start: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.put(RUNNING)
    async with start() as pilot:
        await opened(pilot)
        many = [(f"{number}", "does something") for number in range(8)]
        with monkeypatch.context() as patch:
            patch.setattr(DownloadsTab, "hints", lambda tab: many)
            hub.alter("running", done=GIB)
            await shown(pilot, "7 does something")
        hub.alter("running", done=2 * GIB)
        await shown(pilot, "p pause")
        assert pilot.app.screen.query_one("#more-hints").display
        await pilot.press("3")
        await shown(pilot, "Good small models")
        assert not pilot.app.screen.query_one("#more-hints").display


async def test_a_model_that_is_here_is_used(hub: FakeHub, host: FakeHost, start: Started) -> None:
    hub.put(RUNNING)
    async with start() as pilot:
        await opened(pilot, "enter")
        await shown(pilot, "can be used when all of it is here")
        hub.finish("running")
        await shown(pilot, "It is here, and was found to be whole", "Enter use", "100 %")
        await pilot.press("p")
        await shown(pilot, "✗ Qwen3-4B-Q4_K_M is here already")
        await pilot.press("c")
        await shown(pilot, "✗ Qwen3-4B-Q4_K_M is done already")
        await pilot.press("enter")
        await shown(pilot, "▸ Chat")
        await until(pilot, lambda: app_of(pilot).session.model == "Qwen3-4B-Q4_K_M")
        assert changes(host) == [("running", "seen")]


async def test_a_model_that_was_deleted_since_is_told(hub: FakeHub, start: Started) -> None:
    hub.put(download("gone", "done"))
    async with start() as pilot:
        await opened(pilot, "enter")
        await shown(pilot, "✗ Qwen3-4B-Q4_K_M is no longer here")
        await pilot.press("x")
        await shown(pilot, "is off the list · the model stays", "Nothing was downloaded yet")


async def test_o_shows_where_it_is_from(hub: FakeHub, host: FakeHost, start: Started) -> None:
    hub.put(RUNNING, replace(PAUSED, origin="/home/me/m.gguf"))
    async with start() as pilot:
        await opened(pilot, "end", "o")
        await shown(pilot, "✗ gemma-3-1b-it-Q8_0 does not come from the hub")
        await pilot.press("home", "o")
        await shown(pilot, f"{REPO} · 4 models")
        assert host.called(h.HUB_FILES.name) == [h.RepoRef(repo=REPO)]


async def test_what_the_host_refuses_is_said(hub: FakeHub, host: FakeHost, start: Started) -> None:
    hub.put(RUNNING)
    async with start() as pilot:
        await opened(pilot)
        host.fail[h.CHANGE_DOWNLOAD.name] = KenshoError(
            "it is being installed just now", hint="Wait a moment"
        )
        await pilot.press("c")
        await shown(pilot, "✗ it is being installed just now · Wait a moment")


async def test_it_is_filtered_and_sorted_like_other_tables(hub: FakeHub, start: Started) -> None:
    hub.put(PAUSED, FAILED, RUNNING)
    async with start() as pilot:
        await opened(pilot, "slash", *"gemma", "enter")
        await until(pilot, lambda: order(pilot)[:1] == ["paused"] and highlighted(pilot) == "paused")
        await pilot.press("escape", "s", "s", "S")
        await shown(pilot, "by progress ▲")
        assert order(pilot)[0] == "paused"


async def test_without_downloads_it_says_where_to_get_some(start: Started) -> None:
    async with start() as pilot:
        await opened(pilot)
        await shown(pilot, "Nothing was downloaded yet: 3 shows what there is", "3 hub")
        await pilot.press("enter", "p", "c", "x", "o", "z", "space")
        await shown(pilot, "nothing was cancelled here")


async def test_it_is_opened_by_slash_command(hub: FakeHub, start: Started) -> None:
    hub.put(FAILED, RUNNING)
    async with start() as pilot:
        await shown(pilot, "An interface.")
        app_of(pilot).chat_screen.prompt.put("/downloads")
        await pilot.press("enter")
        await shown(pilot, "▸ Models", "4 Downloads 2")
        app_of(pilot).models.open_downloads("failed")
        await until(pilot, lambda: highlighted(pilot) == "failed")


async def test_hostile_text_is_harmless(hub: FakeHub, start: Started) -> None:
    evil = "a\x1b[31m\x1b]0;x\x07\u202e\n" + "b" * 4000
    hub.put(
        download(
            "evil",
            "failed",
            model=evil,
            origin=evil,
            quantisation=evil,
            error=evil,
            hint=evil,
            note=evil,
            path=evil,
            added=evil,
            done=-5,
            total=-1,
        )
    )
    async with start() as pilot:
        await opened(pilot)
        await shown(pilot, "a bbb", "It failed")
        await pilot.press("o", "enter")
        await shown(pilot, "goes on")
        for bad in ("\x1b", "\u202e", "\x07", "[31m"):
            assert bad not in screen_text(pilot)
