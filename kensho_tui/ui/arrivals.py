"""Which downloads ended since the app was last told of them, and which models of them wait to be used."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from kensho_tui.core import contract as c

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

    What was done before the app started is said when its model has never been used; what had failed before is
    seen in the tray.
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
        if known is None:
            self._before = [one for one in downloads if one.state == "done"]
        else:
            ended = [one for one in downloads if known.get(one.id) != one.state]
            self._done += [one for one in ended if one.state == "done"]
            self._failed += [one for one in ended if one.state == "failed"]
        done = {one.id for one in downloads if one.state == "done"}
        self._done = [one for one in self._done if one.id in done]
        self.waiting = [one for one in self.waiting if one.id in done]
        active = {one.id for one in downloads if one.active}
        self._batch = (self._batch | active) if active else set()

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

    def forget(self, download: str) -> None:
        """Its model is used, or is not going to be."""
        self.waiting = [one for one in self.waiting if one.id != download]
