"""``kensho-tui pull``: fetch a model; the host does it, this command starts it and tells how far it is."""

import argparse
import shlex
import sys
from typing import TYPE_CHECKING

from kensho_tui.cli.link import link
from kensho_tui.cli.output import named, print_json_line, print_notices, safe
from kensho_tui.cli.progress import amount, reporter
from kensho_tui.cli.reference import what_to_pull
from kensho_tui.core.errors import EXIT_INTERRUPTED, EngineError, HostGoneError, KenshoError, from_code
from kensho_tui.core.sizes import human_size
from kensho_tui.core.text import one_line

if TYPE_CHECKING:
    import asyncio

    from kensho_tui.cli.progress import Reporter
    from kensho_tui.client.facade import Kensho
    from kensho_tui.core.hub_contract import Download, StartDownload

PACE_S = 0.1
"""Between two looks: more often nobody would see it."""
WATCH_S = 1.0
"""Without news the line is drawn anew after so long: times go on."""
GRACE_S = 3.0
"""For the host to say what it has just begun, so that an interrupted command can pause it."""
HOSTS_LOST = 5
"""In a row, without a byte between them."""
HOST_PAUSE_S = 0.5

EPILOG = """\
WHAT is one of
  owner/repository                  the file recommended for this machine
  owner/repository:Q4_K_M           the one of this quantisation
  owner/repository/file.gguf        this file
  https://…/file.gguf               an address
  ollama:llama3.2:1b                a model of Ollama's store on this machine
  ./file.gguf                       a file of this machine

The model's name is printed on stdout: kensho-tui ask -m "$(kensho-tui pull WHAT)" …
Ctrl+C pauses; the same command goes on. When the terminal is closed the download goes on by itself."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "pull",
        help="fetch a model: from the hub, an address, Ollama, or a file",
        description="Fetches a model into the models folder, checks it, and prints its name.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", metavar="WHAT", help="what to fetch, see below")
    parser.add_argument("--revision", metavar="REV", help="branch, tag or commit of the repository")
    parser.add_argument("--json", action="store_true", help="one JSON document a line for each event")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import asyncio

    from kensho_tui.core.hub_contract import StartDownload

    request = StartDownload(what=what_to_pull(options.what), revision=options.revision)
    again = shlex.join(
        ["kensho-tui", "pull", options.what, *(["--revision", options.revision] if options.revision else [])]
    )
    try:
        return asyncio.run(_pull(request, again, options.json))
    except KenshoError as error:
        if options.json:
            print_json_line(
                {"event": "error", "code": error.code, "message": error.message, "hint": error.hint}
            )
        raise


async def _pull(request: "StartDownload", again: str, as_json: bool) -> int:
    async with link() as kensho:
        await print_notices(kensho)
        _tell_differences(kensho)
        return await _Pull(kensho, request, again, as_json).run()


def _tell_differences(kensho: "Kensho") -> None:
    """A token or proxy of this shell does not count when another one started the host."""
    names = [name for name in kensho.differs if not name.endswith("_VISIBLE_DEVICES")]
    if names:
        print(
            f"kensho-tui: the host was started with other values of {named(names)}; "
            "to let it start anew: kensho-tui host stop",
            file=sys.stderr,
        )


class _Pull:
    """One download from start to end. ``again`` is the command that goes on with it."""

    def __init__(self, kensho: "Kensho", request: "StartDownload", again: str, as_json: bool) -> None:
        self._kensho = kensho
        self._request = request
        self._again = again
        self._json = as_json
        self._say: Reporter = reporter(as_json)
        self._download: Download | None = None
        self._starting: asyncio.Task[Download] | None = None
        self._ours = self._already = False
        self._lost = 0

    async def run(self) -> int:
        """The exit code. Raises `KenshoError` for a download that does not end well."""
        import asyncio

        try:
            return self._finish(await self._ended())
        except asyncio.CancelledError:  # the first Ctrl+C; a second one ends this too
            return await self._interrupted()
        finally:
            self._say.clear()

    async def _ended(self) -> "Download":
        """Start it and follow it until it no longer goes on by itself, through hosts that die."""
        import asyncio

        self._say.looking(self._request.what)
        while True:
            try:
                # Shielded: what an interrupt leaves behind must not be a download that nobody paused.
                self._starting = asyncio.create_task(self._start())
                return await self._follow(await asyncio.shield(self._starting))
            except HostGoneError:
                self._lost += 1
                if self._lost > HOSTS_LOST:
                    raise
                await asyncio.sleep(HOST_PAUSE_S * (self._lost - 1))
                await self._kensho.open()

    async def _start(self) -> "Download":
        from kensho_tui.core.contract import Empty
        from kensho_tui.core.hub_contract import LIST_DOWNLOADS, START_DOWNLOAD

        first = self._download is None
        known = (await self._kensho.call(LIST_DOWNLOADS, Empty())).downloads if first else ()
        download = await self._kensho.call(START_DOWNLOAD, self._request)
        self._download = download
        if first:
            self._ours = all(one.id != download.id or not one.active for one in known)
            self._already = download.state == "done"
            if download.active:
                self._say.begun(download, self._request.what)
        return download

    async def _follow(self, download: "Download") -> "Download":
        import asyncio

        from kensho_tui.core.contract import Empty
        from kensho_tui.core.hub_contract import LIST_DOWNLOADS, TOPIC_DOWNLOADS

        if not download.active:
            return download
        # A snapshot from before the reply may say less than the reply did: only later ones are news.
        fact = (await self._kensho.watch({TOPIC_DOWNLOADS: 0}, 0.0)).get(TOPIC_DOWNLOADS)
        seen = fact.version if fact else 0
        download = self._found((await self._kensho.call(LIST_DOWNLOADS, Empty())).downloads, download)
        while download.active:
            self._say.tell(download)
            await asyncio.sleep(PACE_S)
            seen, download = await self._news(seen, download)
        return download

    async def _news(self, seen: int, download: "Download") -> "tuple[int, Download]":
        import msgspec

        from kensho_tui.core.hub_contract import TOPIC_DOWNLOADS, Downloads

        fact = (await self._kensho.watch({TOPIC_DOWNLOADS: seen}, WATCH_S)).get(TOPIC_DOWNLOADS)
        if fact is None:
            return seen, download
        downloads = msgspec.msgpack.decode(fact.body, type=Downloads).downloads
        return fact.version, self._found(downloads, download)

    def _found(self, downloads: "tuple[Download, ...]", before: "Download") -> "Download":
        found = next((one for one in downloads if one.id == before.id), None)
        if found is None:
            raise KenshoError(
                f"the download of {one_line(before.model)} was removed, and what had come with it",
                hint=f"Begin anew with: {self._again}",
            )
        if found.done > before.done:
            self._lost = 0
        self._download = found
        return found

    def _finish(self, download: "Download") -> int:
        self._say.ended(download, already=self._already)
        if download.state == "done":
            if not self._json:
                _tell_done(download, self._already)
            return 0
        if download.state == "failed":
            raise _failure(download, self._again)
        raise KenshoError(
            f"{one_line(download.model)} was {download.state} from elsewhere; {_kept(download)}",
            hint=f"Go on with: {self._again}",
        )

    async def _interrupted(self) -> int:
        """Pause what this command began, and say how it goes on."""
        from kensho_tui.core.hub_contract import CHANGE_DOWNLOAD, ChangeDownload

        self._say.clear()
        await self._settled()
        download = self._download
        try:
            if download is not None and download.active and self._ours:
                download = await self._kensho.call(
                    CHANGE_DOWNLOAD, ChangeDownload(id=download.id, action="pause")
                )
        except KenshoError as error:
            print(f"kensho-tui: it could not be paused: {error.line()}", file=sys.stderr)
            return EXIT_INTERRUPTED
        if download is None:
            print("kensho-tui: nothing was begun", file=sys.stderr)
            return EXIT_INTERRUPTED
        if download.state == "done":
            return self._finish(download)
        self._say.ended(download)
        name = one_line(download.model)
        if download.active:
            print(f"kensho-tui: {name} is fetched on in the background, as before", file=sys.stderr)
        else:
            print(f"kensho-tui: {name} is {download.state}; {_kept(download)}", file=sys.stderr)
        print(f"kensho-tui: go on with: {self._again}", file=sys.stderr)
        return EXIT_INTERRUPTED

    async def _settled(self) -> None:
        """What was just asked of the host is known, or given up."""
        import asyncio

        if self._starting is None:
            return
        await asyncio.wait([self._starting], timeout=GRACE_S)
        if not self._starting.cancel():
            self._starting.exception()


def _tell_done(download: "Download", already: bool) -> None:
    """The name on stdout, all else on stderr."""
    name = one_line(download.model)
    how_large = f" ({human_size(download.total)})" if download.total else ""
    here = "is here already" if already else "is here"
    print(f"kensho-tui: {name}{how_large} {here}: {one_line(download.path, 1000)}", file=sys.stderr)
    print(f"kensho-tui: use it with: kensho-tui ask -m {shlex.quote(name)}", file=sys.stderr)
    print(safe(download.model, sys.stdout), flush=True)


def _failure(download: "Download", again: str) -> KenshoError:
    """Why it failed, with what to do. No engine was asked, so none failed."""
    message = download.error or f"{one_line(download.model)} could not be fetched"
    error = from_code(download.code, message, download.hint or f"Try again with: {again}")
    return KenshoError(error.message, hint=error.hint) if isinstance(error, EngineError) else error


def _kept(download: "Download") -> str:
    """What there is of it."""
    if not download.done:
        return "nothing had come yet"
    return f"{amount(download.done, download.total)} are kept"
