"""The benchmarks of one model: the one under way, those that are kept, and what can be done with them."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key
from textual.widget import Widget

from kensho_tui.core.bench_contract import (
    APPLY_BENCH,
    LIST_BENCHES,
    START_BENCH,
    STOP_BENCH,
    TOPIC_BENCH,
    UNDO_BENCH,
    ApplyBench,
    BenchFact,
    BenchRef,
    BenchRun,
    Condition,
    ListBenches,
    StartBench,
)
from kensho_tui.core.contract import TOPIC_MODELS
from kensho_tui.core.errors import KenshoError
from kensho_tui.core.model_contract import DETAILS, ModelRef
from kensho_tui.core.text import one_line
from kensho_tui.ui.keys import did_binding, handed_on
from kensho_tui.ui.lines import Notice, SplitLine, quiet
from kensho_tui.ui.metrics.bench import texts
from kensho_tui.ui.metrics.graph import glyphs_for
from kensho_tui.ui.metrics.text_rows import TextRows

if TYPE_CHECKING:
    from textual.worker import Worker

    from kensho_tui.ui.app import KenshoApp

WATCH_S = 20.0
"""So long the host may hold a question for news."""
RETRY_S = 1.0
SAID_S = 30.0
"""How long it is said that a change can be undone; it can be after that, too."""
Hints = list[tuple[str, str]]


class Results(VerticalScroll):
    """Has the focus; keys of the `pane` are done when they come, before the next one is looked at."""

    def __init__(self, pane: Widget, rows: Widget) -> None:
        super().__init__(rows)
        self._pane = pane

    async def on_key(self, event: Key) -> None:
        if not handed_on(self, event):
            await did_binding(self._pane, event)


class BenchPane(Vertical):
    """One run at a time: the one under way first, else the newest one kept."""

    DEFAULT_CSS = """
    BenchPane { height: 1fr; width: 1fr; display: none; }
    BenchPane #bench-title { padding: 0 2 0 3; }
    BenchPane #bench-top { height: auto; padding: 0 2 0 3; }
    BenchPane VerticalScroll { height: 1fr; padding: 0 1 0 3; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "measure(True)", show=False),
        Binding("R", "measure(False)", show=False),
        Binding("x", "stop", show=False),
        Binding("1", "apply('shared')", show=False),
        Binding("2", "apply('quiet')", show=False),
        Binding("z", "undo", show=False),
        Binding("o", "older(1)", show=False),
        Binding("n", "older(-1)", show=False),
        Binding("m", "model", show=False),
    ]

    def __init__(self, app: "KenshoApp", changed: Callable[[], None]) -> None:
        """`changed` is called when other keys matter."""
        super().__init__(id="bench")
        self._kensho = app
        self._changed = changed
        self._glyphs = glyphs_for(app.settings)
        self._model = ""
        self._under_way: BenchRun | None = None
        self._runs: tuple[BenchRun, ...] | None = None
        self._at = 0
        self._watching: Worker[None] | None = None
        self._starting: Worker[None] | None = None
        self._stopping = ""
        self._applied: tuple[str, Condition, Callable[[], None]] | None = None
        """What was applied here last, and what takes back that this is said."""
        self._error: KenshoError | None = None
        self._title = SplitLine(id="bench-title")
        self._progress, self._rows = TextRows("bench-progress"), TextRows("bench-rows")
        self._scroll = Results(self, self._rows)

    def compose(self) -> ComposeResult:
        yield self._title
        with Vertical(id="bench-top"):
            yield self._progress
        yield self._scroll

    def on_resize(self) -> None:
        self.call_after_refresh(self.renew)

    # --- what the screen asks for ---------------------------------------------------------------------

    def open(self, model: str = "") -> None:
        """The benchmarks of this model; of none named: of the one looked at last, else the chat's."""
        wanted = model or self._model or self._kensho.session.model or ""
        if wanted != self._model:
            self._model, self._runs, self._at, self._error = wanted, None, 0, None

    def entered(self) -> None:
        """It is seen: follow what runs."""
        if self._watching is None:
            self._watching = self._kensho.run_quietly(self._watch, "bench")
        self.renew()

    def left(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def take_focus(self) -> None:
        self.screen.set_focus(self._scroll)

    @property
    def chosen(self) -> str:
        """The model whose benchmarks are shown; empty: there is none."""
        return self._model

    def leave(self) -> bool:
        """Esc stops what runs. False: nothing does, or it has been asked to stop already."""
        run = self._under_way
        if run is None or run.id == self._stopping:
            return False
        self.action_stop()
        return True

    def hints(self) -> Hints:
        run = self.run
        if self._under_way is not None:
            return [("x Esc", "stop"), ("b", "back, it goes on")]
        found: Hints = []
        if run is not None:
            for key, condition in enumerate(texts.CONDITIONS, start=1):
                if run.recommended(condition) is not None and condition not in run.in_use:
                    found.append((str(key), f"use for a {texts.SAID[condition]}"))
        if run is not None and run.change is not None:
            found.append(("z", "undo"))
        found += [("r", "measure"), ("R", "thoroughly"), ("m", "another model")]
        if len(self._runs or ()) > 1:
            found.append(("o n", "older, newer"))
        return [*found, ("b Esc", "back")]

    @property
    def run(self) -> BenchRun | None:
        """The one that is shown."""
        if self._under_way is not None:
            return self._under_way
        return self._runs[self._at] if self._runs else None

    # --- what the host says ---------------------------------------------------------------------------

    async def _watch(self) -> None:
        """What is kept and what runs; both anew when the host was gone."""
        while True:
            await self._kensho.session.connected()
            with contextlib.suppress(KenshoError):
                await self._follow()
            await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        """What runs, and what is in use, until the host is gone. Raises `KenshoError` then."""
        host = self._kensho.session.host
        # What is listed below is not told once more as news.
        facts = await host.watch({TOPIC_MODELS: 0}, 0.0)
        seen = {TOPIC_BENCH: 0, TOPIC_MODELS: 0} | {topic: fact.version for topic, fact in facts.items()}
        self._list()
        while True:
            facts = await host.watch(seen, WATCH_S)
            seen |= {topic: fact.version for topic, fact in facts.items()}
            if TOPIC_MODELS in facts and self._under_way is None:
                self._list()  # somebody may have changed the model's defaults
            if TOPIC_BENCH in facts:
                self._take(msgspec.msgpack.decode(facts[TOPIC_BENCH].body, type=BenchFact).run)

    def _take(self, run: BenchRun | None) -> None:
        before, self._under_way = self._under_way, run if run is not None and run.state == "running" else None
        if before is None and self._under_way is not None:
            self._give_way()
        if before is not None and self._under_way is None:
            self._stopping = ""
            self._at = 0
            self._model = before.model
            if run is None:
                self._kensho.run_quietly(partial(self._read_cut, before), "bench-list")
            else:
                self._list()
                if run.id == before.id:
                    self._tell_end(run)
        self.renew()

    def _tell_end(self, run: BenchRun) -> None:
        """What came of it is at the top; of one that measured nothing no more is kept than is said here."""
        self._scroll.scroll_home(animate=False)
        if run.points:
            return
        if run.state == "failed":
            self._kensho.show_error(KenshoError(run.error or "the benchmark failed", hint=run.hint))
        elif run.state == "stopped":
            self._kensho.say("The benchmark was stopped before anything was measured: nothing is kept")

    async def _read_cut(self, run: BenchRun) -> None:
        """The host of ``run`` was killed: what is kept of it is listed."""
        await self._read_list()
        self._scroll.scroll_home(animate=False)
        if self._error is None and all(one.id != run.id for one in self._runs or ()):
            self._kensho.say("The host ended before the benchmark had measured anything: r measures anew")

    def _list(self) -> None:
        self._kensho.run_quietly(self._read_list, "bench-list")

    async def _read_list(self) -> None:
        request = ListBenches(model=self._model or None)
        try:
            self._runs = (await self._kensho.session.host.call(LIST_BENCHES, request)).runs
            self._error = None
        except KenshoError as error:
            self._runs, self._error = None, error
        self._at = min(self._at, max(len(self._runs or ()) - 1, 0))
        if self._applied is not None:
            bench, condition, take_back = self._applied
            if any(one.id == bench and condition not in one.in_use for one in self._runs or ()):
                take_back()  # somebody undid it elsewhere
        self.renew()

    # --- what is shown --------------------------------------------------------------------------------

    def renew(self) -> None:
        """Everything as it is now."""
        if not self.is_mounted or not self.size.width:
            return
        width = max(self.size.width - 5, 1)
        run = self.run
        if run is None:
            name = one_line(self._model, 60) or "no model"
            self._title.show(Content.styled(f"Benchmarks of {name}", "bold"))
            self._progress.show([])
            self._rows.show(self._instead(width))
        else:
            many = len(self._runs or ())
            number = quiet(f"{self._at + 1} of {many} ") if many > 1 and self._under_way is None else ""
            self._title.show(texts.head(run, self._kensho.now()), number)
            going = texts.progress(run, self._glyphs, width)
            self._progress.show([*going, Content()] if going else [])
            follows = self._scroll.scroll_offset.y >= self._scroll.max_scroll_y
            blocks = [
                texts.recommendations(run),
                texts.bare(run, width),
                texts.table(run, self._glyphs, width),
            ]
            self._rows.show([row for block in blocks if block for row in (*block, Content())][:-1])
            if self._under_way is not None and follows:
                self._scroll.scroll_end(animate=False)
        self._changed()

    def _instead(self, width: int) -> list[Content]:
        """What to do where there is nothing to show."""
        error = self._error
        if error is not None:
            said = (
                Content.styled(one_line(error.message, 200), "$error"),
                quiet(one_line(error.hint, 200)),
            )
            return texts.wrapped(said, width)
        if self._runs is None:
            return [quiet("asking the host for them")]
        if not self._model:
            return [quiet(f"there is no model yet: {self._kensho.key_label('hub')} finds one")]
        return texts.none_yet(width)

    def _give_way(self) -> None:
        """What was said of another run is over."""
        for notice in self.screen.query(Notice):
            notice.give_way()

    # --- what can be done -----------------------------------------------------------------------------

    def action_measure(self, quick: bool) -> None:
        if self._under_way is not None or (self._starting is not None and not self._starting.is_finished):
            return

        async def work() -> None:
            request = StartBench(model=self._model or None, quick=quick)
            run = await self._kensho.session.host.call(START_BENCH, request)
            self._take(run)

        self._starting = self._kensho.run_quietly(work, "bench-start")

    def action_stop(self) -> None:
        run = self._under_way
        if run is None:
            return
        self._stopping = run.id

        async def work() -> None:
            await self._kensho.session.host.call(STOP_BENCH, BenchRef(bench=run.id))

        self._kensho.run_quietly(work, "bench-stop")

    def action_older(self, step: int) -> None:
        many = len(self._runs or ())
        if self._under_way is None and many:
            self._at = min(max(self._at + step, 0), many - 1)
            self._give_way()
            self._scroll.scroll_home(animate=False)
            self.renew()

    def action_apply(self, condition: Condition) -> None:
        run = self.run
        if run is None or self._under_way is not None or run.recommended(condition) is None:
            return

        async def work() -> None:
            host = self._kensho.session.host
            before = (await host.call(DETAILS, ModelRef(model=run.model))).defaults
            after = await host.call(APPLY_BENCH, ApplyBench(bench=run.id, condition=condition))
            said, name = texts.changes(before, after), one_line(run.model, 40)
            if said:
                then = "from its next answer on; z undoes"
                take_back = self._kensho.say(f"{name}: {said}", then, "$success", seconds=SAID_S)
                self._applied = run.id, condition, take_back
            else:
                self._kensho.say(f"{name} has these settings already")

        self._kensho.run_quietly(work, "bench-apply")

    def action_undo(self) -> None:
        """Take back what applying the run that is shown has changed."""
        run = self.run
        if run is None or self._under_way is not None:
            return

        async def work() -> None:
            host = self._kensho.session.host
            before = (await host.call(DETAILS, ModelRef(model=run.model))).defaults
            after = await host.call(UNDO_BENCH, BenchRef(bench=run.id))
            said, name = texts.changes(before, after), one_line(run.model, 40)
            self._kensho.say(f"{name}: {said}", "taken back, from its next answer on")

        self._kensho.run_quietly(work, "bench-apply")

    def action_model(self) -> None:
        """Choose whose benchmarks are shown."""
        from kensho_tui.ui.choice_list import Choice
        from kensho_tui.ui.picker import Picker

        models = [one for one in self._kensho.session.models or () if not one.problem]
        choices = [Choice(one.name, one_line(one.name, 80), one_line(one.quantisation, 12)) for one in models]

        def taken(model: str) -> None:
            self._give_way()
            self.open(model)
            self._list()
            self.renew()

        self._kensho.push_screen(Picker("Benchmarks of", choices, chosen=self._model, taken=taken))
