"""``kensho-tui host start|status|unload|stop``: the background process that does the work."""

import argparse
import sys
from typing import TYPE_CHECKING

from kensho_tui.cli.benchmark import BENCH_STOPS, benchmark
from kensho_tui.cli.link import link
from kensho_tui.cli.output import named, print_json
from kensho_tui.cli.reference import model_reference
from kensho_tui.core.errors import HostError, HostGoneError
from kensho_tui.core.sizes import human_size
from kensho_tui.core.text import one_line

if TYPE_CHECKING:
    from kensho_tui.client.facade import Kensho
    from kensho_tui.core.contract import HostStatus, WorkerInfo
    from kensho_tui.core.hub_contract import Download
    from kensho_tui.core.model_contract import Unloaded

STOP_TIMEOUT_S = 30.0


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("host", help="the background process: start, look at, free its memory, stop")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, action, text in (
        ("start", _start, "start it where it does not run"),
        ("status", _status, "what it does now, and the memory of its models"),
        ("unload", _unload, "free the memory of its models now"),
        ("stop", _stop, "end it; answers under way are kept as interrupted"),
    ):
        one = actions.add_parser(name, help=text)
        one.add_argument("--json", action="store_true", help="one JSON document instead of text")
        one.set_defaults(run=run, action=action)
        if name == "unload":
            one.add_argument("model", nargs="?", metavar="MODEL", help="only this one; without it all")


def run(options: argparse.Namespace) -> int:
    import asyncio

    code: int = asyncio.run(options.action(options))
    return code


async def _start(options: argparse.Namespace) -> int:
    async with link() as kensho:
        _print(await kensho.status(), options.json)
    return 0


async def _status(options: argparse.Namespace) -> int:
    from kensho_tui.client.facade import Kensho

    kensho = await Kensho.if_running()
    if kensho is None:
        doing = _starting()
        if doing and not options.json:
            print(f"starting · {doing}")
        else:
            _print(None, options.json)
        return 0
    async with kensho:
        status = await kensho.status()
        _print(status, options.json, await _fetching(kensho, status))
    return 0


def _starting() -> str:
    """What keeps a host from listening, in words; empty where none starts."""
    from kensho_tui.client.spawn import starting
    from kensho_tui.config.paths import find_paths

    return starting(find_paths())


async def _fetching(kensho: "Kensho", status: "HostStatus") -> "tuple[Download, ...]":
    """Downloads that go on by themselves."""
    from kensho_tui.core.contract import Empty
    from kensho_tui.core.hub_contract import LIST_DOWNLOADS

    if not status.downloads:
        return ()
    return tuple(one for one in (await kensho.call(LIST_DOWNLOADS, Empty())).downloads if one.active)


async def _unload(options: argparse.Namespace) -> int:
    """Exit code 1 when an answer or a benchmark under way kept a model in memory."""
    from kensho_tui.client.facade import Kensho
    from kensho_tui.core.model_contract import UNLOAD, Unload, Unloaded

    kensho = await Kensho.if_running()
    unloaded = Unloaded(models=())
    if kensho is not None:
        model = model_reference(options.model) if options.model else None
        async with kensho:
            unloaded = await kensho.call(UNLOAD, Unload(model=model))
    if options.json:
        print_json(unloaded)
    else:
        print(unloaded_line(unloaded))
    if unloaded.busy:
        print(f"kensho-tui: {busy_line(unloaded)}", file=sys.stderr)
    return 1 if unloaded.busy else 0


async def _stop(options: argparse.Namespace) -> int:
    from kensho_tui.client.facade import Kensho

    kensho = await Kensho.if_running()
    if kensho is None:
        if doing := _starting():
            raise HostError(f"the host is {doing}", hint="Stop it when that is done")
        _print(None, options.json)
        return 0
    async with kensho:
        await _stop_and_wait(kensho)
    if options.json:
        _print(None, options.json)
    else:
        print("stopped")
    return 0


async def _stop_and_wait(kensho: "Kensho") -> None:
    import asyncio

    status = await kensho.status()
    if status.streams:
        print(f"kensho-tui: {status.streams} answer(s) are interrupted; their text is kept", file=sys.stderr)
    if status.bench is not None:
        print(
            f"kensho-tui: the benchmark of {one_line(status.bench.model)} stops; what it measured is kept",
            file=sys.stderr,
        )
    if status.downloads:
        print(
            f"kensho-tui: {status.downloads} download(s) stop; they go on when a host starts again",
            file=sys.stderr,
        )
    if status.front_ends:
        print(f"kensho-tui: {status.front_ends} open app(s) will start a new host", file=sys.stderr)
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await kensho.stop_host()
            await kensho.closed()
    except HostGoneError:
        pass
    except TimeoutError:
        raise HostError(
            f"the host (process {status.pid}) did not end within {STOP_TIMEOUT_S:.0f} s",
            hint=f"End it with: kill {status.pid}",
        ) from None


def unloaded_line(unloaded: "Unloaded") -> str:
    if not unloaded.models:
        return "nothing was unloaded" if unloaded.busy else "no model is loaded"
    freed = f", {human_size(unloaded.freed)} are free again" if unloaded.freed else ""
    return f"unloaded {one_line(named(unloaded.models), 1000)}{freed}"


def busy_line(unloaded: "Unloaded") -> str:
    who = one_line(named(unloaded.busy), 1000)
    if unloaded.bench:
        return f"{who} is in a benchmark and not unloaded; {BENCH_STOPS} ends that"
    return f"{who} {'is' if len(unloaded.busy) == 1 else 'are'} answering and not unloaded"


def _print(status: "HostStatus | None", as_json: bool, fetching: "tuple[Download, ...]" = ()) -> None:
    if as_json:
        print_json(_document(status, fetching))
        return
    for line in status_lines(status, fetching):
        print(one_line(line, 1000))


def status_lines(status: "HostStatus | None", fetching: "tuple[Download, ...]" = ()) -> list[str]:
    """What `host status` prints (pure); ``fetching`` are its downloads under way."""
    if status is None:
        return ["not running"]
    lines = [
        f"running · version {status.version} · process {status.pid}",
        f"front ends {status.front_ends} · answers under way {status.streams} · downloads {status.downloads}",
    ]
    if status.bench is not None:
        lines.append(f"{benchmark(status.bench)} · {BENCH_STOPS} ends it")
    if status.memory is not None:
        used, total = human_size(status.memory.used), human_size(status.memory.total)
        lines.append(f"{status.memory.kind} {used} of {total} used")
    lines += map(_worker_line, status.workers)
    lines += (f"download {_download_line(download)}" for download in fetching)
    return lines + [f"! {notice}" for notice in status.notices]


def _download_line(download: "Download") -> str:
    from datetime import datetime

    from kensho_tui.cli.progress import plain_line

    return plain_line(download, datetime.now(), between=" · ")


def _worker_line(worker: "WorkerInfo") -> str:
    state = "benchmark" if worker.bench else worker.state
    parts = [f"worker {worker.pid}", worker.model, state, worker.device]
    if worker.footprint is not None and worker.footprint.total:
        parts.append(f"{human_size(worker.footprint.total)} {worker.footprint.source}")
    if worker.context:
        parts.append(f"context {worker.context:,}")
    return " · ".join([*parts, *(["pinned"] if worker.pinned else [])])


def _document(status: "HostStatus | None", fetching: "tuple[Download, ...]" = ()) -> dict[str, object]:
    if status is None:
        return {
            "running": False,
            "pid": None,
            "version": None,
            "front_ends": 0,
            "streams": 0,
            "downloads": 0,
            "workers": [],
            "fetching": [],
            "bench": None,
        }
    return {
        "running": True,
        "pid": status.pid,
        "version": status.version,
        "front_ends": status.front_ends,
        "streams": status.streams,
        "downloads": status.downloads,
        "workers": [_worker_document(worker) for worker in status.workers],
        "fetching": [_download_document(download) for download in fetching],
        "memory": status.memory,
        "bench": status.bench,
        "notices": status.notices,
    }


def _worker_document(worker: "WorkerInfo") -> dict[str, object]:
    footprint = worker.footprint
    return {
        "pid": worker.pid,
        "model": worker.model,
        "state": worker.state,
        "device": worker.device,
        "context": worker.context,
        "pinned": worker.pinned,
        "memory": footprint.total if footprint else None,
        "memory_source": footprint.source if footprint else None,
    }


def _download_document(download: "Download") -> dict[str, object]:
    return {
        "id": download.id,
        "model": download.model,
        "state": download.state,
        "done": download.done,
        "total": download.total,
        "rate": download.rate,
        "eta_s": download.eta_s,
    }
