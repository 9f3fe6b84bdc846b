"""Pure parts of the hub's and the downloads' tabs: what is meant by a text, numbers in words, rows, pages."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kensho_tui.core import contract as c
from kensho_tui.core import hub_contract as h
from kensho_tui.ui import format as fmt
from kensho_tui.ui.columns import lay_out, natural_widths
from kensho_tui.ui.models import hub_rows
from kensho_tui.ui.models.download_rows import (
    DOWNLOADS,
    STATE_CELLS,
    DownloadPage,
    amount,
    download_rows,
    left,
    progress,
    rate,
    sentence,
    state,
)
from kensho_tui.ui.models.hub_pages import FilePage, RepoPage
from kensho_tui.ui.models.hub_rows import CURATED, FILES, FOUND, Here, here_now
from kensho_tui.ui.models.sheet import content
from kensho_tui.ui.models.wanted import Repository, Source, Words, wanted
from kensho_tui.ui.table import Listing, Sort
from tests.ui.fake_host import GIB
from tests.ui.fake_hub import BIG, OTHER, REPO, curated, download, files, found, repo, verdict

NOW = datetime(2026, 11, 21, 9, 20, tzinfo=UTC)
MIRROR = "http://127.0.0.1:8080/hub"


# --- what is meant --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", Words("")),
        ("  qwen   coder ", Words("qwen coder")),
        ("qwen3:latest", Words("qwen3:latest")),
        ("a/b/c", Words("a/b/c")),
        ("owner/name", Repository("owner/name")),
        ("owner/na.me-1_2", Repository("owner/na.me-1_2")),
        ("owner/name:Q4_K_M", Source("owner/name:Q4_K_M")),
        ("owner/name@main", Source("owner/name@main")),
        ("owner/name/sub/file.GGUF", Source("owner/name/sub/file.GGUF")),
        ("Ollama:llama3.2:1b", Source("Ollama:llama3.2:1b")),
        ("https://huggingface.co/owner/name", Repository("owner/name")),
        ("https://huggingface.co/owner/name/tree/main?x", Repository("owner/name")),
        ("hf.co/owner/name", Repository("owner/name")),
        ("hf.co/owner/name:Q8_0", Source("https://hf.co/owner/name:Q8_0")),
        (
            "https://huggingface.co/o/n/resolve/main/f.gguf",
            Source("https://huggingface.co/o/n/resolve/main/f.gguf"),
        ),
        ("https://example.org/owner/name", Source("https://example.org/owner/name")),
        ("http://[", Source("http://[")),
        (f"{MIRROR}/owner/name", Repository("owner/name")),
        ("/models/a b.gguf", Source("/models/a b.gguf")),
        ("'/models/a b.gguf'", Source("/models/a b.gguf")),
        ("~/m.gguf", Source(str(Path.home() / "m.gguf"))),
        ("./m.gguf", Source(str(Path.cwd() / "m.gguf"))),
        ("ab\x1b[31mc", Words("abc")),
    ],
)
def test_what_is_meant(text: str, meant: object) -> None:
    assert wanted(text, MIRROR) == meant


def test_another_hubs_addresses_are_files_without_its_setting() -> None:
    assert wanted(f"{MIRROR}/owner/name") == Source(f"{MIRROR}/owner/name")


@given(st.text(max_size=60))
def test_any_text_means_something(text: str) -> None:
    assert isinstance(wanted(text), (Words, Repository, Source))


# --- numbers in words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "said"),
    [(-1, ""), (0, ""), (7, "7"), (999, "999"), (9_800, "9.8 k"), (125_000, "125 k"), (1_234_567, "1.2 M")],
)
def test_counts(number: int, said: str) -> None:
    assert hub_rows.count(number) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, ""),
        (97_000, "97 k"),
        (268_098_176, "268 M"),
        (999_885_952, "1.0 B"),
        (4_022_468_096, "4.0 B"),
        (405 * 10**9, "405 B"),
    ],
)
def test_parameters(number: int, said: str) -> None:
    assert hub_rows.parameters(number) == said


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(GIB, 2 * GIB, "1.0 of 2.0 G"), (GIB // 3, GIB, "341 M of 1.0 G"), (0, GIB, "0 M of 1.0 G")],
)
def test_part_of_a_whole(part: int, whole: int, said: str) -> None:
    assert fmt.of(part, whole) == said


@pytest.mark.parametrize("date", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "nonsense", ""])
def test_dates_that_are_none(date: str) -> None:
    assert fmt.ago(date, NOW) == ""


@pytest.mark.parametrize(
    ("changes", "amount_", "rate_", "left_"),
    [
        ({}, "1.4 of 2.3 G", "12.5 M/s", "1:13"),
        ({"total": 0}, "1.4 G", "12.5 M/s", "1:13"),
        ({"total": 0, "done": 0}, "", "12.5 M/s", "1:13"),
        ({"rate": 2048.0, "eta_s": None}, "1.4 of 2.3 G", "2 K/s", ""),
        ({"rate": 0.0, "eta_s": 1e12}, "1.4 of 2.3 G", "", ""),
        ({"eta_s": 3599.6}, "1.4 of 2.3 G", "12.5 M/s", "1 h 00"),
        ({"eta_s": float("nan")}, "1.4 of 2.3 G", "12.5 M/s", ""),
        ({"quiet_s": 7.2}, "1.4 of 2.3 G", "", ""),
        ({"state": "paused"}, "1.4 of 2.3 G", "", ""),
        ({"state": "done"}, "2.3 G", "", ""),
    ],
)
def test_downloads_in_numbers(changes: dict[str, object], amount_: str, rate_: str, left_: str) -> None:
    one = replace(download("a"), **changes)
    assert (amount(one), rate(one), left(one)) == (amount_, rate_, left_)


def test_a_hundred_per_cent_is_all_of_it() -> None:
    assert progress(download("a", done=999, total=1000)).endswith(" 99 %")
    assert progress(download("a", done=1000, total=1000)).endswith("100 %")
    assert progress(download("a", total=0)) == ""


STATES = (
    (download("a"), "12.5 M/s"),
    (download("a", rate=0.0), "connecting"),
    (download("a", quiet_s=12.4), "stalled 12 s"),
    (download("a", quiet_s=600.0), "stalled 10 min"),
    (download("a", "waiting", wait_s=4.6), "again in 5 s"),
    (download("a", "waiting", wait_s=0.2), "again in 1 s"),
    (download("a", "waiting"), "trying again"),
    (download("a", "failed", code="damaged", error="its checksum is another"), "damaged"),
    (download("a", "failed", code="disk_full", error="38 GB are needed"), "disk full"),
    (download("a", "failed", code="gated"), "no access"),
    (download("a", "failed", code="limited"), "asked too often"),
    (download("a", "failed", code="something new"), "failed"),
    (download("a", "checking"), "checking"),
)


@pytest.mark.parametrize(("one", "said"), STATES)
def test_a_state_is_said_in_few_cells(one: h.Download, said: str) -> None:
    assert state(one) == said and len(said) <= STATE_CELLS


def test_the_columns_of_downloads_have_one_width_whatever_happens() -> None:
    def widths(one: h.Download) -> list[int]:
        rows = download_rows([one], DOWNLOADS.first(), NOW)
        texts = [(row.label, *(cell.text for cell in row.cells)) for row in rows]
        return lay_out(DOWNLOADS.columns, natural_widths(DOWNLOADS.columns, texts, True), 76)

    found_ = [widths(one) for one, _ in STATES]
    assert found_ == [found_[0]] * len(STATES) and all(found_[0][2:6])


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (download("a"), "It is coming"),
        (download("a", rate=0.0), "It is asked for; nothing has come yet"),
        (download("a", quiet_s=7.2), "No data for 7 s; it is tried again by itself"),
        (download("a", "waiting", wait_s=5.0), "It tries again by itself in 5 s; Enter tries now"),
    ],
)
def test_only_what_comes_is_said_to_come(one: h.Download, said: str) -> None:
    assert sentence(one) == said


def test_what_to_do_is_wrapped_and_not_cut() -> None:
    why = (
        "google/gemma is gated: only who accepted its terms may fetch it. Accept them at https://hf.co/google"
    )
    page = FilePage(repo("google/gemma", 1), files()[0], Here(), problem=why)
    for width in (40, 60, 100):
        said = content(page, width, True).plain
        assert why.split() == [word for word in said.split() if word in why.split()][: len(why.split())]
    gated = RepoPage(repo("google/gemma", 1, gated=True), Here(), NOW)
    assert "set HF_TOKEN and restart the host (/restart)" in " ".join(content(gated, 60, True).plain.split())


@pytest.mark.parametrize(("done", "said"), [(0, 0), (290, 29), (579, 57), (999, 99), (1000, 100)])
def test_per_cents_in_the_hub_are_rounded_down(done: int, said: int) -> None:
    here = here_now([], [download("a", origin=OTHER, done=done, total=1000)], {})
    assert hub_rows.chance(repo(OTHER, 1), here).text == f"downloading {said} %"


def test_repositories_say_how_far_their_download_is() -> None:
    here = here_now([], [download("a", origin=OTHER, done=43, total=100)], {})
    cells = {
        row.key: [cell.text for cell in row.cells]
        for row in hub_rows.curated_rows(curated(), here, Sort("size"))
    }
    assert "downloading 43 %" in cells[OTHER] and "downloading 43 %" not in cells[REPO]
    page = RepoPage(repo(OTHER, 1), here, NOW)
    assert "↓ downloading 43 %" in [line.plain for line in page.head()]


@pytest.mark.parametrize(
    ("found_", "said"),
    [
        (None, ""),
        (verdict(2), "fits"),
        (verdict(52), "needs 52 of 7.1 G"),
        (c.Verdict(kind="after", unload=("A",)), "fits after unloading A"),
        (
            c.Verdict(kind="too large", remedies=(c.Remedy(what="x", context=4096),)),
            "4,096 tokens fit",
        ),
    ],
)
def test_verdicts_are_short(found_: c.Verdict | None, said: str) -> None:
    assert hub_rows.verdict(found_).text == said


# --- rows -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listing", "items"),
    [
        (CURATED, list(enumerate(curated()))),
        (FOUND, list(enumerate(found()))),
        (FILES, list(files())),
        (DOWNLOADS, [(True, download("a")), (False, download("b", "done", added="2026-11-22"))]),
    ],
)
def test_every_sort_has_a_column_and_turns_round(listing: Listing, items: list[object]) -> None:
    assert {column.title for column in listing.columns} >= set(listing.sorts) - {hub_rows.SUITS}
    for by, key in listing.sorts.items():
        one, other = (listing.ordered(items, Sort(by, turned)) for turned in (False, True))
        assert [key(item) for item in one] == [key(item) for item in other][::-1]


def test_rows_have_a_cell_for_every_column() -> None:
    here = Here()
    made = (
        (CURATED, hub_rows.curated_rows(curated(), here, CURATED.first())),
        (FOUND, hub_rows.found_rows(found(), here, FOUND.first(), NOW)),
        (FILES, hub_rows.file_rows(REPO, files(), here, FILES.first())),
        (DOWNLOADS, download_rows([download("a")], DOWNLOADS.first(), NOW)),
    )
    for listing, rows in made:
        assert rows and all(len(row.cells) == len(listing.columns) - 1 for row in rows)


def test_the_list_keeps_the_hosts_order_which_has_the_best_for_this_machine_first() -> None:
    small, middle, large = curated()
    listed = (middle, small, large)
    rows = hub_rows.curated_rows(listed, Here(), CURATED.first())
    assert [row.key for row in rows] == [one.repo for one in listed]
    turned = hub_rows.curated_rows(listed, Here(), Sort(CURATED.first().by, turned=True))
    assert [row.key for row in turned] == [one.repo for one in reversed(listed)]


def test_found_ones_are_kept_as_the_hub_sorted_them() -> None:
    for by in FOUND.sorts:
        rows = hub_rows.found_rows(found(), Here(), Sort(by), NOW)
        assert [row.key for row in rows] == [one.repo for one in found()]


def test_what_is_here_and_what_is_coming_is_marked() -> None:
    installed = replace(repo(REPO, 2), installed=("A", "gone"))
    here = here_now(["A"], [download("a", origin=OTHER)], {})
    marks = [hub_rows.repo_mark(one, here).text for one in (installed, repo(OTHER, 1), repo(BIG, 40))]
    assert marks == ["✓", "↓", "✗"]
    assert hub_rows.repo_mark(installed, here_now([], [], {})).text == "○"


@pytest.mark.parametrize(
    ("one", "mark", "said"),
    [
        (download("a"), "↓", "downloading 60 %"),
        (download("a", "paused"), "‖", "paused"),
        (download("a", "failed"), "✗", "failed"),
        (download("a", "done"), "✓", "installed"),
        (download("a", "done", model="deleted since"), "○", ""),
    ],
)
def test_a_file_follows_its_download(one: h.Download, mark: str, said: str) -> None:
    file = files()[1]
    for here, asked in (
        (here_now([file.name], [one], {}), replace(file, download="a")),
        (here_now([file.name], [one], {(REPO, file.file): "a"}), file),
    ):
        cell, told = hub_rows.file_state(REPO, asked, here)
        assert (cell.text, told) == (mark, said)


def test_what_is_shown_of_downloads_is_the_same_between_two_per_cents() -> None:
    before = here_now([], [download("a", done=1000, total=10**6)], {})
    assert here_now([], [download("a", done=1001, total=10**6, rate=5.0, eta_s=3.0)], {}) == before
    assert here_now([], [download("a", done=20_000, total=10**6)], {}) != before


# --- pages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [20, 40, 76, 100])
def test_pages_keep_to_their_width(width: int) -> None:
    evil = "x\x1b[31m\u202e" + "y" * 500
    loud = repo(f"a/{evil}", 1, title=evil, role=evil, licence=evil, gated=True, installed=("A",), about=True)
    file = replace(files()[0], file=evil, name=evil, quantisation=evil, parts=3)
    told = h.HubDetails(file=file, facts={evil: evil} | {f"fact {at}": "x" for at in range(100)})
    failed = download("a", "failed", model=evil, origin=evil, error=evil, hint=evil, note=evil, path=evil)
    here = here_now(["A"], [], {})
    pages = (
        RepoPage(loud, here, NOW),
        FilePage(loud, file, here, told),
        FilePage(loud, file, here, problem=evil),
        DownloadPage(failed, NOW),
    )
    for page in pages:
        text = content(page, width, True)
        assert "\x1b" not in text.plain and "\u202e" not in text.plain
        assert all(line.cell_length <= max(width, 26) for line in text.split("\n"))
        assert len(text.plain) < 40_000
