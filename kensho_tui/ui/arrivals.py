"""Which downloads ended since the app was last told of them, and which models of them wait to be used."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from kensho_tui.core import contract as c
from kensho_tui.ui import format as fmt

if TYPE_CHECKING:
    from kensho_tui.core.hub_contract import Download


def model_of(download: "Download", models: Iterable[c.ModelInfo]) -> c.ModelInfo | None:
    """The model that it brought, if it is among `models`."""
    named = None
    for model in models:
        if model.path == download.path:
            return model
        if model.name == download.model:
            named = model
    return named


class News(NamedTuple):
    """What is to be said now, once: oldest first."""

    done: tuple["Download", ...] = ()
    failed: tuple["Download", ...] = ()


class Arrivals:
    """Remembers for as long as the app runs, so that a link made anew repeats nothing.

    What was done before the app started is said when nobody knows of it and its model has never been used;
    what had failed before is seen in the tray.
    """

    def __init__(self) -> None:
        self._states: dict[str, str] | None = None
        self._before: list[Download] = []
        self._done: list[Download] = []
        self._failed: list[Download] = []
        self._batch: set[str] = set()
        self.waiting: list[Download] = []
        """Done and not used yet, the newest first."""

    def take(self, downloads: Iterable["Download"]) -> None:
        """The host's downloads as they are now."""
        downloads = tuple(downloads)
        known, self._states = self._states, {one.id: one.state for one in downloads}
        news = {one.id: one for one in downloads if one.state == "done" and not one.seen}
        if known is None:
            self._before = list(news.values())
        else:
            self._done += [one for one in news.values() if known.get(one.id) != "done"]
            self._failed += [
                one for one in downloads if one.state == "failed" and known.get(one.id) != "failed"
            ]
        self._before = [one for one in self._before if one.id in news]
        self._done = [one for one in self._done if one.id in news]
        self.waiting = [one for one in self.waiting if one.id in news]
        active = {one.id for one in downloads if one.active}
        self._batch = (self._batch | active) if active else set()

    def goes_on(self, download: "Download") -> None:
        """The host said that it goes on with this one: what is told of it next is news, though it be the same
        as before."""
        if self._states is not None:
            self._states[download.id] = download.state

    def of_batch(self, downloads: Iterable["Download"]) -> list["Download"]:
        """Those under way, with those that have ended since any of them began: their sum does not fall."""
        return [one for one in downloads if one.active or (one.state == "done" and one.id in self._batch)]

    def news(self, models: tuple[c.ModelInfo, ...] | None) -> News:
        """What nobody was told yet; `models` as they are listed, None: not yet."""
        if self._before and models is not None:
            unused = tuple(model for model in models if model.last_used is None)
            self._done = [one for one in self._before if model_of(one, unused) is not None] + self._done
            self._before = []
        news = News(tuple(self._done), tuple(self._failed))
        self.waiting = [*reversed(news.done), *self.waiting]
        self._done, self._failed = [], []
        return news

    def used(self, models: Iterable[c.ModelInfo]) -> list["Download"]:
        """Those that wait though their model has been used since they were begun, in whatever way."""
        models = tuple(models)
        return [one for one in self.waiting if _used_since(model_of(one, models), one.added)]

    def forget(self, download: str) -> None:
        """Its model is used, or is not going to be."""
        self.waiting = [one for one in self.waiting if one.id != download]


def _used_since(model: c.ModelInfo | None, added: str) -> bool:
    used = fmt.parse_date(model.last_used or "") if model is not None else None
    begun = fmt.parse_date(added)
    return used is not None and begun is not None and used > begun
