"""What can be done with downloads: each is a call of the host, and what is said of it."""

from typing import TYPE_CHECKING

from kensho_tui.core import hub_contract as h
from kensho_tui.core.errors import UsageError
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

NAME_LIMIT = 80


def name_of(download: h.Download) -> str:
    return one_line(download.model, NAME_LIMIT) or one_line(download.origin, NAME_LIMIT) or "a model"


class Fetching:
    """Every method may raise a `KenshoError`."""

    def __init__(self, app: "KenshoApp") -> None:
        self._app = app

    async def start(self, what: str) -> h.Download:
        """Begin a download, or go on with it, and say so."""
        from kensho_tui.ui.models.wanted import source

        if not what.strip():
            raise UsageError("say what to download", hint="/hub looks for models; /pull owner/name gets one")
        await self._app.session.connected()
        request = h.StartDownload(what=source(what))
        found = await self._app.session.host.call(h.START_DOWNLOAD, request)
        where = "4 shows" if self._app.place == "models" else "/downloads shows"
        if found.state == "done":
            self._app.say(f"✓ {name_of(found)} is here already", "Enter on its row uses it", "$success")
        else:
            size = f" ({fmt.size(found.total)})" if found.total > 0 else ""
            self._app.say(f"↓ {name_of(found)} is on its way{size}", f"{where} it")
        return found

    async def pause(self, download: h.Download) -> None:
        """Or go on, where it is paused."""
        if download.active:
            await self._change(download, "pause")
            self._app.say(f"{name_of(download)} is paused", "p goes on with it; what is here stays")
        elif download.state == "done":
            raise UsageError(f"{name_of(download)} is here already", hint="Enter uses it")
        else:
            await self.resume(download)

    async def resume(self, download: h.Download) -> None:
        await self._change(download, "resume")
        self._app.say(f"↓ {name_of(download)} goes on")

    async def cancel(self, download: h.Download) -> None:
        if download.state in ("done", "cancelled"):
            raise UsageError(
                f"{name_of(download)} is {download.state} already", hint="x takes it off the list"
            )
        await self._change(download, "cancel")
        kept = f"{fmt.size(download.done)} of it are kept; " if download.done > 0 else ""
        self._app.say(f"{name_of(download)} is cancelled", f"{kept}z goes on with it", "$warning")

    async def remove(self, download: h.Download) -> None:
        """Off the list: a model that is here stays, a part of one goes."""
        if download.active:
            raise UsageError(f"{name_of(download)} is on its way", hint="c cancels it; then x takes it away")
        await self._change(download, "remove")
        gone = (
            f", {fmt.size(download.done)} are deleted" if download.done and download.state != "done" else ""
        )
        then = "the model stays" if download.state == "done" else ""
        self._app.say(f"{name_of(download)} is off the list{gone}", then)

    async def _change(self, download: h.Download, action: h.DownloadAction) -> None:
        await self._app.session.connected()
        await self._app.session.host.call(h.CHANGE_DOWNLOAD, h.ChangeDownload(id=download.id, action=action))
