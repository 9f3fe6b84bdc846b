"""`kensho-tui metrics`: what it prints, from objects of the contract and from a real host."""

import json
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from kensho_tui.cli import metrics
from kensho_tui.cli.table import cells
from kensho_tui.core.contract import Timings, Usage
from kensho_tui.core.errors import UsageError
from kensho_tui.core.metrics_contract import Figures, Generation, ModelMetrics, ModelMetricsList, Spread
from tests.support.home import Home
from tests.support.turns import script

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EVIL = "\x1b]0;x\x07evil\x9b31m"


def spread(median: float, half: float = 0.0, count: int = 5) -> Spread:
    return Spread(
        count=count, median=median, lower=median - half, upper=median + half, least=0.0, most=median * 2
    )


FULL = ModelMetrics(
    model="SmolLM2-135M", quantisation="Q4_1", last="2026-11-21T11:55:00.000Z", from_cache=3,
    figures=Figures(
        runs=1234, ttft=spread(0.21, 0.012, 1200), load=spread(1.3), prompt=spread(820.4, 30),
        decode=spread(48.26, 1.24, 1100), bandwidth=spread(14.3e9, 0.2e9),
    ),
)  # fmt: skip
BARE = ModelMetrics(
    model=EVIL, quantisation="", last="2026-11-20T11:55:00.000Z",
    figures=Figures(runs=1, ttft=spread(2.314, count=1)),
)  # fmt: skip
FOUND = ModelMetricsList(models=(FULL, BARE), least_prompt=32, least_completion=8)
RUN = Generation(
    id="g", message="m", chat="c0ffee", model="SmolLM2-135M", state="complete", stop_reason="end",
    created="2026-11-21T11:55:00.000Z",
    usage=Usage(prompt_tokens=1060, cached_tokens=30, completion_tokens=4),
    timings=Timings(queue_s=0.0, load_s=1.26, prefill_s=0.76, ttft_s=2.02, decode_tok_s=55.23),
)  # fmt: skip
CUT = Generation(
    id="h", message="m", chat="c0ffee", model=EVIL, state="interrupted", stop_reason=None, created=RUN.created
)
AGAIN = Generation(
    id="i", message="n", chat="c0ffee", model="SmolLM2-135M", state="complete", stop_reason="end",
    created=RUN.created, usage=Usage(prompt_tokens=9), timings=Timings(ttft_s=0.004), from_cache=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("7d", "2026-11-14T12:00:00.000Z"),
        ("12h", "2026-11-21T00:00:00.000Z"),
        (" 90M ", "2026-11-21T10:30:00.000Z"),
        ("2w", "2026-11-07T12:00:00.000Z"),
        ("2026-11-01T10:00:00+02:00", "2026-11-01T08:00:00.000Z"),
        ("2026-11-01T10:00:00Z", "2026-11-01T10:00:00.000Z"),
    ],
)
def test_since(text: str, date: str) -> None:
    assert metrics.since_date(text, NOW) == date


def test_a_day_begins_where_the_person_is() -> None:
    begin = datetime.fromisoformat(metrics.since_date("2026-11-01", NOW))
    assert begin == datetime(2026, 11, 1).astimezone()


@pytest.mark.parametrize("text", ["", "7", "d", "-7d", "7y", "soon", "2026-13-01", "999999w", EVIL])
def test_what_says_no_time(text: str) -> None:
    with pytest.raises(UsageError, match="says no time") as raised:
        metrics.since_date(text, NOW)
    assert "\x1b" not in raised.value.line()


def test_the_tables() -> None:
    lines = metrics.lines(FOUND, (RUN, CUT, AGAIN), None, now=NOW)
    title, full, bare = lines[:3]
    for word in ("MODEL", "QUANT", "RUNS", "TTFT", "PROMPT TOK/S", "DECODE TOK/S", "GB/S", "LAST RUN"):
        assert word in title
    for word in ("Q4_1", "1,234", "210 ±12 ms (1,200)", "820 ±30 (5)", "48.3 ±1.2 (1,100)", "14.3 ±0.2 (5)"):
        assert word in full
    assert full.endswith("5 min ago") and "yesterday" in bare
    legend = " ".join(lines[3 : lines.index("")])
    assert "no time in the queue" in legend
    assert "32 new tokens" in legend and "wrote 8 at least" in legend
    run, cut, again = lines[-3:]
    for word in ("1,060", "30", "4", "1.3 s", "760 ms", "2.0 s", "55.2", "end", "c0ffee"):
        assert word in run
    assert "interrupted" in cut and "from cache" in again
    assert not any("\x1b" in line or "\x9b" in line for line in lines)


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_the_tables_keep_to_the_terminal(columns: int) -> None:
    for plain in (False, True):
        lines = metrics.lines(FOUND, (RUN, CUT, AGAIN), columns, plain=plain, now=NOW)
        assert all(cells(line) <= columns for line in lines), lines
        assert not plain or all(line.isascii() for line in lines)


def test_only_columns_that_are_there_are_explained() -> None:
    for columns, there in ((None, True), (60, False)):
        lines = metrics.lines(FOUND, (), columns, now=NOW)
        assert "GB/S" in lines[0] if there else "GB/S" not in lines[0]
        assert ("GB/s" in " ".join(lines[1:])) == there


def test_two_quantisations_of_a_model_can_be_told_apart_in_80_columns() -> None:
    name = "SmolLM2-135M-Instruct"
    both = tuple(replace(FULL, model=name, quantisation=kind) for kind in ("Q4_1", "Q8_0"))
    runs = tuple(replace(RUN, model=name, quantisation=kind) for kind in ("Q4_1", "Q8_0"))
    lines = metrics.lines(replace(FOUND, models=both), runs, 80, now=NOW)
    for kind in ("Q4_1", "Q8_0"):
        assert sum(f"{name}  {kind}" in line for line in lines) == 2


def test_without_runs_only_the_list_is_there() -> None:
    lines = metrics.lines(
        ModelMetricsList(models=(), least_prompt=1, least_completion=1), (CUT,), 80, now=NOW
    )
    assert len(lines) == 2 and lines[0].startswith("WHEN")


def test_nothing_yet() -> None:
    assert metrics.nothing(None, None) == "No model has answered here yet."
    said = metrics.nothing("2026-11-20T12:00:00.000Z", "tiny")
    assert said.startswith("tiny has not answered here since 2026-11-2") and "T12" not in said


# --- against a host -----------------------------------------------------------------------------------


def test_the_document_has_the_figures_that_ask_had(scripted: Home) -> None:
    done = scripted.run("metrics")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "No model has answered here yet.\n")
    said = []
    for number in range(2):
        prompt = script(text=f"word{number} ", repeat=20, piece=6, rate=400)
        said.append(json.loads(scripted.run("ask", "--json", prompt).stdout))
    found = json.loads(scripted.run("metrics", "--json").stdout)
    for one, asked in zip(found["generations"], reversed(said), strict=True):
        assert (one["message"], one["chat"]) == (asked["message_id"], asked["conversation_id"])
        assert (one["usage"], one["timings"]) == (asked["usage"], asked["timings"])
        assert (one["model"], one["stop_reason"]) == (asked["model"], asked["stop_reason"])
    (model,) = found["models"]
    for ran in (*found["generations"], *model["settings"]):
        assert ran["threads_batch"] > 0 and (ran["batch"], ran["flash"]) == (256, "on")
    assert (model["model"], model["runs"], found["more"]) == ("scripted", 2, False)
    assert model["ttft_s"]["count"] == model["decode_tok_s"]["count"] == 2
    speeds = [asked["timings"]["decode_tok_s"] for asked in said]
    assert model["decode_tok_s"]["median"] == pytest.approx(sum(speeds) / 2, abs=2e-6)
    assert [day["runs"] for day in model["days"]] == [2]
    text = scripted.run("metrics", "--model", "SCRIPT", "--since", "1h").stdout
    assert text.splitlines()[1].split()[:2] == ["scripted", "2"]
    assert said[0]["conversation_id"] in text and said[1]["conversation_id"] in text


def test_exit_codes(scripted: Home) -> None:
    done = scripted.run("metrics", "--model", "scripted", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["models"] == []
    assert scripted.run("metrics", "-m", "nothing-like-it").returncode == 3
    assert scripted.run("metrics", "--since", "soon").returncode == 2


@pytest.mark.slow
def test_a_real_model(home: Home) -> None:
    asked = json.loads(home.run("ask", "--json", "--max-tokens", "16", "Tell me about the sea.").stdout)
    found = json.loads(home.run("metrics", "--json").stdout)
    (one,) = found["generations"]
    assert (one["usage"], one["timings"]) == (asked["usage"], asked["timings"])
    assert (one["quantisation"], one["device"]) == ("Q4_1", "CPU")
    # The starter's embedding is its output head: of 98 MB of file all tensors are read for each token.
    assert 90e6 < one["active_weights"] < 98 << 20
    assert one["bandwidth"] == pytest.approx(one["active_weights"] * asked["timings"]["decode_tok_s"])
    assert one["memory"] > one["active_weights"]
    (model,) = found["models"]
    assert model["bandwidth"]["median"] == pytest.approx(one["bandwidth"], rel=1e-6)
