"""One benchmark from load to recommendations: what `grid` tries is measured, round after round."""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from kensho_tui.core.bench_contract import BenchRun, BenchSettings, Condition
from kensho_tui.core.contract import ModelInfo, Phase
from kensho_tui.core.errors import EngineError
from kensho_tui.core.frames import Load
from kensho_tui.models.bench import grid
from kensho_tui.models.bench.compare import Comparison
from kensho_tui.models.bench.grid import CONDITIONS, Machine, Pace
from kensho_tui.models.bench.neighbour import neighbour
from kensho_tui.models.bench.recommend import TIE, recommendation
from kensho_tui.models.bench.results import Length, Results
from kensho_tui.models.bench.session import Session
from kensho_tui.models.bench.tools import Tools

log = logging.getLogger(__name__)

RIVAL = 1.06
"""So much later alone, a number of threads may still be the best of a whole turn."""
LATE = 1.3
"""A busy machine or a large model: beyond so many times its share of the budget a stage is left out, and of
the last one all but the settings in use and the best found so far."""
WHOLE, LENGTHS, ALONE = "whole turns", "other lengths", "llama.cpp alone"

Tried = dict[Condition, tuple[BenchSettings, ...]]
Bases = dict[Condition, BenchSettings]


@dataclass(frozen=True)
class Axis:
    """One setting that is varied beside a base, measured at one length. ``share`` as in `Stage`."""

    name: str
    choices: Callable[[BenchSettings], tuple[BenchSettings, ...]]
    length: Length
    share: float


@dataclass(frozen=True)
class Stage:
    """Choices measured beside each other at one length, ``least`` times and up to ``rounds`` while not more
    than ``share`` of the budget is over.
    """

    name: str
    tried: Tried
    length: Length
    rounds: int
    share: float
    least: int = 1
    final: bool = False


class Bench:
    """``tell`` gets the run whenever it would read otherwise, ``keep`` after each measurement; ``run`` is how
    it stands.
    """

    def __init__(
        self,
        tools: Tools,
        model: ModelInfo,
        pace: Pace,
        run: BenchRun,
        tell: Callable[[BenchRun], None],
        keep: Callable[[BenchRun], Awaitable[None]],
    ) -> None:
        self.run = run
        self._tools = tools
        self._model = model
        self._pace = pace
        self._tell = tell
        self._keep = keep
        self._results = Results()
        self._machine = Machine(tools.cores, tools.paying)
        self._began = time.monotonic()
        self._ahead: dict[str, int] = {}

    async def measure(self) -> None:
        """All of it. Raises `KenshoError` where the model cannot be loaded."""
        tools = self._tools
        async with Session(tools.manager, tools.planner, self._model, self._on_phase) as session:
            whole = Length(max(min(self._pace.prompt, session.room), 16), self._pace.answer)
            before = self._learn(session, whole)
            await self._stages(session, before, whole)
            await self._lengths(session, whole)
            base, text, beside = session.base, session.prompt(whole.prompt), await session.fits_twice()
            if beside:
                await self._compare(session, base, text, whole)
        if not beside:
            await self._compare(None, base, text, whole)
        self._ahead = {}
        self._say("")

    # --- telling ---------------------------------------------------------------------------------------

    def _say(self, doing: str) -> None:
        left, done = sum(self._ahead.values()), self.run.done
        eta = self._spent() / done * left if done else None
        self.run = replace(self.run, doing=doing, total=done + left, eta_s=eta)
        self._tell(self.run)

    def _count(self, what: str, *, measured: bool = True) -> None:
        """One less to come. What gave no speed is none that was done."""
        self._ahead[what] = max(self._ahead[what] - 1, 0)
        self.run = replace(self.run, done=self.run.done + measured, points=self._results.points())

    async def _did(self, what: str, *, measured: bool) -> None:
        """Counted, and kept before the next one begins: writing would disturb that."""
        self._count(what, measured=measured)
        await self._keep(self.run)

    def _on_phase(self, phase: Phase) -> None:
        self._say(f"loading the model ({phase.note})" if phase.note else "loading the model")

    def _spent(self) -> float:
        """Seconds since the model was there."""
        return time.monotonic() - self._began

    # --- stages ----------------------------------------------------------------------------------------

    def _learn(self, session: Session, whole: Length) -> BenchSettings:
        """What is in use and what there is to try, once the model is loaded as it always is."""
        tools, resident, pace = self._tools, session.resident, self._pace
        machine = self._machine = session.machine(tools.cores, tools.paying)
        before = grid.settings_of(session.base, machine)
        self.run = replace(
            self.run,
            before=before,
            device=resident.loaded.device if resident.loaded else "",
            build=resident.loaded.build if resident.loaded else "",
            quantisation=resident.shape.quantisation if resident.shape else self._model.quantisation,
        )
        both = len(CONDITIONS)
        self._ahead = {
            **{axis.name: both * pace.rounds * len(axis.choices(before)) for axis in self._axes(whole)},
            WHOLE: both * pace.finals * len(grid.variants(before, machine, quick=pace.quick)),
            LENGTHS: both * len(pace.lengths),
            ALONE: both * pace.alone,
        }
        self._began = time.monotonic()
        return before

    def _axes(self, whole: Length) -> tuple[Axis, ...]:
        """In their order; the first are the threads that decode."""
        machine, quick = self._machine, self._pace.quick
        writing = Length(min(self._pace.short, whole.prompt), self._pace.writing, reads=False)
        reading = Length(whole.prompt, 1, writes=False)
        return (
            Axis("decode threads", partial(grid.threads, machine=machine, quick=quick), writing, 0.25),
            Axis("prefill threads", partial(grid.threads_batch, machine=machine, quick=quick), reading, 0.4),
            Axis("batch", partial(grid.batches, quick=quick), reading, 0.5),
        )

    async def _stages(self, session: Session, before: BenchSettings, whole: Length) -> None:
        """Axis by axis, each with the best of those before it; then whole turns with what is left."""
        pace, axes = self._pace, self._axes(whole)
        base: Bases = dict.fromkeys(CONDITIONS, before)
        tried: Tried = {}
        for axis in axes:
            tried = {at: axis.choices(base[at]) for at in CONDITIONS}
            await self._measure(session, Stage(axis.name, tried, axis.length, pace.rounds, axis.share))
            base = {at: self._best(at, base[at], tried[at], axis.length) for at in CONDITIONS}

        for at in CONDITIONS:
            rivals = self._rivals(at, axes[0].choices(before), axes[0].length)
            others = [replace(base[at], threads=each.threads) for each in rivals]
            variants = grid.variants(base[at], self._machine, quick=pace.quick)
            tried[at] = tuple(dict.fromkeys((before, *variants, *others)))
        least = min(2, pace.finals)
        await self._measure(session, Stage(WHOLE, tried, whole, pace.finals, 0.9, least, final=True))
        made = [recommendation(at, self._results.found(at, whole), before) for at in CONDITIONS]
        self.run = replace(self.run, recommendations=tuple(one for one in made if one is not None))

    def _rivals(self, at: Condition, tried: tuple[BenchSettings, ...], length: Length) -> list[BenchSettings]:
        """Those that are nearly as good as the best."""
        ranked = self._results.ranked(at, tried, length)
        return [each for seconds, each in ranked if seconds <= ranked[0][0] * RIVAL]

    def _best(
        self, at: Condition, base: BenchSettings, tried: tuple[BenchSettings, ...], length: Length
    ) -> BenchSettings:
        """The soonest of ``tried``; the base, where the difference says nothing."""
        ranked = self._results.ranked(at, tried, length)
        own = next((seconds for seconds, each in ranked if each == base), None)
        if not ranked or (own is not None and own <= ranked[0][0] * TIE):
            return base
        return ranked[0][1]

    async def _measure(self, session: Session, stage: Stage) -> None:
        """Round after round over all that is still promising, so that drift of the machine hits all alike."""
        late = self._spent() > LATE * stage.share * self._pace.budget_s
        if late and not stage.final:
            self._ahead[stage.name] = 0
            return
        left = {at: list(stage.tried[at])[: 2 if late else None] for at in CONDITIONS}
        for number in range(stage.rounds):
            share = stage.share if number >= stage.least else LATE
            if number and self._spent() > share * self._pace.budget_s:
                break
            self._ahead[stage.name] = (stage.rounds - number) * sum(map(len, left.values()))
            for at in CONDITIONS:
                if not left[at]:
                    continue
                async with neighbour(wanted=at == "shared", command=self._tools.spin):
                    for settings in left[at] if number % 2 == 0 else left[at][::-1]:
                        await self._one(session, stage, at, settings, first=number == 0)
                left[at] = self._still(stage, at, left[at])
        self._ahead[stage.name] = 0

    def _still(self, stage: Stage, at: Condition, tried: list[BenchSettings]) -> list[BenchSettings]:
        """Whom another round is worth it for; what is in use stays, because gains are told by it."""
        promising = self._results.promising(at, tried, stage.length)
        if stage.final:
            return [each for each in tried if each in promising or each == self.run.before]
        return promising if len(promising) > 1 else []

    async def _one(
        self, session: Session, stage: Stage, at: Condition, settings: BenchSettings, *, first: bool
    ) -> None:
        measured = False
        if not self._results.failed(settings):
            self._say(f"{stage.name} · {at} · {settings.words(gpu=self._machine.gpu)}")
            # Who is measured again is measured whole, lest only the good runs count.
            hasty = first and settings != self.run.before
            patience = self._results.patience(at, stage.length) if hasty else None
            measured = await self._try(session, at, settings, stage.length, patience)
        await self._did(stage.name, measured=measured)

    async def _try(
        self,
        session: Session,
        at: Condition,
        settings: BenchSettings,
        length: Length,
        patience: float | None = None,
    ) -> bool:
        """Whether it gave a speed. What cannot be loaded, or dies, is told as a problem of these settings and
        no end of the rest.
        """
        try:
            speeds = await session.measure(settings, self._machine, length.prompt, length.answer, patience)
        except EngineError as error:
            log.info("%s cannot be used: %s", settings, error.message)
            self._results.fail(settings, error.message)
            return False
        self._results.add(at, settings, length, speeds)
        return speeds.any_of(length)

    # --- with what is recommended ----------------------------------------------------------------------

    async def _lengths(self, session: Session, whole: Length) -> None:
        """Prompts of other lengths, where they fit and there is time."""
        for tokens in self._pace.lengths:
            for one in self.run.recommendations:
                if tokens <= session.room and self._spent() < self._pace.budget_s:
                    self._say(f"a prompt of {tokens} tokens · {one.condition}")
                    async with neighbour(wanted=one.condition == "shared", command=self._tools.spin):
                        length = Length(tokens, whole.answer // 2)
                        measured = await self._try(session, one.condition, one.settings, length)
                    await self._did(LENGTHS, measured=measured)
        self._ahead[LENGTHS] = 0

    async def _compare(self, session: Session | None, base: Load, text: str, whole: Length) -> None:
        """By turns with the worker where memory has room for both, else after it (``session`` None). A loop
        that cannot be run leaves the benchmark without that.
        """

        def tick() -> None:
            self._count(ALONE)
            self._say(ALONE)

        rounds = 1 if self._spent() > self._pace.budget_s else self._pace.alone
        comparison = Comparison(self._tools, self._machine, base, text, rounds, tick)
        for one in self.run.recommendations:
            self._say(f"{ALONE} · {one.condition}")
            try:
                tokens = self._results.tokens(one.condition, one.settings, whole)
                figures = await comparison.of(one, tokens, whole, session)
            except EngineError as error:
                log.warning("no comparison with llama.cpp alone: %s", error.message)
            else:
                self.run = replace(self.run, bare=(*self.run.bare, figures))
                await self._keep(self.run)
