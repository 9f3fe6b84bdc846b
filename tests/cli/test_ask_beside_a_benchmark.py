"""`ask` while a benchmark runs, on a terminal: it says what it waits for, and how that is ended."""

import asyncio
import sys

from kensho_tui.cli.benchmark import waiting
from kensho_tui.cli.table import cells
from kensho_tui.client.facade import Kensho
from kensho_tui.core.bench_contract import START_BENCH, STOP_BENCH, BenchRef, StartBench
from kensho_tui.core.contract import BenchNow
from tests.host.test_benches import scripted as scripted_model
from tests.support.home import Home
from tests.support.terminal import Terminal

ASK = (sys.executable, "-m", "kensho_tui", "ask", "hello")


async def test_it_says_for_which_one_it_waits_and_how_long(home: Home) -> None:
    scripted_model(home, 0.2)
    home.settings('model = "scripted"\n')
    home.start_scripted_host()
    async with Kensho() as kensho:
        run = await kensho.call(START_BENCH, StartBench())
        with Terminal(ASK, 100, 10) as terminal:
            said = r"waits for the benchmark of scripted, about \d+ (s|min) · kensho-tui bench --stop ends it"
            await asyncio.to_thread(terminal.wait_for, said)
            await kensho.call(STOP_BENCH, BenchRef(bench=run.id))
            await asyncio.to_thread(terminal.wait_end)
            assert terminal.process.returncode == 0
            assert terminal.text().rstrip().splitlines()[-1] == "You said: hello"
        run = await kensho.call(START_BENCH, StartBench())
        with Terminal((*ASK[:-1], "again"), 40, 10) as terminal:
            await asyncio.to_thread(terminal.wait_for, "waits for the benchmark of scripted,.*…")
            await kensho.call(STOP_BENCH, BenchRef(bench=run.id))
            await asyncio.to_thread(terminal.wait_end)
            assert terminal.text().strip() == "You said: again"


def test_a_long_name_gives_way_to_what_ends_it() -> None:
    bench = BenchNow(model="SmolLM2-135M-Instruct.Q4_1" + "\x1b[2J", left_s=2.0)
    ends = "about 2 s · kensho-tui bench --stop ends it"
    assert waiting(bench, 120) == f"waits for the benchmark of SmolLM2-135M-Instruct.Q4_1, {ends}"
    assert waiting(bench, 80) == f"waits for the benchmark of SmolLM2…, {ends}"
    assert cells(waiting(bench, 40)) == 40
