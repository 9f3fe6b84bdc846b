"""``kensho-tui show``: one chat, whole."""

import argparse
import sys
from typing import TYPE_CHECKING

from kensho_tui.cli.link import link
from kensho_tui.cli.output import print_json, safe

if TYPE_CHECKING:
    from kensho_tui.core.contract import Message


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("show", help="print a chat")
    parser.add_argument("chat", metavar="CHAT", help="its id or a unique prefix")
    parser.add_argument("--all", action="store_true", help="every branch, oldest message first")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import asyncio

    return asyncio.run(_show(options.chat, options.all, options.json))


async def _show(reference: str, every_branch: bool, as_json: bool) -> int:
    async with link() as kensho:
        chat = await kensho.chat(reference, all_branches=every_branch)
    if as_json:
        print_json({"id": chat.id, "title": chat.title, "messages": [_fields(m) for m in chat.messages]})
        return 0
    out = sys.stdout
    out.write(safe(f"# {chat.title}\n", out))
    for message in chat.messages:
        out.write(safe(f"\n## {_label(message)}\n\n{message.content}\n", out))
    return 0


def _label(message: "Message") -> str:
    who = "you" if message.role == "user" else message.model or message.role
    said = "" if message.state == "complete" else f" ({message.state})"
    why = f": {message.error}" if message.error else ""
    return f"{who} · {message.created[:16].replace('T', ' ')}{said}{why}"


def _fields(message: "Message") -> dict[str, object]:
    names = (
        "id",
        "parent_id",
        "role",
        "state",
        "model",
        "content",
        "stop_reason",
        "error",
        "created",
        "usage",
        "timings",
    )
    return {name: getattr(message, name) for name in names}
