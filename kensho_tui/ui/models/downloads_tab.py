"""The tab of what is on its way here: how far it is, and what can be done about it."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, ClassVar

from textual.content import Content

from kensho_tui.core import hub_contract as h
from kensho_tui.core.errors import UsageError
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.commands.registry import BY_NAME
from kensho_tui.ui.filtered_list import Keys
from kensho_tui.ui.lines import quiet
from kensho_tui.ui.models.download_rows import DOWNLOADS, DownloadPage, download_rows
from kensho_tui.ui.models.fetching import name_of
from kensho_tui.ui.models.sheet import DetailsPane
from kensho_tui.ui.models.tabs import Hints, Stage, Tab
from kensho_tui.ui.models.wanted import Repository, wanted
from kensho_tui.ui.table import Listing

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

GO_ON = ("paused", "failed", "cancelled", "waiting")
"""Those that Enter goes on with; one that waits is tried at once."""
MOST_KEYS = 7
Do = Callable[[h.Download], Coroutine[None, None, None]]


class DownloadsTab(Tab):
    """Rows are downloads, by their id."""

    title: ClassVar[str] = "Downloads"
    many_rows: ClassVar[bool] = True

    def __init__(self, app: "KenshoApp", pane: DetailsPane, stage: Stage) -> None:
        super().__init__(app, pane, stage)
        self._looked = ""
        self._cancelled = ""
        """The one that was cancelled here last."""
        self._above: dict[str, bool] = {}
        """Whether each stands among those that go on by themselves: as it was when it came into sight, so
        that no row moves under the cursor."""

    @property
    def _downloads(self) -> tuple[h.Download, ...]:
        return self.app.session.downloads

    def _of(self, row: str) -> h.Download | None:
        return next((one for one in self._downloads if one.id == row), None)

    # --- what is shown --------------------------------------------------------------------------------

    @property
    def listing(self) -> Listing:
        return DOWNLOADS

    def rows(self) -> list[Choice]:
        self._above = {one.id: self._above.get(one.id, one.active) for one in self._downloads}
        above = frozenset(key for key, is_so in self._above.items() if is_so)
        return download_rows(self._downloads, self.sort, self.app.now(), above)

    def entered(self) -> None:
        self._above = {}

    def wanted(self) -> str:
        fetching = self.app.models.fetching
        if self._of(fetching.begun) is None:
            return ""
        begun, fetching.begun = fetching.begun, ""
        return begun

    def count(self) -> int:
        return len(self._downloads)

    def nothing(self) -> str:
        asking = self.app.models.fetching.asking
        return f"◌ {asking}" if asking else "Nothing was downloaded yet: 3 shows what there is to get"

    def about(self) -> Content:
        asking = self.app.models.fetching.asking
        if asking and self._downloads:
            return Content.styled(f"◌ {asking}", "$primary")
        active = sum(one.active for one in self._downloads)
        if not active:
            return Content()
        they = "their way; they go on" if active > 1 else "its way; it goes on"
        return quiet(f"{active} on {they} when the app is closed")

    def look(self, row: str) -> None:
        found = self._of(row)
        page = DownloadPage(found, self.app.now()) if found is not None else None
        self.pane.show(page, top=row != self._looked)
        self._looked = row

    def left(self) -> None:
        self._looked = ""

    def model(self, row: str) -> str:
        found = self._of(row)
        here = {model.name for model in self.app.session.models or ()}
        return found.model if found is not None and found.state == "done" and found.model in here else ""

    # --- what is done ---------------------------------------------------------------------------------

    def take(self, row: str) -> None:
        """Use what is done, go on with what ended before or waits for its next try."""
        self.stage.move_on()
        found = self._of(row)
        if found is None:
            return
        if self.model(row):
            self.app.run_command(BY_NAME["model"], found.model)
        elif found.state in GO_ON:
            self._do(self.app.models.fetching.resume, found)
        elif found.active:
            self.app.say(f"{name_of(found)} can be used when all of it is here", "p pauses it, c cancels it")
        else:
            hint = "x takes it off the list; the hub has it still"
            self.app.show_error(UsageError(f"{name_of(found)} is no longer here", hint=hint))

    def _do(self, does: Do, found: h.Download) -> None:
        self.app.run_quietly(lambda: does(found), f"download-{found.id}", exclusive=False)

    def _doing(self, does: Do) -> Callable[[], None]:
        def do() -> None:
            self.stage.move_on()
            found = self._of(self.stage.row)
            if found is not None:
                self._do(does, found)

        return do

    async def _cancel(self, download: h.Download) -> None:
        await self.app.models.fetching.cancel(download)
        self._cancelled = download.id

    async def _drop(self, download: h.Download) -> None:
        await self.app.models.fetching.drop(download)
        self._cancelled = download.id

    def _undo(self) -> None:
        """Go on with what was cancelled last, wherever the highlighted row is."""
        self.stage.move_on()
        found = self._of(self._cancelled)
        if found is not None and found.state == "cancelled":
            self._do(self.app.models.fetching.resume, found)
        else:
            self.app.show_error(UsageError("nothing was cancelled here"))

    def _origin(self) -> None:
        """The files of the repository that it comes from."""
        self.stage.move_on()
        found = self._of(self.stage.row)
        meant = wanted(found.origin) if found is not None else None
        if isinstance(meant, Repository):
            self.app.models.open_hub(meant.name)
        elif found is not None:
            self.app.show_error(UsageError(f"{name_of(found)} does not come from the hub"))

    def keys(self) -> Keys:
        fetching = self.app.models.fetching
        drop = self._doing(self._drop)
        return {
            "p": self._doing(fetching.pause),
            "c": self._doing(self._cancel),
            "x": drop,
            "delete": drop,
            "z": self._undo,
            "o": self._origin,
        }

    def hints(self) -> Hints:
        """As many as one row of a narrow terminal has room for."""
        keys = self._own_hints(self._of(self.stage.row))
        last = [("Esc", "all") if self.typed else ("F2", "chat"), ("/", "filter"), ("s", "sort")]
        most = [*keys, *last, ("o", "origin")][: MOST_KEYS - 1]
        return [*most, self.help]

    def _own_hints(self, found: h.Download | None) -> Hints:
        """What can be done with this one, and with the one that was cancelled last."""
        undone = self._of(self._cancelled)
        can_undo = undone is not None and undone.state == "cancelled" and undone != found
        undo = [("z", "undo")] if can_undo else []
        if found is None:
            return [*undo, ("3", "hub"), ("Tab", "tabs")]
        if found.active:
            now = [("Enter", "try now")] if found.state == "waiting" else []
            return [*now, ("p", "pause"), ("c", "cancel"), *undo]
        if found.state == "done":
            return [("Enter", "use"), ("x", "take away"), *undo]
        removes = "delete" if found.state == "cancelled" and found.done > 0 else "take away"
        return [("Enter", "go on"), ("x", removes), *undo]
