"""``kensho-tui rm``: a model goes to the bin, and comes back from there."""

import argparse
from typing import TYPE_CHECKING

from kensho_tui.cli.link import link
from kensho_tui.cli.output import print_json
from kensho_tui.cli.reference import model_reference
from kensho_tui.core.errors import KenshoError, NotFoundError, UsageError
from kensho_tui.core.sizes import human_size
from kensho_tui.core.text import one_line

if TYPE_CHECKING:
    from kensho_tui.client.facade import Kensho
    from kensho_tui.core.contract import ModelInfo
    from kensho_tui.core.hub_contract import Download
    from kensho_tui.core.model_contract import Deleted


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "rm",
        help="move a model to the bin; --undo brings it back",
        description="Moves a model's files to the bin, from which they come back until `gc` empties it. "
        "Only models in kensho-tui's own folder can be removed. Of an unfinished download, named in full, "
        "all that was fetched is removed at once.",
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a name, a unique part of one, or a path")
    parser.add_argument("--undo", metavar="TOKEN", help="bring back what `rm` moved to the bin")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import asyncio

    if bool(options.model) == bool(options.undo):
        raise UsageError("name a model to remove, or one thing to bring back with --undo TOKEN")
    if options.undo:
        return asyncio.run(_restore(options.undo, options.json))
    return asyncio.run(_delete(model_reference(options.model), options.json))


async def _delete(model: str, as_json: bool) -> int:
    from kensho_tui.core.model_contract import DELETE, ModelRef

    async with link() as kensho:
        try:
            deleted = await kensho.call(DELETE, ModelRef(model=model))
        except NotFoundError:
            unfinished = await _drop_unfinished(kensho, model)
            if unfinished is None:
                raise
            return _told(unfinished, as_json)
        except UsageError as error:
            # The command was right; this model cannot go, or not now.
            raise KenshoError(error.message, hint=error.hint) from None
    if as_json:
        print_json(deleted)
    else:
        print("\n".join(deleted_lines(deleted)))
    return 0


async def _drop_unfinished(kensho: "Kensho", model: str) -> "Download | None":
    """Of a model of exactly this name that is not here yet: its download, with what was fetched."""
    from kensho_tui.core.contract import Empty
    from kensho_tui.core.hub_contract import CHANGE_DOWNLOAD, LIST_DOWNLOADS, ChangeDownload

    downloads = (await kensho.call(LIST_DOWNLOADS, Empty())).downloads
    found = next((one for one in downloads if one.model == model and one.state != "done"), None)
    if found is not None:
        await kensho.call(CHANGE_DOWNLOAD, ChangeDownload(id=found.id, action="cancel"))
        await kensho.call(CHANGE_DOWNLOAD, ChangeDownload(id=found.id, action="remove"))
    return found


def _told(download: "Download", as_json: bool) -> int:
    if as_json:
        print_json(download)
    else:
        print(f"The download of {one_line(download.model)} is gone, with {human_size(download.done)} of it")
    return 0


async def _restore(token: str, as_json: bool) -> int:
    from kensho_tui.cli.models import document
    from kensho_tui.core.model_contract import RESTORE, RestoreModel

    async with link() as kensho:
        model = await kensho.call(RESTORE, RestoreModel(token))
    if as_json:
        print_json(document(model))
    else:
        print(restored_line(model))
    return 0


def deleted_lines(deleted: "Deleted") -> tuple[str, ...]:
    """What went, and how it comes back. The command is a line of its own, to be copied."""
    return (
        f"{one_line(deleted.model)} ({human_size(deleted.size)}) is in the bin. To bring it back:",
        f"  kensho-tui rm --undo {one_line(deleted.token)}",
    )


def restored_line(model: "ModelInfo") -> str:
    return f"{one_line(model.name)} ({human_size(model.size)}) is back: {one_line(model.path, 1000)}"
