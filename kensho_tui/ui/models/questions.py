"""What the hub's tab asks, and what came of it: repositories, or the files of one of them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from kensho_tui.core import hub_contract as h
from kensho_tui.core.text import one_line
from kensho_tui.ui.models.asking import Asking

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp, Work

MANY = 50
"""Repositories that are asked for at first, and how many more each time."""
Kind = Literal["curated", "words", "files"]


class Questions:
    """`renew` draws what is there now; with the key of a row another list begins, that row highlighted.
    `row` says which is highlighted.
    """

    def __init__(self, app: "KenshoApp", renew: Callable[[str | None], None], row: Callable[[], str]) -> None:
        self._app = app
        self._renew = renew
        self._row = row
        self.asking = Asking(app, self._answered)
        self.words = ""
        """What the repositories shown were asked for with; empty: they are the curated ones."""
        self.repos: h.HubRepos | None = None
        self.files: h.HubFiles | None = None
        self._kind: Kind = "curated"
        """Of the question that was asked last."""
        self._first: str | None = None
        """The row that is highlighted when the answer is there."""
        self._before = ""
        """The row that was highlighted when something was asked."""

    @property
    def waits_for(self) -> Kind | None:
        """What kind of answer is awaited; None: none."""
        return self._kind if self.asking.waiting else None

    @property
    def open_repo(self) -> str:
        """The repository whose files are shown; empty: none."""
        return self.files.repo.repo if self.files is not None else ""

    def _ask(self, kind: Kind, what: str, work: "Work") -> None:
        if not self.asking.busy:
            self._before = self._row()
        self._kind = kind
        self.asking.ask(what, work)
        self._renew(None)

    def _answered(self) -> None:
        first, self._first = self._first, None
        self._renew(first)

    def curated(self) -> None:
        """The models that come with the program."""

        async def work() -> None:
            found = await self._app.session.host.call(h.SEARCH_HUB, h.SearchHub())
            self.repos, self.files, self.words, self._first = found, None, "", ""

        self._ask("curated", "the list of good models", work)

    def judge_again(self) -> None:
        """The same list, where it is shown: its verdicts may be others by now."""

        async def work() -> None:
            found = await self._app.session.host.call(h.SEARCH_HUB, h.SearchHub())
            if not self.words:
                self.repos = found
                self._renew(None)

        self._app.run_quietly(work, "hub-curated")

    def find(self, words: str, sort: h.HubSort, *, many: int = MANY, keep: bool = False) -> None:
        """`keep`: the same row stays highlighted."""
        row = self._row() if keep else ""
        request = h.SearchHub(query=words, sort=sort, limit=many)

        async def work() -> None:
            found = await self._app.session.host.call(h.SEARCH_HUB, request)
            self.repos, self.files, self.words, self._first = found, None, words, row

        self._ask("words", f"looking for “{one_line(words, 40)}” on the hub", work)

    def more(self, sort: h.HubSort) -> None:
        if self.words and self.files is None and self.repos is not None and self.repos.more:
            self.find(self.words, sort, many=len(self.repos.repos) + MANY, keep=True)

    def open(self, repo: str) -> None:
        async def work() -> None:
            found = await self._app.session.host.call(h.HUB_FILES, h.RepoRef(repo=repo))
            self.files = found
            self._first = next((file.file for file in found.files if file.recommended), "")

        self._ask("files", f"asking the hub for the files of {one_line(repo, 60)}", work)

    def anew(self, sort: h.HubSort) -> None:
        """Ask once more for what is shown."""
        if self.files is not None:
            self.open(self.open_repo)
        elif self.words:
            self.find(self.words, sort, keep=True)

    def back(self) -> bool:
        """One step: from a wait or an error, to the repositories, to the list. False: there is none."""
        if self.asking.stop():
            if self.repos is not None:
                self._renew(self._before)
            elif self._kind != "curated":
                self.curated()
            else:
                return False
        elif self.files is not None:
            repo, self.files = self.open_repo, None
            self._renew(repo)
        elif self.words:
            self.curated()
        else:
            return False
        return True
