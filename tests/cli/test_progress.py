"""What `pull` says of a download at every width and in every state."""

import io
import json
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.cli import progress
from kensho_tui.cli.progress import Events, Line, Lines, amount, percent, plain_line, progress_line, rate
from kensho_tui.cli.table import cells
from kensho_tui.core.hub_contract import Download

GIB, MIB = 1 << 30, 1 << 20
NOW = datetime(2026, 11, 3, 14, 3, 20)
EVIL = "\x1b]0;x\x07evil\r\n\x9b31mname"


def download(**changes: Any) -> Download:
    base = Download(
        id="0123456789ab",
        model="Qwen3-4B-Instruct",
        origin="Qwen/Qwen3-4B-GGUF",
        state="running",
        done=int(1.1 * GIB),
        total=int(2.6 * GIB),
        quantisation="Q4_K_M",
        rate=48.2 * MIB,
        eta_s=33.0,
    )
    return msgspec.structs.replace(base, **changes)


def line(columns: int = 200, passed: float = 0.0, **changes: Any) -> str:
    return progress_line(download(**changes), columns, NOW, passed=passed)


# --- words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("done", "total", "said"),
    [
        (0, 0, None),
        (5, 0, None),
        (0, 100, 0),
        (999, 1000, 99),
        (999_999_999, 1_000_000_000, 99),
        (1000, 1000, 100),
        (1001, 1000, 100),
    ],
)
def test_a_hundred_per_cent_is_only_said_when_all_is_there(done: int, total: int, said: int | None) -> None:
    assert percent(download(done=done, total=total)) == said


@pytest.mark.parametrize(
    ("done", "total", "said"),
    [
        (0, 98 * MIB, "0/98 MiB"),
        (int(0.44 * GIB), int(2.61 * GIB), "0.4/2.6 GiB"),
        (512, 2048, "0/2 KiB"),
        (12 * MIB, 0, "12 MiB"),
    ],
)
def test_amounts_share_a_unit(done: int, total: int, said: str) -> None:
    assert amount(done, total) == said


@pytest.mark.parametrize(
    ("bytes_s", "said"),
    [(48.24 * MIB, "48.2 MiB/s"), (112.4 * MIB, "112 MiB/s"), (730 * 1024.0, "730 KiB/s"), (3.0, "0 KiB/s")],
)
def test_rates(bytes_s: float, said: str) -> None:
    assert rate(bytes_s) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "0 s"),
        (0.2, "1 s"),
        (89.0, "89 s"),
        (90.0, "2 min"),
        (5340.0, "89 min"),
        (5400.0, "1 h 30 min"),
        (7501.0, "2 h 06 min"),
        (-5.0, "0 s"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert progress.duration(seconds) == said


def test_the_whole_line() -> None:
    assert line() == (
        "Qwen3-4B-Instruct  Q4_K_M  ▓▓▓▓▓▓▓▓▓▓░░░░░░░░░░░░░░   42 %  1.1/2.6 GiB  48.2 MiB/s    33 s left"
    )
    assert line(parts=3, part=2).endswith("33 s left  part 2 of 3")
    # What the name says already is not said twice.
    assert line(model="Qwen3-4B-q4_k_m").startswith("Qwen3-4B-q4_k_m  ▓")
    assert progress_line(download(), 200, NOW, plain=True).isascii()


def test_what_is_drawn_anew_stays_where_it_is() -> None:
    """Digits come and go; the bar and all that follows it keep their columns."""
    told = (
        {"done": 0, "rate": 9.9 * MIB, "eta_s": 300.0},
        {"done": 1, "rate": 48.2 * MIB, "eta_s": 54.0},
        {"done": int(2.6 * GIB) - 1, "rate": 730 * 1024, "eta_s": 1.0},
        {"done": int(2.6 * GIB), "rate": 112 * MIB, "eta_s": 5000.0},
    )
    for columns in (60, 79, 120):
        lines = [line(columns, **changes) for changes in told]
        assert len({cells(one) for one in lines}) == 1
        assert len({one.index("%") for one in lines}) == 1


def test_the_times_of_a_line_go_on_without_news() -> None:
    assert "31 s left" in line(passed=2.4)
    assert "0 s left" in line(passed=50.0)
    waiting: dict[str, Any] = {"state": "waiting", "wait_s": 12.0, "note": "the line was cut"}
    assert line(**waiting) == "Qwen3-4B-Instruct  Q4_K_M   42 %  1.1/2.6 GiB  again in 12 s  the line was cut"
    assert "again in 8 s" in line(**waiting, passed=4.0)
    later = {**waiting, "wait_s": 3000.0}
    assert (
        line(79, **later) == "Qwen3-4B-Instruct  Q4_K_M   42 %  1.1/2.6 GiB  again at 14:53  the line was cut"
    )
    assert "nothing came for 34 s" in line(quiet_s=30.0, passed=4.0)
    assert "MiB/s" not in line(quiet_s=30.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "queued"}, "waiting for its turn"),
        ({"state": "checking", "done": int(2.6 * GIB)}, "100 %  2.6/2.6 GiB  checking"),
        ({"rate": 0.0, "eta_s": None}, "42 %  1.1/2.6 GiB"),
        ({"note": "it changed and is fetched again"}, "33 s left  it changed and is fetched again"),
        ({"total": 0, "eta_s": None}, "Qwen3-4B-Instruct  Q4_K_M  1.1 GiB  48.2 MiB/s"),
        ({"total": 0, "done": 0, "rate": 0.0, "eta_s": None}, "Qwen3-4B-Instruct  Q4_K_M"),
    ],
)
def test_states(changes: dict[str, Any], said: str) -> None:
    assert line(**changes).endswith(said)


STATES = [
    {},
    {"parts": 12, "part": 3},
    {"state": "waiting", "wait_s": 3000.0, "note": "x" * 150},
    {"state": "queued", "done": 0},
    {"total": 0},
    {"model": "模型" * 40},
    {"model": EVIL, "note": EVIL, "quantisation": EVIL},
]


@pytest.mark.parametrize("changes", STATES)
@pytest.mark.parametrize("columns", [10, 20, 30, 40, 60, 79, 120, 250])
def test_every_width(columns: int, changes: dict[str, Any]) -> None:
    said = line(columns, **changes)
    assert cells(said) <= columns and said.isprintable()
    if columns >= 30 and changes.get("total") != 0:
        assert f"{percent(download(**changes))} %" in said
    if columns >= 60 and not changes:
        assert "33 s left" in said and said.startswith("Qwen3-4B-Inst")


@given(
    columns=st.integers(10, 300),
    model=st.text(max_size=80),
    note=st.text(max_size=80),
    done=st.integers(0, 1 << 45),
    total=st.integers(0, 1 << 45),
    wait_s=st.floats(0, 1e6),
    state=st.sampled_from(["queued", "running", "waiting", "checking", "failed"]),
)
def test_no_line_is_wider_than_its_terminal(columns: int, **changes: Any) -> None:
    said = line(columns, **changes)
    assert cells(said) <= columns
    assert "\x1b" not in said and "\n" not in said


def test_plain_lines_are_safe_for_a_log() -> None:
    said = plain_line(download(model=EVIL, note=EVIL), NOW)
    assert said == "evil name, 42 %, 1.1/2.6 GiB, 48.2 MiB/s, 33 s left, evil name"


# --- telling ----------------------------------------------------------------------------------------


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_the_line_is_drawn_over_itself_and_only_when_it_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    screen, clock = Screen(), Clock()
    drawn = Line(screen, clock)
    drawn.looking(f"owner/{EVIL}")
    assert screen.getvalue() == "\rlooking for owner/evil name\x1b[K"
    drawn.begun(download(), "owner/repo")
    written = len(screen.getvalue())
    drawn.tell(download())
    assert len(screen.getvalue()) == written
    clock.now += 2
    drawn.tell(download())
    assert screen.getvalue()[written:].startswith("\rQwen3-4B-Instruct  Q4_K_M  ▓")
    assert "31 s left" in screen.getvalue()[written:]
    drawn.clear()
    drawn.clear()
    assert screen.getvalue().endswith("\r\x1b[K") and screen.getvalue().count("\r\x1b[K") == 1
    assert "\n" not in screen.getvalue()


def test_the_line_follows_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    drawn = Line(screen)
    for columns in (100, 40):
        monkeypatch.setenv("COLUMNS", str(columns))
        drawn.tell(download())
        assert (
            cells(screen.getvalue().rpartition("\r")[2].removesuffix("\x1b[K")) == columns - 3 or columns > 60
        )


def test_plain_lines_come_at_each_tenth_each_state_and_after_ten_seconds() -> None:
    log, clock = io.StringIO(), Clock()
    told = Lines(log, clock)
    told.looking("owner/repo")
    for done in range(0, 101):
        told.tell(download(done=done * MIB, total=100 * MIB))
    lines = log.getvalue().splitlines()
    assert [one.split(", ")[1] for one in lines] == [f"{percent} %" for percent in range(0, 101, 10)]
    assert all(one.startswith("kensho-tui: Qwen3") for one in lines)
    told.tell(download(done=100 * MIB, total=100 * MIB, state="checking"))
    assert log.getvalue().endswith("checking\n")
    for _ in range(25):
        clock.now += 1
        told.tell(download(done=100 * MIB, total=100 * MIB, state="checking"))
    assert len(log.getvalue().splitlines()) == len(lines) + 1 + 2


def test_events(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    told = Events(clock)
    told.looking("owner/repo")
    told.begun(download(done=0), "owner/repo:Q4_K_M")
    for done in range(1, 41):
        clock.now += 0.25
        told.tell(download(done=done * MIB))
    told.tell(download(done=99 * MIB, state="waiting", wait_s=3.0, note="asked too often"))
    told.tell(download(done=99 * MIB, state="waiting", wait_s=2.9, note="asked too often"))
    clock.now += 5
    told.tell(download(done=99 * MIB, state="waiting", wait_s=0.1, note="asked too often"))
    told.ended(download(state="done", done=int(2.6 * GIB), path="/m/x.gguf"))
    lines = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
    assert [one["event"] for one in lines] == ["start", *["progress"] * 20, "state", "done"]
    assert lines[0]["what"] == "owner/repo:Q4_K_M" and lines[0]["quantisation"] == "Q4_K_M"
    assert lines[1].keys() >= {"id", "model", "done", "total", "part", "parts", "rate", "eta_s"}
    assert (lines[-2]["state"], lines[-2]["wait_s"], lines[-2]["note"]) == ("waiting", 3.0, "asked too often")
    assert (lines[-1]["path"], lines[-1]["already"]) == ("/m/x.gguf", False)
    amounts = [one["done"] for one in lines]
    assert amounts == sorted(amounts)
