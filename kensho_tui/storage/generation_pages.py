"""Pages of a list of generations: in what order they come, and where a page ends. Pure."""

import math
from dataclasses import dataclass

from kensho_tui.core.metrics_contract import Generation, GenerationOrder
from kensho_tui.storage.database import Row
from kensho_tui.storage.rows import timings_of, usage_of

Value = str | float | None
FIRST_DATE, LAST_DATE = "", "~"
"""Before and after every date there can be, as text."""

_ENDED = "g.state NOT IN ('queued', 'streaming')"
# Names of `Generation`, and where they are found; usage, timings, the row's number and what it is ordered by
# follow.
_COLUMNS = {
    "id": "g.id",
    "message": "g.message_id",
    "chat": "m.chat_id",
    "model": "g.model",
    "state": "g.state",
    "stop_reason": "g.stop_reason",
    "created": "g.created",
    "ended": "g.ended",
    "quantisation": "coalesce(s.quantisation, '')",
    "context": "coalesce(s.context, 0)",
    "kv_type": "coalesce(s.kv_type, '')",
    "threads": "coalesce(s.threads, 0)",
    "threads_batch": "coalesce(s.threads_batch, 0)",
    "batch": "coalesce(s.batch, 0)",
    "flash": "coalesce(s.flash, '')",
    "gpu_layers": "coalesce(s.gpu_layers, 0)",
    "device": "coalesce(s.device, '')",
    "memory": "coalesce(g.memory, 0)",
    "memory_host": "coalesce(g.memory_host, 0)",
    "active_weights": "coalesce(s.active_weights, 0)",
}
_SELECTED = f"""
SELECT {", ".join(_COLUMNS.values())}, g.from_cache,
       g.prompt_tokens, g.cached_tokens, g.completion_tokens,
       g.queue_s, g.load_s, g.prefill_s, g.ttft_s, g.prompt_tok_s, g.decode_tok_s, g.total_s, g.number
"""

# How one ended, as the front end says it.
_END = """
CASE WHEN g.from_cache THEN 'from cache' WHEN g.state != 'complete' THEN g.state
ELSE replace(coalesce(g.stop_reason, ''), '_', ' ') END
"""


@dataclass(frozen=True)
class Choice:
    """Which runs are listed, and how. ``setup``: the number of their settings; ``ended``: what is said of
    their end has this in it. The others as in `core.metrics_contract.ListGenerations`."""

    since: str = FIRST_DATE
    until: str = LAST_DATE
    model: str | None = None
    setup: int | None = None
    ended: str = ""
    order: GenerationOrder = "created"
    rising: bool = False

    @property
    def _falls(self) -> tuple[str, str]:
        """What comes after a row, and how SQL calls that order."""
        return (">", "ASC") if self.rising else ("<", "DESC")

    def _after(self, cursor: str) -> tuple[str | float, int]:
        """Where a page begins. Raises ValueError."""
        dates = self.order == "created"
        if not cursor:
            if dates:
                return (FIRST_DATE if self.rising else LAST_DATE), 0
            return (-math.inf if self.rising else math.inf), 0
        key, number = cursor.rsplit("/", 1)
        value = key if dates else float(key)
        if isinstance(value, float) and math.isnan(value):
            raise ValueError(cursor)
        return value, int(number)

    def page(self, cursor: str, limit: int) -> tuple[str, tuple[Value, ...]]:
        """The query of a page, and its values. Raises ValueError for a cursor that is none of ours."""
        after = self._after(cursor)
        return (self._by_date if self.order == "created" else self._by_figure)(after, limit)

    def _by_date(self, after: tuple[str | float, int], limit: int) -> tuple[str, tuple[Value, ...]]:
        """Along an index. That of figures has the settings first: no other runs are read."""
        sign, way = self._falls
        setup, values = ("", ()) if self.setup is None else (" AND g.setup = ?", (self.setup,))
        ended, words = self._ended
        day = f"g.day {way}, " if self.setup is not None else ""
        sql = f"""
        {_SELECTED}, g.created
        FROM generations g JOIN messages m ON m.id = g.message_id LEFT JOIN setups s ON s.number = g.setup
        WHERE {_ENDED} AND g.created >= ? AND g.created < ? AND (? IS NULL OR g.model = ?)
            AND (g.created, g.number) {sign} (?, ?){setup}{ended}
        ORDER BY {day}g.created {way}, g.number {way} LIMIT ?
        """
        return sql, (self.since, self.until, self.model, self.model, *after, *values, *words, limit)

    def _by_figure(self, after: tuple[str | float, int], limit: int) -> tuple[str, tuple[Value, ...]]:
        """Over the index that has every figure, and only then to the rows of the page; the unary + keeps
        SQLite there. What no model was at work for has no settings, and is looked up."""
        sign, way = self._falls
        # Those without the figure come last.
        key = f"coalesce(nullif({self.order}, 0), {'1e300' if self.rising else '-1'})"
        ended, words = self._ended
        dates = f"{_ENDED} AND +created >= ? AND +created < ?{ended}"
        period: tuple[Value, ...] = (self.since, self.until, *words)
        if self.setup is not None:
            listed, values = f"setup = ? AND {dates}", (self.setup, *period)
        else:
            listed = f"""
            setup IN (SELECT number FROM setups WHERE ? IS NULL OR model = ?) AND day >= ? AND {dates}
            UNION ALL SELECT number, {key} FROM generations g
            WHERE setup IS NULL AND {dates} AND (? IS NULL OR +model = ?)
            """  # noqa: S608 - words of ours
            models = (self.model, self.model)
            values = (*models, self.since[:10], *period, *period, *models)
        sql = f"""
        WITH listed(number, key) AS (SELECT number, {key} FROM generations g WHERE {listed}),
        page AS (
            SELECT number, key FROM listed WHERE (key, number) {sign} (?, ?)
            ORDER BY key {way}, number {way} LIMIT ?
        )
        {_SELECTED}, page.key
        FROM page CROSS JOIN generations g ON g.number = page.number
            CROSS JOIN messages m ON m.id = g.message_id LEFT JOIN setups s ON s.number = g.setup
        ORDER BY page.key {way}, page.number {way}
        """  # noqa: S608 - words of ours
        return sql, (*values, *after, limit)

    @property
    def _ended(self) -> tuple[str, tuple[str, ...]]:
        return (f" AND instr({_END}, ?)", (self.ended.casefold(),)) if self.ended else ("", ())


@dataclass(frozen=True)
class Page:
    """``following`` is the cursor of the next page, empty where there is none."""

    generations: tuple[Generation, ...]
    following: str

    @classmethod
    def of(cls, rows: list[Row], limit: int) -> "Page":
        """Of one row more than the page has, where there are more."""
        last = rows[limit - 1] if len(rows) > limit else None
        following = f"{last[-1]}/{last[-2]}" if last is not None else ""
        return cls(tuple(map(_generation, rows[:limit])), following)


def _generation(row: Row) -> Generation:
    plain = dict(zip(_COLUMNS, row, strict=False))
    from_cache, *figures = row[len(_COLUMNS) : -2]
    usage, timings = figures[:3], figures[3:]
    measured = None if timings[0] is None else timings_of(tuple(timings))
    return Generation(
        **plain,
        from_cache=bool(from_cache),
        usage=None if usage[0] is None else usage_of(tuple(usage)),
        timings=measured,
        bandwidth=plain["active_weights"] * measured.decode_tok_s if measured else 0.0,
    )
