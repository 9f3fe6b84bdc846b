"""The lower half of F4: one table at a time, from models down to a generation, with a line above it."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize
from textual.timer import Timer
from textual.widgets import Input, Static

from kensho_tui.core.errors import HostGoneError, KenshoError, UsageError
from kensho_tui.core.text import one_line
from kensho_tui.ui.filtered_list import ranked
from kensho_tui.ui.fuzzy import Query
from kensho_tui.ui.lines import Notice, SplitLine, quiet
from kensho_tui.ui.metrics.figures.levels import Level, Models, Runs
from kensho_tui.ui.metrics.figures.look import Look
from kensho_tui.ui.metrics.figures.periods import PERIODS, Period, next_period
from kensho_tui.ui.metrics.graph import glyphs_for
from kensho_tui.ui.models.line import Line
from kensho_tui.ui.models.table import Sort, Table, Titles

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

SETTLE_S = 1.0
"""So long after an answer ended the figures are asked for: several that end at once are one question."""
SAY_AFTER_S = 0.2
"""A wait that is longer is said."""


@runtime_checkable
class Frame(Protocol):
    """The screen around the pane."""

    def frame_changed(self) -> None:
        """The keys that matter are others."""


class FiguresPane(Vertical):
    """Models with their figures; Enter leads down to settings and generations, Esc back up."""

    DEFAULT_CSS = """
    FiguresPane { height: 1fr; width: 1fr; }
    FiguresPane .figures-about { padding: 0 1 0 3; }
    FiguresPane Line { margin: 0 1; width: 1fr; }
    FiguresPane Static { height: auto; padding: 0 1 0 3; }
    FiguresPane ChoiceList { background: $background; scrollbar-background: $background;
        scrollbar-background-hover: $background; scrollbar-background-active: $background; }
    """

    def __init__(self, app: "KenshoApp") -> None:
        super().__init__()
        self._kensho = app
        self._graphs = glyphs_for(app.settings).look
        self._levels: list[Level] = [Models(app, self.renew)]
        self._left_rows: list[str] = []
        """The row that was highlighted on each level above."""
        self._period: Period = PERIODS[0]
        self._seen = False
        self._error: KenshoError | None = None
        self._waits: Timer | None = None
        self._says = ""
        """What is awaited, once that takes a while."""
        self._settling: Timer | None = None
        self._ended: object = None
        self._drawn: object = None
        self._table = Table(self._take, self._moved)
        self._titles = Titles(self._table)
        self._line = Line({"enter": self._to_table, "down": self._to_table, "escape": self._end_line})
        self._about = SplitLine(classes="figures-about")
        self._instead, self._below = Static(), Static()

    def compose(self) -> ComposeResult:
        yield self._about
        yield self._line
        yield self._titles
        yield self._instead
        yield self._table
        yield self._below

    def on_mount(self) -> None:
        self._table.keys = {
            "s": self._next_sort,
            "S": self._turn_sort,
            "slash": self._to_line,
            "p": self._next_period,
            "space": self._mark,
            "c": self._compare,
            "r": self._again,
            "backspace": self._back,
        }
        self._kensho.session.watchers.append(self._changed)
        self.renew()

    def on_unmount(self) -> None:
        self._kensho.session.watchers.remove(self._changed)

    def on_resize(self, event: Resize) -> None:
        self.call_after_refresh(self.renew)

    # --- what the screen asks for ---------------------------------------------------------------------

    def entered(self) -> None:
        """It is seen: ask for what it shows."""
        self._seen = True
        self._ended = self._signs()
        self._load()

    def left(self) -> None:
        """It is seen no more: nothing is asked for."""
        self._seen = False
        if self._settling is not None:
            self._settling.stop()
            self._settling = None

    def take_focus(self) -> None:
        self.screen.set_focus(self._table)

    def leave(self) -> bool:
        """Esc: end a filter, else go one level up. False: there is nothing to end."""
        if self._level.typed or self.screen.focused is self._line:
            self._end_line()
            return True
        if len(self._levels) == 1:
            return False
        self._levels.pop()
        self._error = None
        self._begin(self._left_rows.pop())
        return True

    def hints(self) -> list[tuple[str, str]]:
        """The keys that matter now, the most important first."""
        level = self._level
        if self.screen.focused is self._line:
            return [("Enter", "to the table"), ("Esc", "all rows")]
        if self._error is not None:
            return [("r", "try again"), *self._up()]
        if not self._table.highlighted:
            return [("p", "period"), *self._up()]
        found = []
        enter = {"Models": "its settings", "generations": "open the chat", "compared": ""}
        does = enter.get(level.crumb, "its generations")
        if does:
            found.append(("Enter", does))
        if level.compares:
            found += [("Space", "mark"), ("c", "compare")]
        found += self._up()
        if level.filters:
            found += [("/", "filter"), ("s S", "sort")]
        return [*found, ("p", "period"), ("e E", "CSV JSON")]

    def _up(self) -> list[tuple[str, str]]:
        return [("Esc", "back")] if len(self._levels) > 1 or self._level.typed else []

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
        blank = self._error is not None or not level.loaded
        query = Query(level.typed)
        rows = [] if blank else level.rows(look)
        nothing = "" if blank else "nothing found" if query else level.nothing(self._period)
        drawn = (id(level), level.sort, level.typed, nothing, rows)
        if drawn != self._drawn or first is not None:
            self._drawn = drawn
            self._table.use(level.listing.shown(level.sort))
            self._table.measure(rows)
            if first is None:
                self._table.renew(ranked(rows, query), query, nothing)
            else:
                self._table.show(ranked(rows, query), query, nothing)
                self._table.highlight(first)
            self._titles.show(level.listing, level.sort)
        self._show_frame()

    def _show_frame(self) -> None:
        level = self._level
        crumbs = Content(" › ").join(
            [
                *(quiet(one.crumb) for one in self._levels[:-1]),
                Content.styled(level.crumb, "bold"),
            ]
        )
        sort = f"by {level.sort.by} {level.listing.arrow(level.sort)}" if len(level.listing.sorts) > 1 else ""
        filtered = f"/{one_line(level.typed, 40)}" if level.typed else ""
        words = [part for part in (self._says, filtered, sort, self._period.name) if part]
        self._about.show(crumbs, quiet(" · ".join(words)))
        self._line.display = self.screen.focused is self._line
        error = self._error
        self._titles.display = error is None and bool(self._table.highlighted)
        self._instead.display = error is not None
        if error is not None:
            hint = f" · {one_line(error.hint, 400)}" if error.hint else ""
            said = Content.assemble((f"✗ {one_line(error.message, 400)}", "$error"), quiet(hint))
            self._instead.update(Content.assemble(said, quiet(" · r tries again")))
        below = (
            level.below(self.size.width - 4, self.size.height, self._look()) if error is None else Content()
        )
        self._below.display = bool(below)
        self._below.update(below)
        if isinstance(self.screen, Frame):
            self.screen.frame_changed()

    def _moved(self, key: str) -> None:
        if not self.is_mounted:
            return
        for notice in self.screen.query(Notice):
            notice.move_on()
        if self._level.near_end(key):
            self._kensho.run_quietly(self._more, "figures-more", exclusive=False)

    # --- asking ---------------------------------------------------------------------------------------

    def _load(self) -> None:
        self._kensho.run_quietly(self._loading, "figures")

    async def _loading(self) -> None:
        level = self._level
        self._wait("◌ asking the host")
        try:
            await self._kensho.session.connected()
            await level.load(self._period)
            self._error = None
        except HostGoneError:
            pass  # the session gets it back, and says so; then the figures are asked for again
        except KenshoError as error:
            self._error = error
        finally:
            self._wait("")
        if level is self._level:
            self.renew()

    def _wait(self, for_what: str) -> None:
        """Say it once it has taken a while; empty: it is over."""
        if self._waits is not None:
            self._waits.stop()
            self._waits = None
        if for_what:
            self._waits = self.set_timer(SAY_AFTER_S, lambda: self._say(for_what))
        elif self._says:
            self._say("")

    def _say(self, words: str) -> None:
        self._says = words
        if self.is_mounted:
            self._show_frame()

    async def _more(self) -> None:
        level = self._level
        await level.more(self._period)
        if level is self._level:
            self.renew()

    def _signs(self) -> tuple[int, object]:
        """What is another when an answer has ended: fewer streams, or a chat that was written to."""
        session = self._kensho.session
        streams = session.status.streams if session.status is not None else 0
        return streams, (session.link, tuple((chat.id, chat.updated, chat.state) for chat in session.recent))

    def _changed(self) -> None:
        if not self._seen:
            return
        before, self._ended = self._ended, self._signs()
        if before == self._ended or self._settling is not None:
            return
        self._settling = self.set_timer(SETTLE_S, self._settled)

    def _settled(self) -> None:
        self._settling = None
        if self._seen:
            self._load()

    # --- keys -----------------------------------------------------------------------------------------

    def _begin(self, row: str = "") -> None:
        """Another level is shown, with this row highlighted."""
        self._line.serve("type to filter", self._level.typed)
        self.renew(row)
        self._load()

    def _go(self, level: Level) -> None:
        self._left_rows.append(self._table.highlighted)
        self._levels.append(level)
        self._begin()

    def _take(self, key: str) -> None:
        level = self._level
        if isinstance(level, Runs):
            self._open_chat(level, key)
            return
        below = level.take(key)
        if below is not None:
            self._go(below)

    def _open_chat(self, level: Runs, key: str) -> None:
        one = level.generation(key)
        if one is None:
            return

        async def work() -> None:
            session = self._kensho.session
            await session.host.chat(one.chat)  # one that is gone would leave an empty chat
            await session.open_chat(one.chat)
            self._kensho.to_chat()

        self._kensho.run_quietly(work, "open-chat")

    def _next_sort(self) -> None:
        self._sort_by(self._level.listing.next(self._level.sort))

    def _turn_sort(self) -> None:
        sort = self._level.sort
        self._sort_by(Sort(sort.by, not sort.turned))

    def _sort_by(self, sort: Sort) -> None:
        if len(self._level.listing.sorts) > 1:
            self._level.sort = sort
            self.renew()

    def _next_period(self) -> None:
        self._period = next_period(self._period)
        self._show_frame()
        self._load()

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
        self._error = None
        self._load()

    def _back(self) -> None:
        self.leave()

    # --- the filter -----------------------------------------------------------------------------------

    def _to_line(self) -> None:
        if self._level.filters:
            self._line.display = True
            self.screen.set_focus(self._line)
            self._show_frame()

    def _to_table(self) -> None:
        """With what the line lets through: the message that it changed may be behind the next key."""
        self._read_line()
        self.take_focus()
        self._show_frame()

    def _end_line(self) -> None:
        self._line.value = ""
        self._to_table()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._read_line()

    def _read_line(self) -> None:
        if self._line.value != self._level.typed:
            self._level.typed = self._line.value
            self.renew("")
