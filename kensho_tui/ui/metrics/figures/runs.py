"""The generations of a model, page by page."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.content import Content

from kensho_tui.core import metrics_contract as mc
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.metrics.figures import ran, rows
from kensho_tui.ui.metrics.figures.document import RAN_WITH, Document, Item
from kensho_tui.ui.metrics.figures.export import Wanted
from kensho_tui.ui.metrics.figures.level import Level
from kensho_tui.ui.metrics.figures.look import Look
from kensho_tui.ui.metrics.figures.periods import Period
from kensho_tui.ui.table import Listing

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

PAGE = 200
EXPORTED_PAGE = 1000
ENDS = "by end, length, stop sequence, context, as stopped, failed, interrupted, from cache"
AHEAD = 60
"""So many rows before the last one the next page is asked for."""


class Runs(Level):
    """The generations of a model, sorted and filtered by the host; pages come as one goes down."""

    opens: ClassVar[str] = "the chat"
    typing = "asks"
    line: ClassVar[str] = "how they ended, as failed or length; then Enter"

    def __init__(
        self,
        app: "KenshoApp",
        renew: Callable[[], None],
        model: str,
        crumb: str,
        ran_with: mc.RanWith | None = None,
    ) -> None:
        """Whatever they ran with, or with these settings alone."""
        super().__init__(app, renew)
        self._model = model
        self._crumb = crumb
        self._ran_with = ran_with
        self.found: list[mc.Generation] = []
        self._asked: mc.ListGenerations | None = None
        """What `found` answers."""
        self._places: dict[str, int] = {}
        self._next = ""

    @property
    def crumb(self) -> str:
        return self._crumb

    @property
    def listing(self) -> Listing:
        return rows.generations_listing(self.found)

    def model_of(self, key: str) -> str:
        return self._model

    def request(self, period: Period, cursor: str = "", limit: int = PAGE) -> mc.ListGenerations:
        sort = self.sort_of(rows.GENERATIONS)
        return mc.ListGenerations(
            since=period.since(self.app.now()),
            model=self._model,
            limit=limit,
            cursor=cursor,
            setup=self._ran_with,
            order=rows.ORDERS[sort.by],
            rising=not rows.GENERATIONS.falls(sort),
            ended=self.typed.strip(),
        )

    async def load(self, period: Period) -> None:
        request = self.request(period)
        page = await self.app.session.host.call(mc.GENERATIONS, request)
        known = self._places.get(page.generations[-1].id) if page.next and request == self._asked else None
        if known is not None:  # what follows has been read
            self._take([*page.generations, *self.found[known + 1 :]], self._next)
        else:
            self._take(list(page.generations), page.next)
        self._asked = request
        self.loaded = True

    def _take(self, generations: list[mc.Generation], following: str) -> None:
        self.found, self._next = generations, following
        self._places = {one.id: at for at, one in enumerate(generations)}

    def rows(self, look: Look) -> list[Choice]:
        return rows.generation_rows(self.found, look)

    def nothing(self, period: Period) -> str:
        return f"None ended so, but {ENDS}" if self.typed else super().nothing(period)

    def below(self, width: int, height: int, look: Look) -> Content:
        """What all of them ran with."""
        return Content("\n").join(ran.common(self.found, width)[:height])

    def near_end(self, key: str) -> bool:
        return bool(self._next) and self._places.get(key, 0) >= len(self.found) - AHEAD

    async def more(self, period: Period) -> None:
        before = self.found
        page = await self.app.session.host.call(mc.GENERATIONS, self.request(period, self._next))
        if self.found is before:  # else it does not follow what came meanwhile
            self._take([*before, *page.generations], page.next)

    async def leads_to(self, key: str) -> tuple[str, str] | None:
        """The chat of a generation, and the message it wrote to. Raises `NotFoundError`: it is deleted."""
        one = self.found[self._places[key]] if key in self._places else None
        if one is None:
            return None
        await self.app.session.host.chat(one.chat)  # to open one that is gone would begin another
        return one.chat, one.message

    def wanted(self, keys: Sequence[str], period: Period) -> Wanted:
        """All pages, and not only those that were looked at."""
        head: Document = {"since": period.since(self.app.now()), "model": self._model}
        if self._ran_with is not None:
            head["setup"] = self._ran_with
        if self.typed:
            head["ended"] = self.typed
        return Wanted("generations", head, lambda: self._pages(period), of=self._model)

    async def _pages(self, period: Period) -> AsyncIterator[Sequence[Item]]:
        cursor = ""
        while True:
            request = self.request(period, cursor, EXPORTED_PAGE)
            page = await self.app.session.host.call(mc.GENERATIONS, request)
            yield page.generations
            cursor = page.next
            if not cursor:
                return


def ran_with(quantisation: str, setup: mc.SetupMetrics) -> mc.RanWith:
    return mc.RanWith(quantisation=quantisation, **{name: getattr(setup, name) for name in RAN_WITH})
