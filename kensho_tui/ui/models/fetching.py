"""What can be done with downloads: each is a call of the host, and what is said of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kensho_tui.core import contract as c
from kensho_tui.core import hub_contract as h
from kensho_tui.core.errors import KenshoError, UsageError
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.arrivals import model_of

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

NAME_LIMIT, ASKED_LIMIT = 80, 60


def name_of(download: h.Download) -> str:
    return one_line(download.model, NAME_LIMIT) or one_line(download.origin, NAME_LIMIT) or "a model"


@dataclass
class Wish:
    """A download that was asked for, until the host answers. ``of_hub``: the hub has to be asked about it.
    ``stopped``: nobody wants it any more.
    """

    name: str
    of_hub: bool
    stopped: bool = False


class Fetching:
    """Every method that waits may raise a `KenshoError`."""

    def __init__(self, app: "KenshoApp") -> None:
        self._app = app
        self._wishes: list[Wish] = []
        self._unsay: Callable[[], None] = lambda: None
        self.begun = ""
        """The id of the download that was begun last, until somebody looks at the downloads."""

    # --- starting -------------------------------------------------------------------------------------

    async def start(self, what: str, name: str = "") -> h.Download | None:
        """Begin a download, or go on with it, and say so; `name` is what a person knows it by. None: it was
        stopped before the hub had answered."""
        from kensho_tui.ui.models.wanted import source

        if not what.strip():
            raise UsageError("say what to download", hint="/hub looks for models; /pull owner/name gets one")
        elsewhere = "://" in what or what.startswith(("/", "~", ".", "ollama:"))
        wish = Wish(one_line(name or what, ASKED_LIMIT), not elsewhere)
        self._wishes.append(wish)
        self._show_wishes()
        try:
            await self._app.session.connected()
            found = await self._app.session.host.call(h.START_DOWNLOAD, h.StartDownload(what=source(what)))
        except KenshoError as error:
            self._end(wish)
            if wish.stopped:
                return None
            error.message = f"{wish.name} was not fetched: {error.message}"
            raise
        self._end(wish)
        if wish.stopped:
            await self._undo(found)
            return None
        self._say_begun(found)
        return found

    @property
    def asking(self) -> str:
        """What the host was asked to fetch and has not answered yet, in words; empty: nothing."""
        wanted = [wish for wish in self._wishes if not wish.stopped]
        if not wanted:
            return ""
        more = f" and {len(wanted) - 1} more" if len(wanted) > 1 else ""
        return f"asking {'the hub ' if wanted[-1].of_hub else ''}for {wanted[-1].name}{more} …"

    def stop(self) -> bool:
        """Give up what was asked for last and was not answered. False: there is nothing."""
        wish = next((one for one in reversed(self._wishes) if not one.stopped), None)
        if wish is None:
            return False
        wish.stopped = True
        self._show_wishes()
        if not self.asking:
            self._app.say(f"{wish.name} is not fetched")
        return True

    def _end(self, wish: Wish) -> None:
        self._wishes.remove(wish)
        self._show_wishes()

    def _show_wishes(self) -> None:
        self._unsay()
        if self.asking:
            stops = "Esc stops" if self._app.place == "models" else ""
            self._unsay = self._app.say(f"◌ {self.asking}", stops, "$primary", seconds=0, news=True)
        for watcher in self._app.session.download_watchers:
            watcher()

    async def _undo(self, found: h.Download) -> None:
        """It began though nobody wanted it any more: the host does not hear of that in time."""
        if not found.active:
            return
        await self._change(found, "pause" if found.done > 0 else "cancel")
        if found.done <= 0:
            await self._change(found, "remove")

    def _say_begun(self, found: h.Download) -> None:
        if found.state == "done":
            self._app.say(f"✓ {name_of(found)} is here already", "Enter on its row uses it", "$success")
            return
        self._goes_on(found)
        self.begun = found.id
        where = "4 shows" if self._app.place == "models" else "/downloads shows"
        size = f" ({fmt.size(found.total)})" if found.total > 0 else ""
        self._app.say(f"↓ {name_of(found)} is on its way{size}", f"{where} it")

    def _goes_on(self, found: h.Download) -> None:
        """What the host answered after it began anew. That it fails once more is news, however soon."""
        if found.state == "failed":
            raise KenshoError(f"{name_of(found)} failed again: {found.error}", hint=found.hint)
        self._app.session.arrivals.goes_on(found)

    # --- one that is there ----------------------------------------------------------------------------

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
        """Go on with one that ended, or try one at once that waits for its next try."""
        self._goes_on(await self._change(download, "resume"))
        does = "is tried now" if download.state == "waiting" else "goes on"
        self._app.say(f"↓ {name_of(download)} {does}")

    async def cancel(self, download: h.Download) -> None:
        if download.state in ("done", "cancelled"):
            raise UsageError(
                f"{name_of(download)} is {download.state} already", hint="x takes it off the list"
            )
        await self._change(download, "cancel")
        kept = f"{fmt.size(download.done)} of it are kept; " if download.done > 0 else ""
        self._app.say(f"{name_of(download)} is cancelled", f"{kept}z goes on with it", "$warning")

    async def drop(self, download: h.Download) -> None:
        """Off the list, where its model stays, or what was fetched goes. What could go on is only cancelled
        at first: no key deletes at once what took long to come."""
        if download.state not in ("done", "cancelled"):
            await self._change(download, "cancel")
            does = f"deletes its {fmt.size(download.done)}" if download.done > 0 else "takes it off the list"
            said = f"x again {does}, Enter goes on"
            self._app.say(f"{name_of(download)} is cancelled", said, "$warning")
            return
        await self._change(download, "remove")
        gone = (
            f", {fmt.size(download.done)} are deleted" if download.done and download.state != "done" else ""
        )
        then = "the model stays" if download.state == "done" else ""
        self._app.say(f"{name_of(download)} is off the list{gone}", then)

    async def _change(self, download: h.Download, action: h.DownloadAction) -> h.Download:
        await self._app.session.connected()
        request = h.ChangeDownload(id=download.id, action=action)
        return await self._app.session.host.call(h.CHANGE_DOWNLOAD, request)

    # --- what has arrived -----------------------------------------------------------------------------

    def used(self, model: c.ModelInfo) -> None:
        """It answers from now on: that it has arrived is news no more, in no front end."""
        for one in self._app.session.downloads:
            if one.state == "done" and not one.seen and model_of(one, (model,)) is not None:
                self.seen(one)

    def seen(self, download: h.Download) -> None:
        self._app.forget_news(download.id)
        self._app.run_quietly(lambda: self._see(download), "seen", exclusive=False)

    async def _see(self, download: h.Download) -> None:
        try:
            await self._change(download, "seen")
        except KenshoError:
            pass  # nobody asked for this: at worst the next start offers the model once more
