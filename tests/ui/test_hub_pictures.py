"""Pictures of the hub's and the downloads' tabs. Update them with `--snapshot-update`."""

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from kensho_tui.config.settings import Settings
from kensho_tui.core.errors import OfflineError
from tests.ui.conftest import shown
from tests.ui.fake_host import GIB, FakeHost
from tests.ui.fake_hub import BIG, OTHER, REPO, FakeHub, download, files
from tests.ui.fake_models import FakeModels
from tests.ui.test_pictures import Act, Compare, Make, at_rest, frozen, with_answer

NARROW, WIDE = (80, 24), (160, 48)
BOTH = pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
LIGHT = Settings(theme="kensho-light")


@pytest.fixture(autouse=True)
def hub(host: FakeHost) -> FakeHub:
    with_answer(host)
    FakeModels(host)
    return FakeHub(host)


def pressing(*keys: str) -> Act:
    """Press them once the hub's list is there."""

    async def act(pilot: Pilot[None]) -> None:
        await shown(pilot, "What is a REST API?")
        await pilot.press("f3", "3")
        await shown(pilot, "Gemma 3 1B")
        await pilot.press(*keys)

    return act


def all_kinds(hub: FakeHub) -> None:
    """A download in each state."""
    hub.put(
        download("done", "done", model="SmolLM3-3B-Q4_K_M", done=2 * GIB, total=2 * GIB, added="2026-11-12"),
        download("cancelled", "cancelled", model="Phi-4-mini-Q8_0", quantisation="Q8_0", added="2026-11-13"),
        download(
            "failed",
            "failed",
            model="Llama-3.3-70B-Instruct-Q4_K_M",
            origin=BIG,
            done=3 * GIB,
            total=40 * GIB,
            parts=2,
            error="the disk is full: 38 GB are needed, 12 GB are free",
            hint="Free some, then go on with it",
            code="disk_full",
            added="2026-11-19",
        ),
        download("paused", "paused", model="gemma-3-1b-it-Q8_0", origin=OTHER, done=GIB // 3, total=GIB),
        download("running"),
        download("waiting", "waiting", model="Qwen3-8B-Q4_K_M", wait_s=12, error="the hub answered 503"),
        download("queued", "queued", model="Qwen3-0.6B-Q8_0", done=0, total=0, quantisation="Q8_0"),
    )


@BOTH
def test_list(make_app: Make, snap_compare: Compare, size: tuple[int, int]) -> None:
    act = at_rest(pressing("down"), "all-round", "Recommended")
    assert snap_compare(frozen(make_app()), terminal_size=size, run_before=act)


@BOTH
def test_found_in_light(make_app: Make, snap_compare: Compare, size: tuple[int, int]) -> None:
    act = at_rest(pressing("slash", *"qwen", "enter"), "4 repositories", "reckoned from")
    assert snap_compare(frozen(make_app(LIGHT)), terminal_size=size, run_before=act)


@BOTH
def test_files(hub: FakeHub, make_app: Make, snap_compare: Compare, size: tuple[int, int]) -> None:
    hub.begin(f"{REPO}/{files()[0].file}")
    hub.finish("d1")

    hub.put(*hub.downloads, download("coming", origin=REPO))
    hub.files[REPO] = tuple(
        replace(file, download={"Q2_K": "d1", "Q8_0": "coming"}.get(file.quantisation, ""))
        for file in files()
    )
    act = at_rest(pressing("down", "enter"), "4 models", "qwen3, 36 blocks", "downloading 60 %")
    assert snap_compare(frozen(make_app()), terminal_size=size, run_before=act)


def test_typing(make_app: Make, snap_compare: Compare) -> None:
    act = at_rest(pressing("slash", *"gemma"), "Enter asks the hub")
    assert snap_compare(frozen(make_app()), terminal_size=NARROW, run_before=act)


def test_waiting(hub: FakeHub, make_app: Make, snap_compare: Compare) -> None:
    hub.slowly()
    act = at_rest(pressing("slash", *"gemma", "enter"), "Esc stops")
    assert snap_compare(frozen(make_app(LIGHT)), terminal_size=NARROW, run_before=act)


def test_offline(hub: FakeHub, make_app: Make, snap_compare: Compare) -> None:
    hint = "Look at the network; the list of good models is there without it, and so are models that are here"
    hub.down = OfflineError("huggingface.co cannot be reached: its name is not known", hint=hint)
    act = at_rest(pressing("slash", *"gemma", "enter"), "r tries again")
    assert snap_compare(frozen(make_app()), terminal_size=NARROW, run_before=act)


def test_too_large(make_app: Make, snap_compare: Compare) -> None:
    act = at_rest(pressing("end", "d"), "d once more downloads it all the same")
    assert snap_compare(frozen(make_app()), terminal_size=NARROW, run_before=act)


@BOTH
def test_downloads(hub: FakeHub, make_app: Make, snap_compare: Compare, size: tuple[int, int]) -> None:
    all_kinds(hub)
    act = at_rest(pressing("4"), "12.5 M/s", "1:13 left")
    assert snap_compare(frozen(make_app()), terminal_size=size, run_before=act)


def test_failed_in_light(hub: FakeHub, make_app: Make, snap_compare: Compare) -> None:
    all_kinds(hub)
    act = at_rest(pressing("4", "end", "up", "up"), "Free some, then go on with it")
    assert snap_compare(frozen(make_app(LIGHT)), terminal_size=NARROW, run_before=act)


def test_no_downloads(make_app: Make, snap_compare: Compare) -> None:
    act = at_rest(pressing("4"), "Nothing was downloaded yet")
    assert snap_compare(frozen(make_app()), terminal_size=NARROW, run_before=act)
