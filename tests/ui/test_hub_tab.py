"""The hub's tab: the list without the network, searches, waits, errors, files, and what is downloaded."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual import events
from textual.pilot import Pilot

from kensho_tui.core import contract as c
from kensho_tui.core import hub_contract as h
from kensho_tui.core import model_contract as m
from kensho_tui.core.errors import GatedError, KenshoError, LimitedError, NotFoundError, OfflineError
from kensho_tui.ui.app import KenshoApp
from kensho_tui.ui.choice_list import ChoiceList
from tests.ui.conftest import Started, app_of, screen_text, shown, until
from tests.ui.fake_host import GIB, FakeHost
from tests.ui.fake_hub import BIG, GATED, OTHER, REPO, REVISION, FakeHub, download, files, repo
from tests.ui.fake_models import FakeModels

WIDE = (160, 48)
FILES = files()


@pytest.fixture(autouse=True)
def hub(host: FakeHost) -> FakeHub:
    host.add_chat("REST", host.message("user", "What is REST?"), host.message("assistant", "An interface."))
    FakeModels(host)
    return FakeHub(host)


async def opened(pilot: Pilot[None], *keys: str) -> None:
    await shown(pilot, "An interface.")
    await pilot.press("f3", "3")
    await shown(pilot, "Good small models, chosen beforehand: nothing was asked of the network", "Gemma 3 1B")
    await pilot.press(*keys)


async def searched(pilot: Pilot[None], words: str = "qwen") -> None:
    await opened(pilot, "slash", *words, "enter")


def highlighted(pilot: Pilot[None]) -> str:
    return pilot.app.screen.query_one(ChoiceList).highlighted


def asked(host: FakeHost) -> list[object]:
    """What was asked of the network."""
    searches = [one for one in host.called(h.SEARCH_HUB.name) if one != h.SearchHub()]
    return [*searches, *host.called(h.HUB_FILES.name), *host.called(h.HUB_DETAILS.name)]


def started(host: FakeHost) -> list[object]:
    return host.called(h.START_DOWNLOAD.name)


# --- the list -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), WIDE])
async def test_the_list_is_there_without_the_network(
    host: FakeHost, start: Started, size: tuple[int, int]
) -> None:
    async with start(size=size) as pilot:
        await opened(pilot)
        await shown(
            pilot, "quick answers", "1.0 B", "Q4_K_M", "819 M", "fits", "needs 52 of 7.1 G", "▸ Models"
        )
        await shown(pilot, "/ search the hub, Enter asks", "Enter files", "d download", "F1 help")
        await shown(pilot, "by what suits ▼")
        await pilot.press("down", "down", "up", "s", "s", "S")
        await shown(pilot, "by for ▼")
        assert asked(host) == []


async def test_letters_in_the_line_ask_nothing_until_enter(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "slash", *"qwen")
        await shown(pilot, "Enter asks the hub", "Gemma 3 1B", "nothing was asked")
        assert asked(host) == []
        await pilot.press("enter")
        await shown(pilot, "4 repositories with “qwen”", "by downloads ▼")
        assert asked(host) == [h.SearchHub(query="qwen")]


async def test_esc_leaves_the_line_as_it_was(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await searched(pilot)
        await shown(pilot, "4 repositories")
        await pilot.press("slash", *"gemma", "escape")
        await until(pilot, lambda: pilot.app.focused is pilot.app.screen.query_one(ChoiceList))
        assert "gemma\n" not in screen_text(pilot) and len(asked(host)) == 1
        await pilot.press("escape")
        await shown(pilot, "Good small models", "/ search the hub")
        await pilot.press("escape")
        await shown(pilot, "▸ Chat")


async def test_an_empty_line_shows_the_list_again(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await searched(pilot)
        await shown(pilot, "4 repositories")
        await pilot.press("slash", "backspace", "enter")
        await shown(pilot, "Good small models", "by what suits ▼")
        assert len(asked(host)) == 1


async def test_keys_that_come_in_one_go_ask_what_was_typed(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await shown(pilot, "An interface.")
        for key in ("f3", "3", "slash", *"gemma", "enter"):
            pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await shown(pilot, "4 repositories with “gemma”")
        assert asked(host) == [h.SearchHub(query="gemma")]


# --- what was found -------------------------------------------------------------------------------------


async def test_another_sort_asks_the_hub_again(host: FakeHost, start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await searched(pilot)
        await until(pilot, lambda: highlighted(pilot) == BIG)
        await shown(pilot, "1.2 M", "2.1 k", "≈ 40 G", "gated", "2 Oct")
        await pilot.press("s")
        await shown(pilot, "by likes ▼")
        await pilot.press("s", "s")
        await shown(pilot, "by size ▲")
        await until(pilot, lambda: highlighted(pilot) == GATED)
        assert [one.sort for one in asked(host) if isinstance(one, h.SearchHub)] == [
            "downloads",
            "likes",
            "updated",
            "size",
        ]
        await pilot.press("S", "home")
        await shown(pilot, "by size ▼")
        await until(pilot, lambda: highlighted(pilot) == BIG)
        assert len(asked(host)) == 4


async def test_the_column_it_is_sorted_by_is_shown_in_a_narrow_terminal(start: Started) -> None:
    async with start() as pilot:
        await searched(pilot)
        await shown(pilot, "by downloads ▼", "1.2 M")
        assert "updated" not in screen_text(pilot)
        await pilot.press("s", "s")
        await shown(pilot, "by updated ▼", "updated ▼", "2 Oct", "repository")


async def test_another_sort_drops_no_opening(hub: FakeHub, host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await searched(pilot)
        await shown(pilot, "4 repositories")
        slow = hub.slowly()
        await pilot.press("down", "enter")
        await shown(pilot, "◌ asking the hub for the files of")
        await pilot.press("s", "S")
        slow.go.set()
        await shown(pilot, f"{REPO} · 4 models", "by size ▲")
        assert [one for one in asked(host) if isinstance(one, h.SearchHub)] == [h.SearchHub(query="qwen")]


async def test_esc_leads_back_to_the_list_though_it_was_never_there(hub: FakeHub, start: Started) -> None:
    async with start() as pilot:
        await shown(pilot, "An interface.")
        slow = hub.slowly()
        app_of(pilot).models.open_hub("qwen")
        await shown(pilot, "looking for “qwen”")
        await pilot.press("escape")
        await shown(pilot, "Good small models", "Gemma 3 1B", "▸ Models", "/ search the hub")
        assert slow.ended == 1
        await pilot.press("escape")
        await shown(pilot, "▸ Chat")


async def test_a_search_while_there_is_no_host_yet_ends_in_the_list(
    host: FakeHost, make_app: Callable[[], KenshoApp]
) -> None:
    host.reachable = False
    async with make_app().run_test(size=(80, 24)) as pilot:
        await shown(pilot, "connecting")
        await pilot.press("f5", "slash", *"qwen", "enter")
        await shown(pilot, "◌ looking for “qwen” on the hub")
        await pilot.press("escape")
        await shown(pilot, "◌ the list of good models", "▸ Models")
        host.reachable = True
        await shown(pilot, "Gemma 3 1B", "▸ Models")
        assert asked(host) == []


async def test_more_are_asked_for_with_m(hub: FakeHub, host: FakeHost, start: Started) -> None:
    hub.found = tuple(repo(f"someone/model-{number}", 1.0, downloads=1000 - number) for number in range(70))
    async with start() as pilot:
        await searched(pilot)
        await shown(pilot, "50 repositories with “qwen” · m shows more")
        await pilot.press("down", "m")
        await shown(pilot, "70 repositories with “qwen”")
        assert highlighted(pilot) == "someone/model-1" and "m shows more" not in screen_text(pilot)
        assert asked(host)[-1] == h.SearchHub(query="qwen", limit=100)


async def test_one_of_which_nothing_is_known_is_shown_all_the_same(hub: FakeHub, start: Started) -> None:
    hub.found = (h.HubRepo(repo="someone/something"),)
    async with start() as pilot:
        await searched(pilot)
        await shown(pilot, "1 repository with “qwen”", "Enter shows whether its files fit")


async def test_nothing_found_is_said(hub: FakeHub, start: Started) -> None:
    hub.found = ()
    async with start() as pilot:
        await searched(pilot)
        await shown(pilot, "no repositories with “qwen”", "nothing found")
        await pilot.press("enter", "d", "m", "space", "escape")
        await shown(pilot, "Good small models")


async def test_a_slow_hub_says_what_is_awaited_and_esc_stops_it(
    hub: FakeHub, host: FakeHost, start: Started
) -> None:
    async with start() as pilot:
        await opened(pilot, "down")
        slow = hub.slowly()
        await pilot.press("slash", *"qwen", "enter")
        await shown(pilot, "◌ looking for “qwen” on the hub …", "Esc stop")
        app_of(pilot).session.clock = lambda: 10.0**9
        await shown(pilot, " s · Esc stops")
        await pilot.press("escape")
        await shown(pilot, "Good small models", "Enter files")
        await until(pilot, lambda: slow.ended == 1)
        assert highlighted(pilot) == REPO and "looking for" not in screen_text(pilot)
        # What comes too late, or was asked for again, is another matter.
        await pilot.press("slash", *"qwen", "enter")
        await shown(pilot, "◌ looking for")
        slow.go.set()
        await shown(pilot, "4 repositories")


async def test_another_question_ends_the_one_before(hub: FakeHub, host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        slow = hub.slowly()
        await searched(pilot)
        await shown(pilot, "looking for “qwen”")
        await pilot.press("slash", *"llama", "enter")
        await shown(pilot, "looking for “llama”")
        await until(pilot, lambda: slow.ended == 1)
        slow.go.set()
        await shown(pilot, "with “llama”")


@pytest.mark.parametrize(
    "error",
    [
        OfflineError("the hub cannot be reached", hint="Look at the network"),
        GatedError("its terms must be accepted first", hint="Accept them on its page"),
        LimitedError("the hub was asked too often", hint="Try again in 3 min"),
        NotFoundError("the hub has no such repository", hint="Look at its name"),
        KenshoError("the hub \x1b[31manswers nonsense", hint="x\n" * 300),
    ],
    ids=["offline", "gated", "limited", "missing", "hostile"],
)
async def test_errors_stand_where_the_rows_would_be_and_r_tries_again(
    hub: FakeHub, host: FakeHost, start: Started, error: KenshoError
) -> None:
    async with start() as pilot:
        await opened(pilot)
        hub.down = error
        await pilot.press("slash", *"qwen", "enter")
        await shown(pilot, "✗ ", error.hint[:16].split("\n")[0], "r tries again", "r try again", "Esc back")
        assert "Gemma 3 1B" not in screen_text(pilot) and "\x1b" not in screen_text(pilot)
        await pilot.press("enter", "d")
        hub.down = None
        await pilot.press("r")
        await shown(pilot, "4 repositories with “qwen”")
        assert len(asked(host)) == 2


async def test_esc_puts_an_error_away(hub: FakeHub, start: Started) -> None:
    async with start() as pilot:
        await searched(pilot)
        await shown(pilot, "4 repositories")
        hub.down = OfflineError("the hub cannot be reached")
        await pilot.press("down", "down", "enter")
        await shown(pilot, "✗ the hub cannot be reached")
        await pilot.press("escape")
        await shown(pilot, "4 repositories with “qwen”")
        assert highlighted(pilot) == GATED


# --- files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), WIDE])
async def test_enter_shows_the_files_and_backspace_goes_back(
    host: FakeHost, start: Started, size: tuple[int, int]
) -> None:
    async with start(size=size) as pilot:
        await opened(pilot, "down", "enter")
        await shown(
            pilot, f"{REPO} · 4 models", "Q2_K", "★", "4.8", "needs 9.9 of 7.1 G", "★ recommended here"
        )
        assert highlighted(pilot) == FILES[1].file
        await pilot.press("backspace")
        await shown(pilot, "Good small models")
        assert highlighted(pilot) == REPO
        await pilot.press("enter")
        await shown(pilot, "4 models")
        await pilot.press("escape")
        await until(pilot, lambda: highlighted(pilot) == REPO)


async def test_a_row_that_rests_has_its_header_read(host: FakeHost, start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await opened(pilot, "down", "enter")
        await shown(pilot, "qwen3, 36 blocks", "weights", "KV cache", "8,192 tokens · f16", "tokens fit at")
        details = host.called(h.HUB_DETAILS.name)
        assert details == [h.HubFileRef(repo=REPO, file=FILES[1].file, revision=REVISION)]
        await pilot.press("down", "up", "home", "down")
        await pilot.pause(0.5)
        assert highlighted(pilot) == FILES[1].file and host.called(h.HUB_DETAILS.name) == details
        await pilot.press("end")
        await shown(pilot, "F16, 16.0 bits per weight")
        assert len(host.called(h.HUB_DETAILS.name)) == 2


async def test_the_rows_verdict_becomes_the_exact_one(hub: FakeHub, start: Started) -> None:
    wrong = c.Verdict(kind="too large", need=99 * GIB, free=GIB)
    hub.files[REPO] = tuple(replace(file, verdict=wrong) for file in FILES)
    async with start() as pilot:
        await opened(pilot, "down", "enter")
        await shown(pilot, "needs 99 of 1.0 G")
        await until(pilot, lambda: any("Q4_K_M" in line and "fits" in line for line in rows(pilot)))


def rows(pilot: Pilot[None]) -> list[str]:
    return screen_text(pilot).splitlines()


async def test_a_header_that_cannot_be_read_is_said_and_tried_again(
    hub: FakeHub, host: FakeHost, start: Started
) -> None:
    async with start() as pilot:
        await opened(pilot, "down", "enter")
        await shown(pilot, "4 models")
        hub.down = LimitedError("the hub was asked too often", hint="Wait a little")
        await shown(pilot, "✗ the hub was asked too often. Wait a little", "Enter download")
        hub.down = None
        await pilot.press("r")
        await shown(pilot, "qwen3, 36 blocks")
        assert len(host.called(h.HUB_FILES.name)) == 1


async def test_notes_and_broken_files_are_said(hub: FakeHub, host: FakeHost, start: Started) -> None:
    hub.note = "no header could be read"
    bad = replace(FILES[0], problem="a part of it is missing", verdict=None)
    hub.files[REPO] = (bad, *FILES[1:])
    async with start() as pilot:
        await opened(pilot, "down", "enter", "home")
        await shown(pilot, "4 models · no header could be read", "a part of it is missing")
        await pilot.press("enter")
        await shown(pilot, "Qwen3-4B-Q2_K cannot be used: a part of it is missing")
        assert not started(host)


async def test_a_repository_without_files_says_so(hub: FakeHub, start: Started) -> None:
    hub.files[REPO] = ()
    async with start() as pilot:
        await opened(pilot, "down", "enter")
        await shown(pilot, "0 models", "There is no GGUF file in it")
        await pilot.press("enter", "d", "escape")
        await shown(pilot, "Good small models")


async def test_files_of_one_quantisation_are_told_apart(hub: FakeHub, start: Started) -> None:
    hub.files[REPO] = (FILES[1], replace(FILES[1], file="imatrix/other-Q4_K_M.gguf", recommended=False))
    async with start() as pilot:
        await opened(pilot, "down", "enter")
        await shown(pilot, " imatrix/other-Q4_K_M.gguf", "Qwen3-4B-Q4_K_M.gguf")


# --- downloading ----------------------------------------------------------------------------------------


async def test_enter_downloads_then_shows_it_then_uses_it(
    hub: FakeHub, host: FakeHost, start: Started
) -> None:
    async with start() as pilot:
        await opened(pilot, "down", "enter")
        await shown(pilot, "4 models")
        await pilot.press("enter")
        await shown(pilot, "↓ Qwen3-4B-Q4_K_M is on its way (2.3 G)", "4 shows it", "Enter show its download")
        assert started(host) == [h.StartDownload(what=f"{REPO}/{FILES[1].file}")]
        hub.alter("d1", state="running", done=GIB)
        await shown(pilot, "downloading 43 %")
        await pilot.press("enter")
        await shown(pilot, "4 Downloads 1", "It is asked for", "connecting")
        hub.finish("d1")
        await pilot.press("3")
        await shown(pilot, "installed", "✓", "Enter use")
        await pilot.press("enter")
        await shown(pilot, "▸ Chat")
        await until(pilot, lambda: app_of(pilot).session.model == "Qwen3-4B-Q4_K_M")


async def test_what_does_not_fit_is_downloaded_when_asked_twice(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "down", "enter")
        await shown(pilot, "4 models")
        await pilot.press("end", "enter")
        await shown(pilot, "✗ Qwen3-4B-F16 needs 9.", " of 7.1 G · Enter once more downloads it all")
        await pilot.press("up", "down", "enter")
        assert not started(host)
        await pilot.press("enter")
        await until(pilot, lambda: started(host) == [h.StartDownload(what=f"{REPO}/{FILES[3].file}")])


async def test_d_downloads_the_recommended_file_straight_away(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "down", "d")
        await until(pilot, lambda: started(host) == [h.StartDownload(what=f"{REPO}:Q4_K_M")])
        await pilot.press("down", "d")
        await shown(pilot, "✗ Llama 3.3 70B needs 52 of 7.1 G · d once more downloads it all the same")
        await pilot.press("d")
        await until(pilot, lambda: started(host)[-1] == h.StartDownload(what=f"{BIG}:Q4_K_M"))
        assert not asked(host)


async def test_f5_and_d_fetch_the_best_for_this_machine(hub: FakeHub, host: FakeHost, start: Started) -> None:
    small, best, large = hub.curated
    hub.curated = (best, small, large)
    async with start() as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("f5")
        await until(pilot, lambda: highlighted(pilot) == best.repo)
        await pilot.press("d")
        await until(pilot, lambda: started(host) == [h.StartDownload(what=f"{best.repo}:Q4_K_M")])


async def test_d_leaves_the_choice_to_the_host_where_no_file_was_looked_at(
    host: FakeHost, start: Started
) -> None:
    async with start() as pilot:
        await searched(pilot)
        await until(pilot, lambda: highlighted(pilot) == BIG)
        await pilot.press("down", "d")
        await until(pilot, lambda: started(host) == [h.StartDownload(what=REPO)])


async def test_a_download_that_cannot_begin_is_said(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot)
        host.fail[h.START_DOWNLOAD.name] = KenshoError("the disk is full", hint="Free 2.3 GB")
        await pilot.press("d")
        await shown(pilot, "✗ Gemma 3 1B was not fetched: the disk is full · Free 2.3 GB")
        await pilot.press("down")
        await until(pilot, lambda: "the disk is full" not in screen_text(pilot))


async def test_a_slow_hub_is_said_to_be_asked_on_every_tab(
    hub: FakeHub, host: FakeHost, start: Started
) -> None:
    async with start() as pilot:
        await opened(pilot, "down")
        slow = hub.slowly()
        await pilot.press("d")
        await shown(pilot, "◌ asking the hub for Qwen3 4B … · Esc stops")
        await pilot.press("up", "4")
        await until(pilot, lambda: screen_text(pilot).count("◌ asking the hub for Qwen3 4B …") == 2)
        assert "Nothing was downloaded" not in screen_text(pilot)
        slow.go.set()
        await shown(pilot, "is on its way", "4 Downloads 1", "It waits for its turn")
        assert "asking the hub" not in screen_text(pilot)


async def test_what_was_asked_for_is_said_no_longer_on_the_screen_that_was_left(
    hub: FakeHub, start: Started
) -> None:
    async with start() as pilot:
        await opened(pilot)
        slow = hub.slowly()
        await pilot.press("d")
        await shown(pilot, "◌ asking the hub for Gemma 3 1B")
        await pilot.press("f2")
        slow.go.set()
        await shown(pilot, "is on its way", "▸ Chat")
        await pilot.press("f3")
        await shown(pilot, "▸ Models")
        assert "asking the hub" not in screen_text(pilot)


@pytest.mark.parametrize("late", [True, False])
async def test_esc_stops_what_the_hub_has_not_answered(
    hub: FakeHub, host: FakeHost, start: Started, late: bool
) -> None:
    """The host does not hear of it: what begins all the same is ended."""
    async with start() as pilot:
        await opened(pilot, "down")
        slow = hub.slowly()
        await pilot.press("d")
        await shown(pilot, "◌ asking the hub for Qwen3 4B")
        await pilot.press("escape")
        await shown(pilot, "Qwen3 4B is not fetched", "▸ Models", "Good small models")
        hub.down = None if late else OfflineError("the hub cannot be reached")
        slow.go.set()
        if late:
            changes = [h.ChangeDownload(id="d1", action=action) for action in ("cancel", "remove")]
            await until(pilot, lambda: host.called(h.CHANGE_DOWNLOAD.name) == changes)
        await pilot.pause(0.1)
        assert "is on its way" not in screen_text(pilot) and "cannot be reached" not in screen_text(pilot)
        assert hub.downloads == ()


@pytest.mark.parametrize(
    ("what", "said"), [("~/m.gguf", "◌ asking for ~/m.gguf …"), (OTHER, f"◌ asking the hub for {OTHER} …")]
)
async def test_pull_says_in_the_chat_what_is_asked_for(
    hub: FakeHub, start: Started, what: str, said: str
) -> None:
    async with start() as pilot:
        slow = hub.slowly()
        await say(pilot, f"/pull {what}")
        await shown(pilot, said)
        await pilot.press(*"typing")
        await shown(pilot, said, "typing")
        assert "Esc stops" not in screen_text(pilot)
        slow.go.set()
        await shown(pilot, "is on its way", "/downloads shows it")


async def test_of_several_that_are_asked_for_esc_stops_the_last(
    hub: FakeHub, host: FakeHost, start: Started
) -> None:
    async with start() as pilot:
        await opened(pilot)
        slow = hub.slowly()
        await pilot.press("d", "down", "d")
        await shown(pilot, "◌ asking the hub for Qwen3 4B and 1 more …")
        await pilot.press("escape")
        await shown(pilot, "◌ asking the hub for Gemma 3 1B …")
        slow.go.set()
        await until(pilot, lambda: [one.origin for one in hub.downloads] == [OTHER])


@pytest.mark.parametrize("keys", [("4",), ("tab",), ("f2", "f3", "4")])
async def test_the_one_just_begun_is_highlighted_among_the_downloads(
    hub: FakeHub, start: Started, keys: tuple[str, ...]
) -> None:
    hub.put(download("x", added="2026-11-21T10:00:00+00:00"), download("y", "paused"))
    async with start() as pilot:
        await opened(pilot, "4")
        await until(pilot, lambda: highlighted(pilot) == "x")
        await pilot.press("3", "d")
        await shown(pilot, "4 shows it")
        await pilot.press(*keys)
        await until(pilot, lambda: highlighted(pilot) == "d1")
        await pilot.press("home", "3", "4")
        await until(pilot, lambda: highlighted(pilot) == "x")


async def test_one_that_fails_is_marked_in_the_files_and_one_that_comes_in_the_list(
    hub: FakeHub, start: Started
) -> None:
    hub.put(download("x", "failed"))
    hub.files[REPO] = tuple(replace(one, download="x" if one.recommended else "") for one in FILES)
    async with start() as pilot:
        await opened(pilot, "down", "enter")
        await until(pilot, lambda: any("✗ Q4_K_M" in row and "failed" in row for row in rows(pilot)))
        hub.alter("x", state="running", done=43, total=100)
        await pilot.press("escape")
        await shown(pilot, "downloading 43 %")


async def test_what_is_here_is_marked_and_used(hub: FakeHub, host: FakeHost, start: Started) -> None:
    name = FILES[1].name
    hub.begin(f"{REPO}/{FILES[1].file}")
    hub.finish("d1")
    hub.curated = tuple(replace(one, installed=(name,) if one.repo == REPO else ()) for one in hub.curated)
    hub.files[REPO] = tuple(replace(one, installed=name if one.name == name else "") for one in FILES)
    async with start() as pilot:
        await opened(pilot, "down")
        await shown(pilot, f"✓ {name} is here")
        await pilot.press("enter")
        await shown(pilot, "installed", "Enter use")
        await pilot.press("enter")
        await until(pilot, lambda: app_of(pilot).session.model == name)


async def test_a_download_that_stopped_is_told_and_gone_on_with(
    hub: FakeHub, host: FakeHost, start: Started
) -> None:
    hub.put(download("x", "paused", origin=REPO))
    hub.files[REPO] = tuple(replace(one, download="x" if one.recommended else "") for one in FILES)
    async with start() as pilot:
        await opened(pilot, "down", "enter")
        await shown(pilot, "‖", "paused", "Enter download")
        await pilot.press("enter")
        await until(pilot, lambda: started(host) == [h.StartDownload(what=f"{REPO}/{FILES[1].file}")])


@pytest.mark.parametrize(
    ("typed", "what"),
    [
        ("Qwen/Qwen3-4B-GGUF:Q4_K_M", "Qwen/Qwen3-4B-GGUF:Q4_K_M"),
        ("ollama:llama3.2:1b", "ollama:llama3.2:1b"),
        ("https://example.org/m.gguf?x=1", "https://example.org/m.gguf?x=1"),
        ("~/m.gguf", str(Path.home() / "m.gguf")),
    ],
)
async def test_what_is_pasted_into_the_line_is_downloaded(
    host: FakeHost, start: Started, typed: str, what: str
) -> None:
    async with start() as pilot:
        await opened(pilot, "slash")
        pilot.app.screen.query_one("#models Input").post_message(events.Paste(f"{typed}\n"))
        await shown(pilot, typed)
        await pilot.press("enter")
        await until(pilot, lambda: started(host) == [h.StartDownload(what=what)])
        await shown(pilot, "is on its way", "Good small models", "/ search the hub")
        assert not asked(host)


@pytest.mark.parametrize("typed", [REPO, f"https://huggingface.co/{REPO}/tree/main"])
async def test_a_repository_that_is_pasted_is_opened(host: FakeHost, start: Started, typed: str) -> None:
    async with start() as pilot:
        await opened(pilot, "slash", *typed, "enter")
        await shown(pilot, f"{REPO} · 4 models")
        assert asked(host)[0] == h.RepoRef(repo=REPO) and not started(host)


# --- from elsewhere -------------------------------------------------------------------------------------


async def say(pilot: Pilot[None], text: str) -> None:
    await shown(pilot, "An interface.")
    app_of(pilot).chat_screen.prompt.put(text)
    await pilot.press("enter")


async def test_hub_and_pull_by_slash_command(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await say(pilot, "/hub gemma 3")
        await shown(pilot, "4 repositories with “gemma 3”", "3 Hub")
        await pilot.press("f2")
        await shown(pilot, "▸ Chat")
        await say(pilot, f"/pull {OTHER}:Q8_0")
        await shown(pilot, "is on its way", "/downloads shows it", "▸ Chat")
        assert started(host) == [h.StartDownload(what=f"{OTHER}:Q8_0")]
        await say(pilot, "/pull")
        await shown(pilot, "▸ Models", "with “gemma 3”")


async def test_hub_without_words_shows_the_list(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await say(pilot, "/hub")
        await shown(pilot, "Good small models")
        assert asked(host) == []


async def test_the_screen_leads_there_when_there_is_no_model(host: FakeHost, start: Started) -> None:
    host.models_now = ()
    async with start() as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("f3")
        await shown(pilot, "There is no model yet: 3 shows good ones", "3 get a model")
        await pilot.press("3")
        await shown(pilot, "Gemma 3 1B")


async def test_tabs_by_number_and_each_keeps_its_row(start: Started) -> None:
    async with start() as pilot:
        await opened(pilot, "down")
        assert highlighted(pilot) == REPO
        await pilot.press("1", "down")
        there = highlighted(pilot)
        await pilot.press("left")
        await shown(pilot, "Nothing was downloaded yet")
        await pilot.press("left")
        await until(pilot, lambda: highlighted(pilot) == REPO)
        await pilot.press("1")
        assert highlighted(pilot) == there


async def test_no_model_is_deleted_that_is_not_highlighted(host: FakeHost, start: Started) -> None:
    async with start() as pilot:
        await opened(pilot)
        app_of(pilot).action_command("delete-model")
        await shown(pilot, "✗ say which model")
        assert not host.called(m.DELETE.name)


async def test_what_is_tried_with_a_model_stays_out_of_the_hubs_pane(host: FakeHost, start: Started) -> None:
    async with start(size=WIDE) as pilot:
        await shown(pilot, "An interface.")
        await pilot.press("f3", "down")
        await shown(pilot, "RAM · estimated")
        await pilot.press("right_square_bracket", "3")
        await shown(pilot, "Good small models")
        await pilot.pause(0.3)
        assert "quick answers" in screen_text(pilot) and "weights" not in screen_text(pilot)


async def test_hostile_text_of_the_hub_is_harmless(hub: FakeHub, host: FakeHost, start: Started) -> None:
    evil = "a\x1b[31m\x1b]0;x\x07\u202e\n" + "b" * 4000
    bad = repo(f"x/{evil}", 1.0, architecture=evil, licence=evil, quantisation=evil, role=evil, updated=evil)
    hub.found = (bad, repo("x/old", 1.0, updated="0001-01-01T00:00:00+14:00"))
    hub.files[bad.repo] = (
        replace(FILES[0], file=f"../{evil}.gguf", name=evil, quantisation=evil, recommended=True),
    )
    hub.note = evil
    async with start() as pilot:
        await searched(pilot)
        await shown(pilot, "2 repositories", "x/a bb", "…")
        await pilot.press("enter")
        await shown(pilot, "1 model ·", "Architecture")
        await pilot.press("enter")
        await until(pilot, lambda: len(started(host)) == 1)
        for bad_part in ("\x1b", "\u202e", "\x07", "[31m"):
            assert bad_part not in screen_text(pilot)
