"""``kensho-tui chats``: what was asked, newest first."""

import argparse
import sys

from kensho_tui.cli.link import link
from kensho_tui.cli.output import print_json, print_notices
from kensho_tui.core.text import one_line


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("chats", help="list the saved chats, newest first")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import asyncio

    return asyncio.run(_chats(options.json))


async def _chats(as_json: bool) -> int:
    async with link() as kensho:
        chats = await kensho.chats()
        await print_notices(kensho)
    if as_json:
        print_json(chats)
        return 0
    if not chats:
        print('No chats yet. Ask something: kensho-tui ask "What is a REST API?"', file=sys.stderr)
    for chat in chats:
        state = "" if chat.state == "idle" else f"  [{chat.state}]"
        when = chat.updated[:16].replace("T", " ")
        print(f"{chat.id}  {when}  {chat.messages:>4}  {one_line(chat.title, 60)}{state}")
    return 0
