"""``kensho-tui bench``: its tables, its progress, and once a real model from end to end."""

import argparse
import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from kensho_tui.bus.codec import pack
from kensho_tui.cli import bench
from kensho_tui.cli.bench import ending
from kensho_tui.cli.bench_progress import Progress, progress_line
from kensho_tui.cli.bench_tables import listed, told
from kensho_tui.client.facade import Kensho
from kensho_tui.core.bench_contract import (
    LIST_BENCHES,
    TOPIC_BENCH,
    BareLoop,
    BenchFact,
    BenchList,
    BenchPoint,
    BenchRun,
    BenchSettings,
    Recommendation,
)
from kensho_tui.core.contract import Fact, Method
from kensho_tui.core.errors import KenshoError
from kensho_tui.core.metrics_contract import Spread
from kensho_tui.core.model_contract import CHANGE, ChangeModel, Defaults
from tests.support.gguf import write_model
from tests.support.home import Home, wait_until

USED = BenchSettings(threads=0, threads_batch=2, batch=256, flash=True, kv_type="f16", gpu_layers=-1)
FAST = replace(USED, threads=2, kv_type="q8_0")


def spread(median: float) -> Spread:
    return Spread(count=3, median=median, lower=median - 2, upper=median + 2, least=0, most=1000)


RUN = BenchRun(
    id="1",
    model="Smol\x1b[31m",
    state="complete",
    created="2026-11-21T10:00:00.000Z",
    cores=2,
    device="CPU",
    done=20,
    total=20,
    before=USED,
    points=(
        BenchPoint(
            condition="quiet", settings=FAST, prompt_tokens=520, completion_tokens=64,
            prompt=spread(400.0), decode=spread(90.0),
        ),
        BenchPoint(condition="shared", settings=USED, prompt_tokens=40, decode=spread(50.0)),
        BenchPoint(
            condition="quiet", settings=replace(USED, batch=512), prompt_tokens=0, problem="too\nlarge"
        ),
    ),
    bare=(
        BareLoop(
            condition="quiet", settings=FAST, prompt_tok_s=410.0, decode_tok_s=92.0,
            prompt_share=0.98, decode_share=0.97,
        ),
    ),
    recommendations=(
        Recommendation(condition="quiet", settings=FAST, prompt_tok_s=400.0, decode_tok_s=90.0, gain=1.25),
        Recommendation(condition="shared", settings=USED, prompt_tok_s=200.0, decode_tok_s=50.0, gain=1.0),
    ),
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    home = Home(tmp_path, monkeypatch.setenv)
    home.settings("linger = 0.1\n")
    yield home
    assert home.close() == []


@pytest.mark.parametrize("columns", [60, 80, 120, None])
def test_the_report(columns: int | None) -> None:
    lines = told(RUN, columns)
    text = "\n".join(lines)
    whole = " ".join(text.split())
    assert "\x1b" not in text and "400.0" not in whole
    assert "90.0 ±2.0 (3)" in text
    assert "Cannot be used: auto threads, 2 prefill threads, batch 512, f16 KV: too large" in whole
    assert (
        "Beside llama.cpp alone at the end, a quiet machine: 402 of its 410 prompt tok/s (98%), "
        "89.2 of its 92.0 decode tok/s (97%)." in whole
    )
    assert "slower by then" not in whole
    assert "2 threads, 2 prefill threads, batch 256, q8_0 KV: a turn of 512 and 128 tokens takes" in whole
    assert "128 tokens takes 20 % less" in whole
    assert "loses some exactness" in whole
    assert (
        "For a shared machine: auto threads, 2 prefill threads, batch 256, f16 KV: "
        "what was in use already." in whole
    )
    assert columns is None or all(len(line) <= columns for line in lines)
    assert "\n".join(told(RUN, columns, plain=True)).isascii()


def test_a_share_of_other_runs_than_those_of_the_advice_says_so() -> None:
    by_then = replace(RUN.bare[0], prompt_tok_s=167.0, prompt_share=0.4)
    whole = " ".join(" ".join(told(replace(RUN, bare=(by_then,)), 80)).split())
    assert "67 of its 167 prompt tok/s (40%), " in whole
    assert "(97%); the machine was slower by then than for the figures above." in whole


def test_what_was_cut_short_says_why_it_has_no_speed() -> None:
    cut = BenchPoint(condition="shared", settings=FAST, prompt_tokens=40, completion_tokens=64, cut=True)
    line = next(line for line in told(replace(RUN, points=(cut,)), None) if line.startswith("shared"))
    assert line.endswith("too slow")


def test_a_recommendation_that_rests_on_one_run_is_unsure() -> None:
    chosen = replace(USED, threads=1)
    once = Spread(count=1, median=90.0, lower=90.0, upper=90.0, least=90.0, most=90.0)
    point = BenchPoint(condition="quiet", settings=chosen, prompt_tokens=512, prompt=once, decode=once)
    made = Recommendation(condition="quiet", settings=chosen, prompt_tok_s=90, decode_tok_s=90, gain=1.25)
    found = replace(RUN, points=(point,), bare=(), recommendations=(made,))
    whole = " ".join(" ".join(told(found, None)).split())
    assert "For a quiet machine: 1 thread, 2 prefill threads" in whole
    assert "takes 20 % less time than before. Unsure: one run each" in whole


def test_one_that_could_not_be_kept_is_told() -> None:
    full = replace(RUN, error="the disk is full: the benchmark was not kept", hint="Free some space\x1b[2J")
    said = ending(full, "stopped")
    assert said.startswith("the disk is full: the benchmark was not kept. Free some space")
    assert "\x1b" not in said and ending(replace(full, state="stopped"), "stopped") == said
    assert ending(RUN, "stopped") == ""


def test_one_that_was_stopped_is_kept_where_there_is_something_to_keep() -> None:
    stopped = replace(RUN, state="stopped")
    assert ending(stopped, "stopped") == "stopped; what was measured is kept"
    assert ending(replace(stopped, points=()), "stopped") == "stopped; nothing was measured yet"


def test_names_are_made_safe_in_what_is_to_be_typed_next(capsys: pytest.CaptureFixture[str]) -> None:
    bench._tell(RUN, None)
    assert capsys.readouterr().out.endswith("kensho-tui bench --kept --apply shared -m Smol\n")


class Told:
    """A host that tells of one run after the other, and has kept some."""

    def __init__(self, *runs: BenchRun, kept: tuple[BenchRun, ...] = ()) -> None:
        self._facts = [Fact(at, pack(BenchFact(run=run))) for at, run in enumerate(runs, start=1)]
        self._begun, self._kept = runs[0], kept

    async def watch(self, seen: dict[str, int], wait: float) -> dict[str, Fact]:
        await asyncio.sleep(0)
        newer = [fact for fact in self._facts if wait and fact.version > seen[TOPIC_BENCH]]
        return {TOPIC_BENCH: newer[0]} if newer else {}

    async def call(self, method: Method[Any, Any], request: object) -> object:
        return BenchList(runs=self._kept) if method is LIST_BENCHES else self._begun


def followed(host: Told) -> bench._Bench:
    options = argparse.Namespace(model=None, quick=True, seconds=None)
    return bench._Bench(cast(Kensho, host), options)


async def test_the_end_is_found_when_another_one_has_begun_since() -> None:
    running = replace(RUN, state="running")
    other = replace(running, id="2")
    async with asyncio.timeout(5):
        assert await followed(Told(running, other, kept=(other, RUN))).measured() == (RUN, 0)
        with pytest.raises(KenshoError, match="nothing of it is kept"):
            await followed(Told(running, other, kept=(other,))).measured()


async def test_ctrl_c_tells_of_figures_that_could_not_be_kept(capsys: pytest.CaptureFixture[str]) -> None:
    stopped = replace(RUN, state="stopped", error="the disk is full", hint="Free some space")
    following = followed(Told(stopped))
    following._run = replace(RUN, state="running")
    assert await following._interrupted() == (stopped, 130)
    assert "the disk is full. Free some space; its figures are shown here alone" in capsys.readouterr().err


def test_the_list() -> None:
    title, line, legend = listed([RUN], None)
    assert legend.startswith("Prompt / decode tok/s")
    assert title.split() == ["WHEN", "MODEL", "STATE", "QUIET", "SHARED"]
    assert "400 / 90.0" in line and "200 / 50.0" in line


def test_progress() -> None:
    run = replace(RUN, state="running", model="Smol", done=5, total=20, eta_s=41.2, doing="batch · quiet")
    assert progress_line(run, 80) == "Smol  25 %  42 s left  batch · quiet"
    assert len(progress_line(run, 20)) == 20
    now = 0.0
    stream = io.StringIO()
    progress = Progress(stream, drawn=False, clock=lambda: now)
    for passed in (0.0, 5.0, 11.0):
        now = passed
        progress.tell(run)
    assert stream.getvalue().count("\n") == 2


def test_what_cannot_be_asked(home: Home) -> None:
    assert home.run("bench", "--list", "--apply", "quiet").returncode == 2
    assert home.run("bench", "--undo", "--apply", "quiet").returncode == 2
    assert home.run("bench", "--seconds", "nan").returncode == 2
    assert home.run("bench", "--stop").stderr == "kensho-tui: no benchmark is under way\n"
    done = home.run("bench", "--stop", "--json")
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, {"stopped": None}, "")
    done = home.run("bench", "--kept", "-m", "nothing")
    assert (done.returncode, done.stdout) == (3, "")
    done = home.run("bench", "--undo")
    assert done.returncode == 3 and "no benchmark has set anything" in done.stderr


def runs(home: Home) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(home.run("bench", "--list", "--json").stdout)["runs"]
    return found


def test_ctrl_c_stops_and_shows_what_was_measured(home: Home) -> None:
    write_model(home.paths.models / "scripted.gguf", template='#scripted {"run_s": 0.05}')
    home.start_scripted_host()
    command = [sys.executable, "-m", "kensho_tui", "bench", "-m", "scripted"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as bench:
        assert bench.stderr is not None
        assert bench.stderr.readline().startswith("kensho-tui: scripted")
        wait_until(lambda: any(run["points"] for run in runs(home)), what="for a first figure")
        bench.send_signal(signal.SIGINT)
        said, wrong = bench.communicate(timeout=30)
    assert bench.returncode == 130
    assert "stopped; what was measured is kept" in wrong
    assert "DECODE TOK/S" in said
    assert runs(home)[0]["state"] == "stopped"


def test_what_was_stopped_is_told_as_a_document(home: Home) -> None:
    write_model(home.paths.models / "scripted.gguf", template='#scripted {"run_s": 0.05}')
    home.start_scripted_host()
    command = [sys.executable, "-m", "kensho_tui", "bench", "-m", "scripted", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as bench:
        wait_until(lambda: any(run["points"] for run in runs(home)), what="for a first figure")
        (run,) = runs(home)
        done = home.run("bench", "--stop", "--json")
        said, _ = bench.communicate(timeout=30)
    assert json.loads(done.stdout) == {"stopped": {"id": run["id"], "model": "scripted"}}
    assert json.loads(said)["state"] == "stopped"


def test_the_end_of_the_host_is_told_and_what_it_measured_is_kept(home: Home) -> None:
    write_model(home.paths.models / "scripted.gguf", template='#scripted {"run_s": 0.05}')
    pid = home.start_scripted_host()
    command = [sys.executable, "-m", "kensho_tui", "bench", "-m", "scripted"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as bench:
        wait_until(lambda: any(run["points"] for run in runs(home)), what="for a first figure")
        os.kill(pid, signal.SIGKILL)
        said, wrong = bench.communicate(timeout=30)
    assert bench.returncode != 0 and said == ""
    assert "the host ended before the benchmark did" in wrong and "kensho-tui bench --list" in wrong
    home.start_scripted_host()
    (kept,) = runs(home)
    assert kept["state"] == "interrupted" and kept["points"]


def test_what_was_applied_is_taken_back(home: Home) -> None:
    write_model(home.paths.models / "scripted.gguf", template="#scripted {}")
    home.start_scripted_host()
    asyncio.run(read_with_one_thread("scripted"))
    done = home.run("bench", "-m", "scripted", "--quick", "--seconds", "5", "--apply", "shared", "--json")
    assert done.returncode == 0, done.stderr
    (run,) = runs(home)
    given, had = run["change"]["after"], run["change"]["before"]
    assert had["threads_batch"] == 1 and given.get("threads_batch") != 1
    undone = home.run("bench", "--undo", "-m", "script")
    assert undone.returncode == 0
    assert undone.stdout.startswith("scripted no longer has what the benchmark of ")
    assert home.run("bench", "--kept", "--apply", "shared").returncode == 0
    undone = home.run("bench", "--undo", "--json")
    assert json.loads(undone.stdout)["undone"] == {"id": run["id"], "model": "scripted"}
    assert json.loads(undone.stdout)["defaults"]["threads_batch"] == 1
    (run,) = runs(home)
    assert run["change"] is None and run["applied"] is None
    assert home.run("bench", "--undo").returncode == 3


async def read_with_one_thread(model: str = "smol") -> None:
    async with Kensho() as kensho:
        await kensho.call(CHANGE, ChangeModel(model=model, defaults=Defaults(threads_batch=1)))


@pytest.mark.slow
def test_a_real_model_is_measured_and_its_recommendation_applied(home: Home, smollm: Path) -> None:
    (home.paths.models / "smol.gguf").symlink_to(smollm)
    # Threads on every core would wait for the other tests that run beside this one.
    home.settings("linger = 0.1\nthreads = 1\ncontext = 1024\n")
    asyncio.run(read_with_one_thread())
    done = home.run("bench", "-m", "smol", "--quick", "--seconds", "0", "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    assert (run["state"], run["device"], run["quantisation"]) == ("complete", "CPU", "Q4_1")
    assert [one["condition"] for one in run["recommendations"]] == ["quiet", "shared"]
    assert [one["condition"] for one in run["bare"]] == ["quiet", "shared"]
    assert all(one["prompt"]["median"] > 0 and one["decode"]["median"] > 0 for one in run["points"])
    assert all(abs(one["prompt_tokens"] - 128) < 16 for one in run["points"])
    applied = home.run("bench", "--kept", "-m", "smol", "--apply", "shared")
    assert applied.returncode == 0 and "has these settings for a shared machine" in applied.stdout
    assert runs(home)[0]["applied"] == "shared"
