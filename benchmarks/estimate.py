"""The closed form of a model's memory beside llama.cpp's own allocator, and beside what real loads took.

Synthetic GGUF files with published hyper-parameters (sparse: a header and a hole) and both real models go
through `models/estimate.py` and through llama.cpp without memory, one child for each model, over contexts,
KV types and batches. Goal: at most 1 % between the two in weights + KV + compute + output, each configuration
alone. What a process takes beside them (RSS of the interpreter and llama.cpp, a driver's context on a GPU) is
a line of its own. Kensho's formula (parameters x bits / 8) x 1.2 stands beside it with its error.

The last table is of real loads: buffers as the worker says them when it is warm, and its resident memory as
/proc has it from outside. The tables go to stderr, the document to stdout.
"""

import asyncio
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import common

from kensho_tui.core.model_contract import KvType
from kensho_tui.core.model_info import Footprint
from kensho_tui.models.dry_run import dry_runs
from kensho_tui.models.estimate import (
    DRIVER_CONTEXT,
    LoadShape,
    estimate,
    kensho_formula,
    measured,
)
from kensho_tui.models.gguf.read import read_shape
from tests.support.gguf import write_model
from tests.support.gguf_presets import PRESETS
from tests.support.worker_process import WorkerProcess

MIB = 1 << 20
CONTEXTS = (4096, 8192, 32_768)
KV_TYPES: tuple[KvType, ...] = ("f16", "q8_0", "q4_0")
BATCHES = (128, 256, 512)
GOAL = 1.0


class Row(NamedTuple):
    """One configuration. ``exact`` and ``closed`` hold no overhead; errors in per cent of ``exact``."""

    model: str
    load: LoadShape
    closed: Footprint
    exact: Footprint
    kensho: int

    @property
    def allocated(self) -> int:
        return self.exact.total - self.exact.overhead

    @property
    def error(self) -> float:
        return 100 * ((self.closed.total - self.closed.overhead) / self.allocated - 1)

    @property
    def kensho_error(self) -> float:
        return 100 * (self.kensho / self.allocated - 1)


def _loads(trained: int, every: bool) -> list[LoadShape]:
    """All combinations, or of a context and a KV type only one batch each, taken in turn."""
    combined = [
        LoadShape(context, kv_type=kv_type, batch=batch)
        for context, kv_type, batch in product(CONTEXTS, KV_TYPES, BATCHES)
        if context <= trained
    ]
    return combined if every else combined[:: len(BATCHES) + 1]


async def _compare(name: str, path: Path, every: bool) -> list[Row]:
    shape = read_shape(path)
    loads = _loads(shape.trained_context, every)
    exact = await dry_runs(path, loads)
    return [
        Row(name, load, estimate(shape, load), found, kensho_formula(shape))
        for load, found in zip(loads, exact, strict=True)
    ]


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _mib(size: float) -> str:
    return f"{size / MIB:,.0f}"


def _print_table(rows: Sequence[Row]) -> None:
    head = f"{'model':<16}{'context':>8} {'KV':<5}{'batch':>5}"
    _say(f"{head}{'weights':>9}{'KV':>8}{'compute':>9}{'sum':>9}{'llama.cpp':>11}{'error':>9}{'Kensho':>9}")
    for row in rows:
        load, found = row.load, row.closed
        _say(
            f"{row.model:<16}{load.context:>8} {load.kv_type:<5}{load.batch:>5}{_mib(found.weights):>9}"
            f"{_mib(found.kv):>8}{found.compute / MIB:>9.1f}{_mib(found.total - found.overhead):>9}"
            f"{_mib(row.allocated):>11}{row.error:>8.3f}%{row.kensho_error:>8.0f}%"
        )
    _say("(MiB; Kensho: error of its formula)\n")


def _print_overhead(rows: Sequence[Row]) -> None:
    _say("Beside them, in no figure of llama.cpp (MiB):")
    for name in dict.fromkeys(row.model for row in rows):
        overhead = next(row.closed.overhead for row in rows if row.model == name)
        _say(f"  {name:<16} process RSS, estimated {_mib(overhead):>5}")
    _say(f"  {'any, on a GPU':<16} driver's context    {_mib(DRIVER_CONTEXT):>5} (not measured here)\n")


def _status(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines if line.startswith("Rss")}


def _measure(name: str, path: Path) -> Iterator[dict[str, object]]:
    """Real loads of the model at `path`, printed and told."""
    for context, kv_type in product((2048, 8192), ("f16", "q8_0")):
        worker = WorkerProcess()
        try:
            said = worker.load(path, context=context, kv_type=kv_type, threads=1, threads_batch=2).buffers
            worker.ask("Hello")
            outside = _status(worker.process.pid)
        finally:
            worker.close()
        took = measured(said, on_gpu=False)
        guess = estimate(read_shape(path), LoadShape(context, kv_type=kv_type))
        error = 100 * (guess.total / took.total - 1)
        _say(
            f"{name:<16}{context:>8} {kv_type:<5}{_mib(took.weights):>9}{_mib(took.copies):>8}"
            f"{_mib(took.kv):>8}{took.compute / MIB:>9.1f}{took.overhead / MIB:>10.1f}{_mib(took.total):>9}"
            f"{_mib(guess.total):>11}{error:>8.1f}%{_mib(outside['RssAnon']):>10}{_mib(outside['RssFile']):>9}"
        )
        yield {
            "model": name,
            "context": context,
            "kv_type": kv_type,
            "total": took.total,
            "error_percent": error,
        }


def _print_measured(gemma: Path) -> list[dict[str, object]]:
    _say(
        f"{'measured':<16}{'context':>8} {'KV':<5}{'weights':>9}{'copies':>8}{'KV':>8}{'compute':>9}"
        f"{'process':>10}{'total':>9}{'estimated':>11}{'error':>9}{'RSS own':>10}{'RSS file':>9}"
    )
    found = [*_measure("SmolLM2-135M", common.starter()), *_measure("Gemma-3-270M", gemma)]
    _say("(MiB; copies: of the weights, in the CPU's own layout. RSS after an answer, from outside)\n")
    return found


async def _rows(gemma: Path, every: bool) -> list[Row]:
    rows = await _compare("SmolLM2 (real)", common.starter(), every)
    rows += await _compare("Gemma-3 (real)", gemma, every)
    for name in PRESETS:
        with tempfile.TemporaryDirectory() as folder:
            rows += await _compare(name, write_model(Path(folder, "model.gguf"), name), every)
    return rows


def main() -> None:
    parser = common.option_parser(__doc__)
    parser.add_argument("--every", action="store_true", help="all combinations of context, KV type and batch")
    every: bool = parser.parse_args().every
    with common.gemma() as gemma:
        rows = asyncio.run(_rows(gemma, every))
        _print_table(rows)
        _print_overhead(rows)
        loads = _print_measured(gemma)
    errors = [abs(row.error) for row in rows]
    worst = max(rows, key=lambda row: abs(row.error))
    common.report(
        "closed form against llama.cpp's allocator",
        configurations=len(rows),
        max_error_percent=max(errors),
        mean_error_percent=statistics.mean(errors),
        worst=f"{worst.model}, {worst.load.context} tokens, {worst.load.kv_type}, batch {worst.load.batch}",
        goal_percent=GOAL,
        kensho_max_error_percent=max(abs(row.kensho_error) for row in rows),
        kensho_mean_error_percent=statistics.mean(abs(row.kensho_error) for row in rows),
        kensho_too_low=sum(row.kensho_error < 0 for row in rows),
        measured=loads,
    )


if __name__ == "__main__":
    main()
