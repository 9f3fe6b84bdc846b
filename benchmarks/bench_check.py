"""Whether `kensho-tui bench` recommends well: its finalists are measured again, in both conditions.

A benchmark runs through the real host. Then a worker of this script's own measures what the benchmark had
measured as whole turns, round after round in turning order, on the machine as it is and beside a process that
keeps a core busy. `ratio` is the least time of a standard turn (512 tokens read, 128 written) over that of
what was recommended: 1.0 is the best, 0.95 the goal.

    python benchmarks/bench_check.py [--model M.gguf] [--quick] [--rounds 5]
"""

import asyncio
import contextlib
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from common import home, option_parser, report, starter
from worker_decode import Worker

from kensho_tui.client.facade import Kensho
from kensho_tui.core.bench_contract import (
    START_BENCH,
    TOPIC_BENCH,
    BenchFact,
    BenchRun,
    BenchSettings,
    StartBench,
)
from kensho_tui.core.contract import Sampling
from kensho_tui.core.frames import End, Generate, Load, Loaded, Turn
from kensho_tui.hardware.cpu import decode_threads, most_decode_threads, usable_cores
from kensho_tui.models.bench.grid import CONDITIONS, Machine, request_for
from kensho_tui.models.bench.neighbour import SPIN_COMMAND
from kensho_tui.models.bench.recommend import Found
from kensho_tui.models.bench.words import text

WORDS, ANSWER = 420, 128
CONTEXT = 4096


async def benchmark(model: Path, *, quick: bool) -> BenchRun:
    async with Kensho() as kensho:
        run = await kensho.call(START_BENCH, StartBench(model=str(model), quick=quick))
        version = 0
        while run.state == "running":
            fact = (await kensho.watch({TOPIC_BENCH: version}, 20.0)).get(TOPIC_BENCH)
            if fact is not None:
                version, told = fact.version, msgspec.msgpack.decode(fact.body, type=BenchFact).run
                run = told if told is not None else run
        await kensho.stop_host()
    return run


@contextlib.contextmanager
def busy_core(wanted: bool) -> Iterator[None]:
    # It ends with its stdin, so also when this script is killed.
    process = (
        subprocess.Popen(SPIN_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) if wanted else None
    )
    try:
        yield
    finally:
        if process is not None:
            process.kill()
            process.communicate()


def answer(worker: Worker, number: int, tokens: int) -> End:
    worker.send(
        Generate(
            id=f"{number}",
            turns=(Turn("user", text(WORDS)),),
            sampling=Sampling(temperature=0.0, max_tokens=tokens),
            measured=True,
        )
    )
    return worker.until(End)


def turn_s(worker: Worker, request: Load, number: int, settings: BenchSettings) -> float:
    """Seconds of a standard turn with these settings, once the threads have been found."""
    worker.send(request)
    worker.until(Loaded)
    if settings.threads == 0:
        answer(worker, number, 48)
    end = answer(worker, number, ANSWER)
    prompt, decode = end.usage.prompt_tokens / end.prefill_s, (end.usage.completion_tokens - 1) / end.decode_s
    return Found(settings, prompt, decode).turn_s


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    model = arguments.model or starter()
    with home():
        began = time.monotonic()
        run = asyncio.run(benchmark(model, quick=arguments.quick))
        took = time.monotonic() - began
    if run.state != "complete":
        raise SystemExit(f"the benchmark ended as {run.state}: {run.error}")
    cores = usable_cores()
    machine = Machine(cores, (decode_threads(cores), most_decode_threads(cores)), gpu=run.device != "CPU")
    base = Load(path=str(model), context=CONTEXT)
    worker = Worker(model, 1)
    figures: dict[str, object] = {}
    try:
        for at in CONDITIONS:
            chosen = run.recommended(at)
            if chosen is None:
                raise SystemExit(f"nothing was recommended for a {at} machine")
            whole = [p.settings for p in run.points if p.condition == at and p.prompt and p.decode]
            finalists = list(dict.fromkeys(whole))
            seconds: dict[BenchSettings, list[float]] = {each: [] for each in finalists}
            with busy_core(at == "shared"):
                for number in range(arguments.rounds):
                    for each in finalists if number % 2 else finalists[::-1]:
                        request = request_for(each, base, machine)
                        seconds[each].append(turn_s(worker, request, number, each))
            medians = {each: statistics.median(values) for each, values in seconds.items()}
            figures[at] = {
                "recommended": chosen.settings,
                "gain_told": chosen.gain,
                "ratio": min(medians.values()) / medians[chosen.settings],
                "finalists": [{"settings": each, "turn_s": s} for each, s in medians.items()],
            }
    finally:
        worker.close()
    report(
        "time of the best finalist's standard turn over that of what bench recommended, measured afterwards",
        bench_s=took,
        quick=arguments.quick,
        rounds=arguments.rounds,
        **msgspec.to_builtins(figures),
    )


if __name__ == "__main__":
    main()
