"""Runs of models: what they ran with, the list of them, and their figures by settings and day."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from typing import NamedTuple

from kensho_tui.core.text import valid
from kensho_tui.storage.database import Database, Transaction
from kensho_tui.storage.generation_pages import FIRST_DATE, LAST_DATE, Choice, Page
from kensho_tui.storage.models import LEAST_TOKENS

LEAST_PROMPT_TOKENS = 32
"""Fewer new tokens of a prompt are read about as fast as one: that says little about the speed of many."""


@dataclass(frozen=True)
class Setup:
    """What a model ran with. 0 or empty: not known; ``gpu_layers`` -1: all."""

    model: str
    quantisation: str = ""
    active_weights: int = 0
    device: str = ""
    gpu_layers: int = 0
    context: int = 0
    kv_type: str = ""
    threads: int = 0
    threads_batch: int = 0
    batch: int = 0
    flash: str = ""

    @classmethod
    def of(cls, model: str, settings: Mapping[str, object]) -> "Setup":
        """From the settings of a generation; what is missing there is not known."""
        return cls(
            valid(model),
            _text(settings, "quantisation"),
            count_of(settings, "active_weights"),
            _text(settings, "device"),
            count_of(settings, "gpu_layers"),
            count_of(settings, "context"),
            _text(settings, "kv_type"),
            count_of(settings, "threads"),
            count_of(settings, "threads_batch"),
            count_of(settings, "batch"),
            _text(settings, "flash"),
        )


def _text(settings: Mapping[str, object], name: str) -> str:
    value = settings.get(name)
    return valid(value) if isinstance(value, str) else ""


def count_of(settings: Mapping[str, object], name: str) -> int:
    value = settings.get(name)
    return value if isinstance(value, int) else 0


_NAMES = tuple(field.name for field in fields(Setup))
_FIELDS = ", ".join(_NAMES)
_MARKS = ", ".join("?" * len(_NAMES))


async def keep_setup(work: Transaction, setup: Setup) -> int:
    """The number of `setup`, which is kept if it is a new one."""
    values = astuple(setup)
    await work.run(
        f"INSERT INTO setups ({_FIELDS}) VALUES ({_MARKS}) ON CONFLICT DO NOTHING",  # noqa: S608
        values,
    )
    [(number,)] = await work.run(
        f"SELECT number FROM setups WHERE ({_FIELDS}) = ({_MARKS})",  # noqa: S608
        values,
    )
    return int(number)


@dataclass(frozen=True)
class Period:
    """Dates as they are stored: from ``since`` on, before ``until``. ``model``: of this one alone."""

    since: str = FIRST_DATE
    until: str = LAST_DATE
    model: str | None = None


class PackedFigures(NamedTuple):
    """The ``runs`` with one setup, on one ``day`` (empty: on all), with one that may be under way.

    Figures are texts of whole numbers with commas between, in millionths (of seconds, of tokens per second)
    and no order; None: nothing could be measured. ``ttft`` is without the time in the queue. A text for many
    numbers is what SQLite and Python are quick with: as rows of a hundred thousand runs they take three times
    as long.
    """

    setup: int
    day: str
    runs: int
    ttft: str | None
    load: str | None
    prompt: str | None
    decode: str | None


def _list_of(figure: str, condition: str) -> str:
    return f"group_concat(CASE WHEN {condition} THEN CAST({figure} * 1e6 + 0.5 AS INTEGER) END)"


# What others made it wait for says nothing of a model.
_TTFT = "(ttft_s - coalesce(queue_s, 0))"
# One that was stopped while its model was loaded has the time until then.
_WHOLE_LOAD = "load_s > 0 AND ttft_s > 0"
_LONG_PROMPT = (
    f"prompt_tok_s > 0 AND completion_tokens > 0 AND prompt_tokens - cached_tokens >= {LEAST_PROMPT_TOKENS}"
)
_LONG_ANSWER = (
    f"decode_tok_s > 0 AND completion_tokens >= {LEAST_TOKENS} AND state IN ('complete', 'stopped')"
)


def _figures_query(period: Period, by_day: bool) -> tuple[str, tuple[str | None, ...]]:
    """Over the index that has every column, in the order of the groups: the unary + keeps SQLite there."""
    bounds: list[tuple[str, str]] = []
    if period.since != FIRST_DATE:
        bounds += [("day >= ?", period.since[:10]), ("+created >= ?", period.since)]
    if period.until != LAST_DATE:
        bounds += [("+created < ?", period.until)]
    sql = f"""
    SELECT setup, {"day" if by_day else "''"}, count(*),
        {_list_of(_TTFT, "ttft_s > 0")}, {_list_of("load_s", _WHOLE_LOAD)},
        {_list_of("prompt_tok_s", _LONG_PROMPT)}, {_list_of("decode_tok_s", _LONG_ANSWER)}
    FROM generations
    WHERE {
        " AND ".join(
            [
                "setup IN (SELECT number FROM setups WHERE ? IS NULL OR model = ?)",
                *(bound for bound, _ in bounds),
            ]
        )
    }
    GROUP BY {"setup, day" if by_day else "setup"}
    """  # noqa: S608 - words of ours
    return sql, (period.model, period.model, *(value for _, value in bounds))


_LAST = """
SELECT number, (
    SELECT created FROM generations WHERE setup = setups.number AND +created >= ? AND +created < ?
    ORDER BY day DESC, created DESC LIMIT 1
) AS last FROM setups WHERE last IS NOT NULL AND (? IS NULL OR model = ?)
"""

_GIVEN_AGAIN = """
SELECT model, count(*) FROM generations
WHERE from_cache AND created >= ? AND created < ? AND model IS NOT NULL AND (? IS NULL OR model = ?)
GROUP BY model
"""


class GenerationRows:
    """Reads what `Turns` wrote."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def models(self) -> tuple[str, ...]:
        """Names of the models that ever were at work here."""
        rows = await self._database.fetch("SELECT DISTINCT model FROM setups ORDER BY model")
        return tuple(row[0] for row in rows)

    async def setups(self, model: str | None = None) -> dict[int, Setup]:
        """By number; those of `model` alone if it is given."""
        rows = await self._database.fetch(
            f"SELECT number, {_FIELDS} FROM setups WHERE ? IS NULL OR model = ?",  # noqa: S608
            (model, model),
        )
        return {row[0]: Setup(*row[1:]) for row in rows}

    async def figures(self, period: Period, *, by_day: bool = False) -> list[PackedFigures]:
        """By setup, or by setup and day, in that order."""
        return [PackedFigures(*row) for row in await self._database.fetch(*_figures_query(period, by_day))]

    async def last(self, period: Period) -> dict[int, str]:
        """By setup: when the last run in ``period`` began."""
        values = (period.since, period.until, period.model, period.model)
        return dict(await self._database.fetch(_LAST, values))

    async def given_again(self, period: Period) -> dict[str, int]:
        """By model: how many answers came out of the response cache."""
        rows = await self._database.fetch(
            _GIVEN_AGAIN, (period.since, period.until, period.model, period.model)
        )
        return dict(rows)

    async def page(self, choice: Choice, limit: int, cursor: str = "") -> Page:
        """So many of them, from `cursor` on. Raises ValueError for one that is none of this order."""
        query, values = choice.page(cursor, limit + 1)
        return Page.of(await self._database.fetch(query, values), limit)

    async def setup(self, setup: Setup) -> int | None:
        """Its number; None: nothing ran with it."""
        rows = await self._database.fetch(
            f"SELECT number FROM setups WHERE ({_FIELDS}) = ({_MARKS})",  # noqa: S608
            astuple(setup),
        )
        return rows[0][0] if rows else None
