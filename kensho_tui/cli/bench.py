"""``kensho-tui bench``: which settings make a model fast on this machine, and how fast it is."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kensho_tui.cli.output import ascii_only, print_json, print_notices, width
from kensho_tui.core.errors import KenshoError, NotFoundError, UsageError
from kensho_tui.core.text import one_line

if TYPE_CHECKING:
    from kensho_tui.client.facade import Kensho
    from kensho_tui.core.bench_contract import BenchRun, Condition

EXIT_INTERRUPTED = 130
WATCH_S = 1.0
LISTED = 20

EPILOG = """\
Each choice is measured on a quiet machine and on a shared one, where a process of the benchmark keeps a core
busy as browsers and builds do. Nothing else should run meanwhile. Answers wait until it has ended.
--apply measures first; with --kept it takes the newest benchmark that is kept of the model instead.
Ctrl+C stops it; what was measured is kept."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "bench",
        help="measure a model with different settings, and recommend some",
        description="Measures prefill and decode of a model with different numbers of threads, "
        "batches, flash attention, KV caches and layers on the GPU, holds them against llama.cpp alone, and "
        "recommends settings.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-m", "--model", metavar="MODEL", help="a name, or a unique part of one")
    parser.add_argument("--quick", action="store_true", help="fewer settings, fewer repetitions")
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="repeat nothing after so long; below 10 prompts are short, and nothing is repeated",
    )
    parser.add_argument(
        "--apply",
        choices=("quiet", "shared"),
        help="make what is recommended for such a machine the model's defaults",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="the benchmarks that are kept, newest first")
    what.add_argument("--kept", action="store_true", help="measure nothing: show the newest that is kept")
    what.add_argument("--stop", action="store_true", help="stop the one that is under way")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import asyncio

    if options.apply and (options.list or options.stop):
        raise UsageError("--apply goes with a benchmark", hint="Use it alone, or with --kept")
    if options.seconds is not None and not 0 <= options.seconds <= 86_400:
        raise UsageError("--seconds lies between 0 and 86400")
    if options.stop:
        return asyncio.run(_stop())
    if options.list:
        return asyncio.run(_list(options.model, options.json))
    return asyncio.run(_bench(options))


async def _stop() -> int:
    from kensho_tui.client.facade import Kensho
    from kensho_tui.core.bench_contract import LIST_BENCHES, STOP_BENCH, BenchRef, ListBenches

    kensho = await Kensho.if_running()
    if kensho is not None:
        async with kensho:
            for one in (await kensho.call(LIST_BENCHES, ListBenches(limit=1))).runs:
                if one.state == "running":
                    await kensho.call(STOP_BENCH, BenchRef(bench=one.id))
                    print(f"kensho-tui: stopped the benchmark of {one_line(one.model)}", file=sys.stderr)
                    return 0
    print("kensho-tui: no benchmark is under way", file=sys.stderr)
    return 0


async def _list(model: str | None, as_json: bool) -> int:
    from kensho_tui.cli.bench_tables import listed
    from kensho_tui.client.facade import Kensho
    from kensho_tui.core.bench_contract import LIST_BENCHES, ListBenches

    async with Kensho() as kensho:
        runs = (await kensho.call(LIST_BENCHES, ListBenches(model=model, limit=LISTED))).runs
    if as_json:
        print_json({"runs": runs})
    elif not runs:
        print("No benchmark is kept yet.", file=sys.stderr)
    else:
        _print(listed(runs, width(sys.stdout), plain=ascii_only(sys.stdout)))
    return 0


async def _bench(options: argparse.Namespace) -> int:
    from kensho_tui.client.facade import Kensho

    async with Kensho() as kensho:
        await print_notices(kensho)
        if options.kept:
            found, code = await _newest(kensho, options.model), 0
        else:
            found, code = await _Bench(kensho, options).measured()
        if options.apply and not code:
            found = await _apply(kensho, found, options.apply)
    if options.json:
        print_json(found)
    else:
        _tell(found, options.apply)
    return code


async def _newest(kensho: "Kensho", model: str | None) -> "BenchRun":
    from kensho_tui.core.bench_contract import LIST_BENCHES, ListBenches

    runs = (await kensho.call(LIST_BENCHES, ListBenches(model=model, limit=LISTED))).runs
    found = next((one for one in runs if one.state == "complete"), None)
    if found is None:
        raise NotFoundError("no benchmark that came to its end is kept", hint="Run: kensho-tui bench")
    return found


async def _apply(kensho: "Kensho", found: "BenchRun", condition: "Condition") -> "BenchRun":
    import msgspec

    from kensho_tui.core.bench_contract import APPLY_BENCH, ApplyBench

    await kensho.call(APPLY_BENCH, ApplyBench(bench=found.id, condition=condition))
    return msgspec.structs.replace(found, applied=condition)


class _Bench:
    """One benchmark, started and followed."""

    def __init__(self, kensho: "Kensho", options: argparse.Namespace) -> None:
        from kensho_tui.cli.bench_progress import Progress

        self._kensho = kensho
        self._options = options
        self._progress = Progress.on(sys.stderr)
        self._run: BenchRun | None = None

    async def measured(self) -> "tuple[BenchRun, int]":
        """The run as it ended, and the exit code. Raises `KenshoError` where it failed."""
        import asyncio

        try:
            found = await self._ended()
        except asyncio.CancelledError:  # the first Ctrl+C; a second one ends this too
            return await self._interrupted()
        finally:
            self._progress.clear()
        if found.state == "failed":
            raise KenshoError(found.error or "the benchmark failed", hint=found.hint)
        ended = ending(found)
        if ended:
            print(f"kensho-tui: {ended}", file=sys.stderr)
        return found, 1 if ended else 0

    async def _ended(self) -> "BenchRun":
        from kensho_tui.core.bench_contract import START_BENCH, TOPIC_BENCH, StartBench

        options = self._options
        seen = (await self._kensho.watch({TOPIC_BENCH: 0}, 0.0)).get(TOPIC_BENCH)
        version = seen.version if seen is not None else 0
        asked = StartBench(model=options.model, quick=options.quick, budget_s=options.seconds)
        self._run = found = await self._kensho.call(START_BENCH, asked)
        while found.state == "running":
            self._progress.tell(found)
            version, found = await self._news(version, found)
            self._run = found
        return found

    async def _news(self, version: int, before: "BenchRun") -> "tuple[int, BenchRun]":
        import msgspec

        from kensho_tui.core.bench_contract import TOPIC_BENCH, BenchFact

        fact = (await self._kensho.watch({TOPIC_BENCH: version}, WATCH_S)).get(TOPIC_BENCH)
        if fact is None:
            return version, before
        found = msgspec.msgpack.decode(fact.body, type=BenchFact).run
        return fact.version, found if found is not None and found.id == before.id else before

    async def _interrupted(self) -> "tuple[BenchRun, int]":
        """Stop what this command began; what was measured is shown."""
        from kensho_tui.core.bench_contract import LIST_BENCHES, STOP_BENCH, BenchRef, ListBenches

        self._progress.clear()
        begun = self._run
        if begun is None:
            raise KeyboardInterrupt
        await self._kensho.call(STOP_BENCH, BenchRef(bench=begun.id))
        kept = (await self._kensho.call(LIST_BENCHES, ListBenches(limit=1))).runs
        found = next((one for one in kept if one.id == begun.id), None)
        said = "what was measured is kept" if found is not None else "nothing was measured yet"
        print(f"kensho-tui: stopped; {said}", file=sys.stderr)
        return found or begun, EXIT_INTERRUPTED


def ending(found: "BenchRun") -> str:
    """What is to be said of a run that did not fail: it was stopped, or could not be kept (pure)."""
    if found.error:
        hint = f". {found.hint}" if found.hint else ""
        return one_line(f"{found.error}{hint}; its figures are shown here alone", 600)
    return "it was stopped from elsewhere; what was measured is kept" if found.state == "stopped" else ""


def _tell(found: "BenchRun", applied: "Condition | None") -> None:
    from kensho_tui.cli.bench_tables import told

    _print(told(found, width(sys.stdout), plain=ascii_only(sys.stdout)))
    if applied:
        print(f"\n{one_line(found.model)} has these settings for a {applied} machine from now on.")
    elif found.recommendations and found.applied is None and not found.error:
        name = shlex.quote(found.model)
        print(f"\nMake it the default: kensho-tui bench --kept --apply shared -m {name}")


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        print(line)
