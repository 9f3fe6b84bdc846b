"""``kensho-tui gc``: what lies where on disk, how much, and what of it can go."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kensho_tui.cli.link import link
from kensho_tui.cli.output import named, print_json, width
from kensho_tui.core.errors import UsageError
from kensho_tui.core.sizes import human_size
from kensho_tui.core.text import one_line

if TYPE_CHECKING:
    from kensho_tui.core.model_contract import Freed, Store, StoreName

STORES = ("models", "bin", "kv", "partial", "logs", "database", "responses", "copies")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "gc",
        help="what lies on disk, and free what can go",
        description="What kensho-tui keeps on disk, how much that is, and how much of it can go: the bin, "
        "saved KV caches, unfinished downloads, old logs, cached answers and copies of the database.",
    )
    parser.add_argument(
        "--free",
        nargs="*",
        choices=STORES,
        metavar="STORE",
        help=f"free these stores, or all that can go: {', '.join(STORES)}",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask first")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import asyncio

    may_ask = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    if options.free is not None and not options.yes and not may_ask:
        raise UsageError("nobody can be asked here", hint="Add --yes to free without a question")
    stores = asyncio.run(_use())
    if options.free is None:
        _show(stores, options.json)
        return 0
    wanted: tuple[StoreName, ...] = tuple(dict.fromkeys(options.free))
    chosen = to_free(stores, wanted)
    if chosen and not options.yes and not _agreed(chosen):
        print("kensho-tui: nothing was freed", file=sys.stderr)
        return 1
    freed = asyncio.run(_free(wanted)) if chosen else None
    if options.json:
        print_json(freed_document(freed))
    else:
        print(freed_line(freed))
    return 0


async def _use() -> "tuple[Store, ...]":
    from kensho_tui.core.contract import Empty
    from kensho_tui.core.model_contract import DISK_USE

    async with link() as kensho:
        return (await kensho.call(DISK_USE, Empty())).stores


async def _free(stores: "tuple[StoreName, ...]") -> "Freed":
    from kensho_tui.core.model_contract import FREE_DISK, FreeDisk

    async with link() as kensho:
        return await kensho.call(FREE_DISK, FreeDisk(stores=stores))


def _agreed(chosen: "Sequence[Store]") -> bool:
    sys.stderr.write(question(chosen))
    sys.stderr.flush()
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def _show(stores: "Sequence[Store]", as_json: bool) -> None:
    if as_json:
        print_json({"stores": stores, "size": sum(s.size for s in stores), "freeable": freeable(stores)})
        return
    for line in lines(stores, width(sys.stdout)):
        print(line)


def freeable(stores: "Sequence[Store]") -> int:
    return sum(store.freeable for store in stores)


def to_free(stores: "Sequence[Store]", wanted: Sequence[str]) -> "list[Store]":
    """What of `wanted` (empty: of all) has anything to free (pure)."""
    return [store for store in stores if store.freeable and (not wanted or store.name in wanted)]


def question(chosen: "Sequence[Store]") -> str:
    parts = [f"{one_line(store.title)} ({human_size(store.freeable)})" for store in chosen]
    return f"Free {named(parts)}? This cannot be undone. [y/N] "


def freed_document(freed: "Freed | None") -> dict[str, int]:
    return {"size": freed.size if freed else 0, "files": freed.files if freed else 0}


def freed_line(freed: "Freed | None") -> str:
    if freed is None or not freed.files:
        return "There was nothing to free."
    return f"Freed {human_size(freed.size)} ({freed.files} {'file' if freed.files == 1 else 'files'})."


def lines(stores: "Sequence[Store]", columns: int | None) -> list[str]:
    """The table with its sum, in at most `columns` cells (None: no edge; pure)."""
    from kensho_tui.cli.table import Column, render

    layout = (
        Column("STORE"),
        Column("WHAT", rank=2),
        Column("FILES", right=True, rank=3),
        Column("SIZE", right=True),
        Column("CAN GO", right=True),
        Column("WHERE", rank=1, least=12),
    )
    rows = [
        (
            s.name,
            s.title,
            f"{s.files:,}",
            human_size(s.size),
            human_size(s.freeable) if s.freeable else "",
            s.path,
        )
        for s in stores
    ]
    total = sum(store.size for store in stores)
    can_go = freeable(stores)
    return [
        *render(layout, rows, columns),
        "",
        f"{human_size(total)} in all. "
        + (f"{human_size(can_go)} can go: kensho-tui gc --free" if can_go else "Nothing that could go."),
    ]
