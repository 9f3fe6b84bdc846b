"""What ran on this machine, asked for by period and model."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from msgspec.structs import asdict

from kensho_tui.core.errors import NotFoundError, UsageError
from kensho_tui.core.metrics_contract import (
    Generations,
    ListGenerations,
    ListModelMetrics,
    ModelMetricsList,
    RanWith,
)
from kensho_tui.core.text import one_line
from kensho_tui.metrics.aggregate import by_model
from kensho_tui.storage.generation_pages import FIRST_DATE, LAST_DATE, Choice
from kensho_tui.storage.generations import (
    LEAST_PROMPT_TOKENS,
    GenerationRows,
    Period,
    Setup,
)
from kensho_tui.storage.models import LEAST_TOKENS

MOST_AT_ONCE = 1000
MOST_DAYS = 3660
NAMES_TOLD = 8
NO_SETUP = 0
"""A number that no settings have."""


class History:
    """Answers `core.metrics_contract`. ``installed`` gives the name of a model of this machine, be it one
    that never ran, or raises `NotFoundError`.
    """

    def __init__(self, rows: GenerationRows, installed: Callable[[str], Awaitable[str]]) -> None:
        self._rows = rows
        self._installed = installed

    async def generations(self, request: ListGenerations) -> Generations:
        """One page. Raises `UsageError` for dates and cursors that are none, `NotFoundError` for a model."""
        if not 1 <= request.limit <= MOST_AT_ONCE:
            raise UsageError(f"between 1 and {MOST_AT_ONCE:,} generations can be listed at once")
        period = await self._period(request)
        setup = await self._setup(period.model, request.setup) if request.setup is not None else None
        choice = Choice(
            period.since, period.until, period.model, setup, request.ended, request.order, request.rising
        )
        try:
            page = await self._rows.page(choice, request.limit, request.cursor)
        except (ValueError, OverflowError):
            raise UsageError(
                f"{one_line(request.cursor, 40)} is no cursor of a list of generations"
            ) from None
        return Generations(generations=page.generations, model=period.model, next=page.following)

    async def models(self, request: ListModelMetrics) -> ModelMetricsList:
        """Figures by model. Raises as `generations` does."""
        if not 0 <= request.days <= MOST_DAYS:
            raise UsageError(f"a trend has at most {MOST_DAYS:,} days")
        period = await self._period(request)
        figures = await self._rows.figures(period, by_day=bool(request.days))
        # Asked for after what refers to them: a turn may begin with new ones meanwhile.
        setups = await self._rows.setups(period.model)
        last = await self._rows.last(period)
        given_again = await self._rows.given_again(period)
        # Of a year that is a tenth of a second, which streams shall not wait for.
        models = await asyncio.to_thread(by_model, figures, setups, last, given_again, request.days)
        return ModelMetricsList(
            models=models,
            least_prompt=LEAST_PROMPT_TOKENS,
            least_completion=LEAST_TOKENS,
            model=period.model,
        )

    async def _setup(self, model: str | None, ran_with: RanWith) -> int:
        found = await self._rows.setup(Setup(model or "", **asdict(ran_with)))
        return NO_SETUP if found is None else found

    async def _period(self, request: ListGenerations | ListModelMetrics) -> Period:
        model = await self._model(request.model) if request.model else None
        since = stored_date(request.since) if request.since else FIRST_DATE
        until = stored_date(request.until) if request.until else LAST_DATE
        return Period(since, until, model)

    async def _model(self, reference: str) -> str:
        """Models that are gone are still among those that ran, and come first."""
        return chosen(reference, await self._rows.models()) or await self._installed(reference)


def stored_date(text: str) -> str:
    """A date as it is stored, from one of ISO 8601 (pure). Raises `UsageError`."""
    try:
        date = datetime.fromisoformat(text)
        date = (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{one_line(text, 40)} is no date", hint="Write it as 2026-11-21 or 2026-11-21T09:30:00Z"
        ) from None
    return date.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def chosen(reference: str, names: Sequence[str]) -> str | None:
    """The model meant by a name, or by a unique part of one, whatever the case; None: none of them (pure).

    Raises `NotFoundError` with the names that could have been meant.
    """
    wanted = reference.casefold()
    whole = [name for name in names if name.casefold() == wanted]
    found = [name for name in whole if name == reference] or whole
    found = found or [name for name in names if wanted in name.casefold()]
    if len(found) > 1:
        told = ", ".join(one_line(name, 80) for name in found[:NAMES_TOLD])
        raise NotFoundError(
            f"several models match {one_line(reference, 80)!r}: {told}", hint="Give more of the name"
        )
    return found[0] if found else None
