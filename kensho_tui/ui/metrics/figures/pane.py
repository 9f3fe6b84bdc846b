"""The lower half of F4: one table at a time, from models down to a generation, with a line above it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from kensho_tui.core.errors import UsageError
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.filtered_list import NO_KEYS, Keys
from kensho_tui.ui.filtered_table import FilteredTable
from kensho_tui.ui.lines import Notice, SplitLine, quiet
from kensho_tui.ui.metrics.figures.asking import Asking
from kensho_tui.ui.metrics.figures.export import Job, Kind, export
from kensho_tui.ui.metrics.figures.level import Level
from kensho_tui.ui.metrics.figures.levels import Models
from kensho_tui.ui.metrics.figures.look import Look
from kensho_tui.ui.metrics.figures.periods import ALL_TIME, PERIODS, Period, next_period
from kensho_tui.ui.metrics.graph import glyphs_for
from kensho_tui.ui.table import Table

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp


class FiguresPane(Vertical):
    """Models with their figures; Enter leads down to settings and generations, Esc back up."""

    DEFAULT_CSS = """
    FiguresPane { height: 1fr; width: 1fr; }
    FiguresPane .figures-about { padding: 0 1 0 3; }
    FiguresPane Static { height: auto; padding: 0 1 0 3; }
    FiguresPane ChoiceList { background: $background; scrollbar-background: $background;
        scrollbar-background-hover: $background; scrollbar-background-active: $background; }
    """

    def __init__(self, app: "KenshoApp", changed: Callable[[], None], keys: Keys = NO_KEYS) -> None:
        """`changed` is called when other keys matter. `keys` are more that the table does at once."""
        super().__init__()
        self._kensho = app
        self._keys = keys
        self._changed = changed
        self._graphs = glyphs_for(app.settings).look
        self._levels: list[Level] = [Models(app, self.renew)]
        self._left_rows: list[str] = []
        """The row that was highlighted on each level above."""
        self._period: Period = PERIODS[0]
        self._chosen = False
        """Whether somebody chose that time."""
        self._asking = Asking(app, self, self._load, self.renew)
        self._job: Job | None = None
        self._told: list[tuple[str, str]] = []
        self._table = Table(self._take, self._moved)
        self._shown = FilteredTable(lambda: self._level, self._table, self._rearranged, self._show_frame)
        self._begins = False
        """Whether what is asked for is another list, to be shown from its top."""
        self._about = SplitLine(classes="figures-about")
        self._instead, self._below = Static(), Static()

    def compose(self) -> ComposeResult:
        yield self._about
        yield self._shown.line
        yield self._shown.titles
        yield self._instead
        yield self._table
        yield self._below

    def on_mount(self) -> None:
        self._shown.line.styles.margin = (0, 1)
        self._table.keys = {
            **self._shown.keys,
            "p": self._next_period,
            "space": self._mark,
            "c": self._compare,
            "g": self._all_runs,
            "e": lambda: self._export("csv"),
            "E": lambda: self._export("json"),
            "r": self._again,
            "backspace": self._back,
            **self._keys,
        }
        self._kensho.session.watchers.append(self._asking.changed)
        self.renew()

    def on_unmount(self) -> None:
        self._kensho.session.watchers.remove(self._asking.changed)

    def on_resize(self, event: Resize) -> None:
        self.call_after_refresh(self.renew)

    # --- what the screen asks for ---------------------------------------------------------------------

    def entered(self) -> None:
        """It is seen: ask for what it shows."""
        self._asking.begin()

    def left(self) -> None:
        """It is seen no more: nothing is asked for."""
        self._asking.end()

    def take_focus(self) -> None:
        self.screen.set_focus(self._table)

    @property
    def chosen(self) -> str:
        """The installed model that is highlighted, or that the level is about; empty: there is none."""
        name = self._level.model_of(self._table.highlighted)
        models = self._kensho.session.models
        return name if models is None or any(one.name == name for one in models) else ""

    def leave(self) -> bool:
        """Esc: end a file that is written, or a filter, else go one level up. False: there is nothing."""
        if self._job is not None:
            self._job.stopped = True
        elif self._level.typed or self._shown.in_line:
            self._shown.end_line()
        elif len(self._levels) > 1:
            self._levels.pop()
            self._begin(self._left_rows.pop())
        else:
            return False
        return True

    def hints(self) -> list[tuple[str, str]]:
        """The keys that matter now, the most important first."""
        level = self._level
        filters = level.typing != "nothing"
        if self._shown.in_line:
            return [("Enter", "to the table"), ("Esc", "all rows")] if filters else [("Esc", "back")]
        if self._asking.error is not None:
            return [("r", "try again"), *self._up()]
        if not self._table.highlighted:
            return [*self._up(), ("p", "period")]
        opens = [("Enter", level.opens)] if level.opens else []
        compares = [("Space", "mark"), ("c", "compare")] if level.compares else []
        finds = [("/", "filter"), ("s S", "sort")] if filters else []
        if level.typing == "asks":  # End leads to the last that has come
            finds = [("s", "sort"), ("S", "last first"), ("/", "filter")]
        others = [("g", level.others)] if level.others else []
        return [*opens, *self._up(), *compares, ("p", "period"), *finds, *others, ("e E", "CSV JSON")]

    def _up(self) -> list[tuple[str, str]]:
        if self._job is not None:
            return [("Esc", "stop writing")]
        if self._level.typed:
            return [("Esc", "all rows")]
        return [("Esc", "back")] if len(self._levels) > 1 else []

    # --- what is shown --------------------------------------------------------------------------------

    @property
    def _level(self) -> Level:
        return self._levels[-1]

    def _look(self) -> Look:
        return Look(self._kensho.now(), self._graphs, tuple(self._level.marked))

    def renew(self, first: str | None = None) -> None:
        """Draw what there is now; with `first` another table begins, with that row highlighted."""
        if not self.is_mounted:
            return
        level, look = self._level, self._look()
        known = self._asking.error is None and level.loaded
        self._shown.show(level.rows(look) if known else None, level.nothing(self._period), first)
        self._table.styles.max_height = max(len(self._shown.rows), 1)
        self._show_frame()

    def _rearranged(self, first: str | None = None) -> None:
        """Sorted or filtered in another way, which for some the host does."""
        if self._level.typing == "asks":
            self._begins = True
            self._asking.ask()
        else:
            self.renew(first)

    def _show_frame(self) -> None:
        if not self.is_attached:
            return
        level = self._level
        crumbs = Content(" › ").join(
            [
                *(quiet(one.crumb) for one in self._levels[:-1]),
                Content.styled(level.crumb, "bold"),
            ]
        )
        job = f"◌ writing, {fmt.thousands(self._job.written)} so far" if self._job is not None else ""
        words = (job, self._asking.words, *self._shown.words, self._period.name)
        self._about.show(crumbs, quiet(" · ".join(filter(None, words))))
        self._shown.line.display = self._shown.in_line
        error = self._asking.error
        self._shown.titles.display = error is None and bool(self._table.highlighted)
        self._instead.display = error is not None
        if error is not None:
            hint = f" · {one_line(error.hint, 400)}" if error.hint else ""
            said = Content.assemble((f"✗ {one_line(error.message, 400)}", "$error"), quiet(hint))
            self._instead.update(Content.assemble(said, quiet(" · r tries again")))
        below = level.below(self.size.width - 4, self._free(), self._look()) if error is None else Content()
        self._below.display = bool(below)
        self._below.update(below)
        self._tell_hints()

    def _free(self) -> int:
        """Rows under the table: what it leaves, and a third of the pane where there are many rows."""
        height = self.size.height - self._shown.line.display - 2
        return max(height - len(self._shown.rows), height // 3)

    def _tell_hints(self) -> None:
        """The screen draws the keys, when they are others."""
        hints = self.hints()
        if hints != self._told:
            self._told = hints
            self._changed()

    def _moved(self, key: str) -> None:
        if not self.is_mounted:
            return
        for notice in self.screen.query(Notice):
            notice.move_on()
        self._tell_hints()
        if self._level.near_end(key):
            self._kensho.run_quietly(self._more, "figures-more")

    async def _load(self) -> None:
        """Where nothing ran of late and nobody chose that time, all there is is shown."""
        level = self._level
        await level.load(self._period)
        if level.bare and self._period == PERIODS[0] and not self._chosen:
            self._period = ALL_TIME
            await level.load(self._period)
        if self._begins:
            self._begins = False
            self.renew("")

    async def _more(self) -> None:
        await self._level.more(self._period)
        self.renew()

    # --- keys -----------------------------------------------------------------------------------------

    def _begin(self, row: str = "") -> None:
        """Another level is shown, with this row highlighted."""
        self._shown.begin()
        self._begins = False
        self._asking.error = None
        self.renew(row)
        self._asking.ask()

    def _go(self, level: Level) -> None:
        self._left_rows.append(self._table.highlighted)
        self._levels.append(level)
        self._begin()

    def _take(self, key: str) -> None:
        below = self._level.take(key)
        if below is not None:
            self._go(below)
        else:
            self._kensho.run_quietly(lambda: self._open_chat(key), "open-chat")

    async def _open_chat(self, key: str) -> None:
        found = await self._level.leads_to(key)
        if found is not None:
            chat, message = found
            self._kensho.session.enter(chat)
            await self._kensho.session.show_entered()
            self._kensho.to_chat()
            if not self._kensho.chat_screen.transcript.go_to(message):
                self._kensho.say("This answer is on another branch of the chat")

    def _all_runs(self) -> None:
        below = self._level.all_runs(self._table.highlighted)
        if below is not None:
            self._go(below)

    def _next_period(self) -> None:
        self._period = next_period(self._period)
        self._chosen = True
        self._show_frame()
        self._asking.ask()

    def _mark(self) -> None:
        level = self._level
        if level.compares:
            level.mark(self._table.highlighted)
            self.renew()
            self._table.press("down")

    def _compare(self) -> None:
        level = self._level
        found = level.compared(self._table.highlighted)
        if found is not None:
            self._go(found)
        elif level.compares:
            self._kensho.show_error(UsageError("comparing takes two rows", hint="Space marks a row"))

    def _again(self) -> None:
        self._asking.error = None
        self.renew()
        self._asking.ask()

    def _back(self) -> None:
        self.leave()

    # --- files ----------------------------------------------------------------------------------------

    def _export(self, kind: Kind) -> None:
        if self._job is None and self._shown.rows:
            job = self._job = Job(went_on=self._show_frame)
            self._show_frame()
            self._kensho.run_quietly(lambda: self._write(kind, job), "figures-export")

    async def _write(self, kind: Kind, job: Job) -> None:
        app = self._kensho
        wanted = self._level.wanted([row.key for row in self._shown.rows], self._period)
        try:
            place = await export(app.paths.data / "exports", wanted, kind, app.now(), job)
        finally:
            self._job = None
            self._show_frame()
        if place is not None:
            many = f"{fmt.thousands(job.written)} {wanted.kind if job.written != 1 else wanted.kind[:-1]}"
            folder = f"folder {one_line(str(place.parent), 400)}"  # apart, so that no line ends in the name
            app.say(f"✓ {many} in {one_line(place.name, 200)}", folder, "$success", seconds=20)
        else:
            app.say("Nothing was written")
