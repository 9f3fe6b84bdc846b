"""``kensho-tui bench``: which settings make a model fast on this machine, and how fast it is."""

import argparse
import shlex
import sys
from operator import itemgetter
from typing import TYPE_CHECKING

from kensho_tui.cli.link import link
from kensho_tui.cli.output import ascii_only, print_json, print_notices, width
from kensho_tui.core.errors import (
    EXIT_INTERRUPTED,
    HostGoneError,
    KenshoError,
    NotFoundError,
    UsageError,
)
from kensho_tui.core.text import one_line

if TYPE_CHECKING:
    from kensho_tui.client.facade import Kensho
    from kensho_tui.core.bench_contract import BenchRun, Condition

WATCH_S = 1.0
LISTED = 20
ALL = 200
"""As many as the host keeps."""

DESCRIPTION = """\
Measures prefill and decode of a model with different numbers of threads, batches, flash attention, KV caches
and layers on the GPU, holds them against llama.cpp alone, and recommends settings."""
EPILOG = """\
Each choice is measured on a quiet machine and on a shared one, where a process of the benchmark keeps a core
busy as browsers and builds do. Nothing else should run meanwhile. Answers wait until it has ended.
--apply measures first; with --kept it takes the newest benchmark that is kept of the model instead.
--undo gives back what was set before that, but nothing that was set otherwise since.
Ctrl+C stops it; what was measured is kept."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "bench",
        help="measure a model with different settings, and recommend some",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-m", "--model", metavar="MODEL", help="a name, or a unique part of one; without it that of new chats"
    )
    parser.add_argument("--quick", action="store_true", help="fewer settings, fewer repetitions")
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="measure nothing twice once so many seconds are over; below 10 prompts are short, too",
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
    what.add_argument(
        "--undo", action="store_true", help="take back what was applied last, of all or of MODEL"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import asyncio

    if options.apply and (options.list or options.stop or options.undo):
        raise UsageError("--apply goes with a benchmark", hint="Use it alone, or with --kept")
    if options.seconds is not None and not 0 <= options.seconds <= 86_400:
        raise UsageError("--seconds lies between 0 and 86400")
    if options.stop:
        return asyncio.run(_stop(options.json))
    if options.undo:
        return asyncio.run(_undo(options.model, options.json))
    if options.list:
        return asyncio.run(_list(options.model, options.json))
    return asyncio.run(_bench(options))


async def _stop(as_json: bool) -> int:
    from kensho_tui.client.facade import Kensho

    kensho = await Kensho.if_running()
    stopped = None
    if kensho is not None:
        async with kensho:
            stopped = await _stopped(kensho)
    if as_json:
        print_json({"stopped": _named(stopped)})
    elif stopped is not None:
        print(f"kensho-tui: stopped the benchmark of {one_line(stopped.model)}", file=sys.stderr)
    else:
        print("kensho-tui: no benchmark is under way", file=sys.stderr)
    return 0


async def _stopped(kensho: "Kensho") -> "BenchRun | None":
    """The one that was under way; None: there was none."""
    from kensho_tui.core.bench_contract import STOP_BENCH, BenchRef

    run = next((one for one in await _runs(kensho) if one.state == "running"), None)
    if run is not None:
        await kensho.call(STOP_BENCH, BenchRef(bench=run.id))
    return run


def _named(run: "BenchRun | None") -> dict[str, str] | None:
    """Which one it was, as a JSON document tells it."""
    return {"id": run.id, "model": run.model} if run is not None else None


async def _undo(model: str | None, as_json: bool) -> int:
    from kensho_tui.core.bench_contract import UNDO_BENCH, BenchRef

    async with link() as kensho:
        left = [(one.change.at, one) for one in await _runs(kensho, model, ALL) if one.change is not None]
        if not left:
            raise NotFoundError("no benchmark has set anything that is left to take back")
        _, last = max(left, key=itemgetter(0))
        defaults = await kensho.call(UNDO_BENCH, BenchRef(bench=last.id))
    if as_json:
        print_json({"undone": _named(last), "defaults": defaults})
        return 0
    when = one_line(last.created[:10])
    print(f"{one_line(last.model)} no longer has what the benchmark of {when} recommends.")
    return 0


async def _list(model: str | None, as_json: bool) -> int:
    from kensho_tui.cli.bench_tables import listed

    async with link() as kensho:
        runs = await _runs(kensho, model)
    if as_json:
        print_json({"runs": runs})
    elif not runs:
        print("No benchmark is kept yet.", file=sys.stderr)
    else:
        print(*listed(runs, width(sys.stdout), plain=ascii_only(sys.stdout)), sep="\n")
    return 0


async def _runs(kensho: "Kensho", model: str | None = None, limit: int = LISTED) -> "tuple[BenchRun, ...]":
    """The last ones, newest first; one under way comes before those that are kept."""
    from kensho_tui.core.bench_contract import LIST_BENCHES, ListBenches

    return (await kensho.call(LIST_BENCHES, ListBenches(model=model, limit=limit))).runs


async def _bench(options: argparse.Namespace) -> int:
    async with link() as kensho:
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
    found = next((one for one in await _runs(kensho, model) if one.state == "complete"), None)
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
        self._version = 0
        """Of the fact that was seen last."""

    async def measured(self) -> "tuple[BenchRun, int]":
        """The run as it ended, and the exit code. Raises `KenshoError` where it failed."""
        import asyncio

        try:
            found = await self._ended()
        except asyncio.CancelledError:  # the first Ctrl+C; a second one ends this too
            return await self._interrupted()
        except HostGoneError as error:
            if self._run is None:
                raise
            hint = "What was measured is kept: kensho-tui bench --list"
            raise HostGoneError("the host ended before the benchmark did", hint=hint) from error
        finally:
            self._progress.clear()
        return found, 1 if _tell_ending(found, "it was stopped from elsewhere") else 0

    async def _ended(self) -> "BenchRun":
        from kensho_tui.core.bench_contract import START_BENCH, TOPIC_BENCH, StartBench

        options = self._options
        # What is told of one before is no news of this one.
        seen = (await self._kensho.watch({TOPIC_BENCH: 0}, 0.0)).get(TOPIC_BENCH)
        self._version = seen.version if seen is not None else 0
        asked = StartBench(model=options.model, quick=options.quick, budget_s=options.seconds)
        self._run = found = await self._kensho.call(START_BENCH, asked)
        while found.state == "running":
            self._progress.tell(found)
            self._run = found = await self._news(found)
        return found

    async def _news(self, before: "BenchRun") -> "BenchRun":
        import msgspec

        from kensho_tui.core.bench_contract import TOPIC_BENCH, BenchFact

        fact = (await self._kensho.watch({TOPIC_BENCH: self._version}, WATCH_S)).get(TOPIC_BENCH)
        if fact is None:
            return before
        self._version = fact.version
        told = msgspec.msgpack.decode(fact.body, type=BenchFact).run
        if told is not None and told.id == before.id:
            return told
        # Another one has begun since (this command was suspended): how this one ended is told no more.
        kept = next((one for one in await _runs(self._kensho) if one.id == before.id), None)
        if kept is None:
            raise KenshoError("the benchmark has ended, and nothing of it is kept", hint="Begin it anew")
        return kept

    async def _interrupted(self) -> "tuple[BenchRun, int]":
        """Stop what this command began; what was measured is shown."""
        from kensho_tui.core.bench_contract import STOP_BENCH, BenchRef

        self._progress.clear()
        if self._run is None:
            raise KeyboardInterrupt
        await self._kensho.call(STOP_BENCH, BenchRef(bench=self._run.id))
        found = await self._news(self._run)
        _tell_ending(found, "stopped")
        return found, EXIT_INTERRUPTED


def _tell_ending(found: "BenchRun", stopped: str) -> bool:
    """Whether there was something to tell. Raises `KenshoError` for a run that failed."""
    if found.state == "failed":
        raise KenshoError(found.error or "the benchmark failed", hint=found.hint)
    ended = ending(found, stopped)
    if ended:
        print(f"kensho-tui: {ended}", file=sys.stderr)
    return bool(ended)


def ending(found: "BenchRun", stopped: str) -> str:
    """What is to be said of a run that did not fail: it was stopped, or could not be kept (pure)."""
    if found.error:
        hint = f". {found.hint}" if found.hint else ""
        return one_line(f"{found.error}{hint}; its figures are shown here alone", 600)
    if found.state != "stopped":
        return ""
    return f"{stopped}; {'what was measured is kept' if found.points else 'nothing was measured yet'}"


def _tell(found: "BenchRun", applied: "Condition | None") -> None:
    from kensho_tui.cli.bench_tables import told

    print(*told(found, width(sys.stdout), plain=ascii_only(sys.stdout)), sep="\n")
    name = one_line(found.model)
    if applied:
        print(f"\n{name} has these settings for a {applied} machine from now on.")
    elif found.recommendations and found.applied is None and not found.error:
        print(f"\nMake it the default: kensho-tui bench --kept --apply shared -m {shlex.quote(name)}")
