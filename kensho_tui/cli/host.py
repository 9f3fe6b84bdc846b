"""``kensho-tui host start|status|stop``: the background process that does the work."""

import argparse
import sys
from typing import TYPE_CHECKING

from kensho_tui.cli.output import print_json
from kensho_tui.core.errors import HostError, HostGoneError
from kensho_tui.core.text import one_line

if TYPE_CHECKING:
    from kensho_tui.client.facade import Kensho
    from kensho_tui.core.contract import HostStatus

STOP_TIMEOUT_S = 30.0


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("host", help="start, look at or stop the background process")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, action, text in (
        ("start", _start, "start it where it does not run"),
        ("status", _status, "what it does now"),
        ("stop", _stop, "end it; answers under way are kept as interrupted"),
    ):
        one = actions.add_parser(name, help=text)
        one.add_argument("--json", action="store_true", help="one JSON document instead of text")
        one.set_defaults(run=run, action=action)


def run(options: argparse.Namespace) -> int:
    import asyncio

    code: int = asyncio.run(options.action(options.json))
    return code


async def _start(as_json: bool) -> int:
    from kensho_tui.client.facade import Kensho

    async with Kensho() as kensho:
        _print(await kensho.status(), as_json)
    return 0


async def _status(as_json: bool) -> int:
    from kensho_tui.client.facade import Kensho

    kensho = await Kensho.if_running()
    if kensho is None:
        _print(None, as_json)
        return 0
    async with kensho:
        _print(await kensho.status(), as_json)
    return 0


async def _stop(as_json: bool) -> int:
    from kensho_tui.client.facade import Kensho

    kensho = await Kensho.if_running()
    if kensho is None:
        _print(None, as_json)
        return 0
    async with kensho:
        await _stop_and_wait(kensho)
    if as_json:
        _print(None, as_json)
    else:
        print("stopped")
    return 0


async def _stop_and_wait(kensho: "Kensho") -> None:
    import asyncio

    status = await kensho.status()
    if status.streams:
        print(f"kensho-tui: {status.streams} answer(s) are interrupted; their text is kept", file=sys.stderr)
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


def _print(status: "HostStatus | None", as_json: bool) -> None:
    if as_json:
        print_json(_document(status))
        return
    if status is None:
        print("not running")
        return
    lines = [
        f"running · version {status.version} · process {status.pid}",
        f"front ends {status.front_ends} · answers under way {status.streams}",
        *(f"worker {w.pid} · {w.model} · {w.state} · {w.device}" for w in status.workers),
        *(f"! {notice}" for notice in status.notices),
    ]
    for line in lines:
        print(one_line(line, 1000))


def _document(status: "HostStatus | None") -> dict[str, object]:
    if status is None:
        return {
            "running": False,
            "pid": None,
            "version": None,
            "front_ends": 0,
            "streams": 0,
            "downloads": 0,
            "workers": [],
        }
    return {
        "running": True,
        "pid": status.pid,
        "version": status.version,
        "front_ends": status.front_ends,
        "streams": status.streams,
        "downloads": status.downloads,
        "workers": [{"pid": w.pid, "model": w.model, "state": w.state} for w in status.workers],
        "notices": status.notices,
    }
