"""The hub's tab: repositories that are curated or were found, and the files of one of them."""

import os
from typing import TYPE_CHECKING, ClassVar, cast

from msgspec.structs import replace
from textual.content import Content

from kensho_tui.core import contract as c
from kensho_tui.core import hub_contract as h
from kensho_tui.core.errors import UsageError
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.commands.registry import BY_NAME
from kensho_tui.ui.filtered_list import Keys
from kensho_tui.ui.lines import quiet
from kensho_tui.ui.models.headers import Headers
from kensho_tui.ui.models.hub_pages import FilePage, RepoPage
from kensho_tui.ui.models.hub_rows import (
    CURATED,
    FILES,
    FOUND,
    Here,
    curated_rows,
    file_rows,
    found_rows,
    here_now,
    title,
)
from kensho_tui.ui.models.questions import Questions
from kensho_tui.ui.models.sheet import DetailsPane
from kensho_tui.ui.models.tabs import Hints, Stage, Tab
from kensho_tui.ui.models.wanted import Repository, Source, wanted
from kensho_tui.ui.table import Listing, Sort

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp


class HubTab(Tab):
    """Two kinds of rows: repositories by their name, and the files of the one that is open by theirs."""

    title: ClassVar[str] = "Hub"
    line: ClassVar[str] = "/ search the hub, Enter asks · or owner/name:QUANT, an address, a path"
    typing = "searches"
    many_rows: ClassVar[bool] = True

    def __init__(self, app: "KenshoApp", pane: DetailsPane, stage: Stage) -> None:
        super().__init__(app, pane, stage)
        self._questions = Questions(app, self._renew, lambda: self.stage.row)
        self._headers = Headers(app, pane, self._renew)
        self._looked = ("", "")
        self._sure = ""
        """The row that would be downloaded though it does not fit, if that is asked for once more."""
        self._begun: dict[tuple[str, str], str] = {}
        self._here = Here()
        self._made: tuple[object, ...] = ()
        self._rows: list[Choice] = []

    @property
    def _repos(self) -> h.HubRepos | None:
        return self._questions.repos

    @property
    def _files(self) -> h.HubFiles | None:
        return self._questions.files

    @property
    def _words(self) -> str:
        return self._questions.words

    # --- what is shown --------------------------------------------------------------------------------

    @property
    def listing(self) -> Listing:
        if self._files is not None:
            return FILES
        return FOUND if self._words else CURATED

    def rows(self) -> list[Choice]:
        """Made anew only when they say something else: there may be a thousand."""
        here = self._here_now()
        of_files = (here, self._headers.known)
        parts = (
            self._repos,
            self._files,
            of_files if self._files is not None else (here.models, here.coming),
            self.sort,
        )
        if parts != self._made:
            self._made, self._rows = parts, self._make_rows(here)
        return self._rows

    def _make_rows(self, here: Here) -> list[Choice]:
        if self._files is not None:
            repo = self._files.repo.repo
            exact = [self._file(file.file) or file for file in self._files.files]
            return file_rows(repo, exact, here, self.sort)
        repos = self._repos.repos if self._repos is not None else ()
        if self._words:
            return found_rows(repos, here, self.sort, self.app.now())
        return curated_rows(repos, here, self.sort)

    def nothing(self) -> str:
        if self._files is not None:
            return "There is no GGUF file in it: Esc goes back"
        return "nothing found: fewer letters find more" if self._words else "◌ waiting for the host"

    def about(self) -> Content:
        if self.instead() is not None:
            return Content()
        if self._files is not None:
            repo, number = one_line(self._files.repo.repo, 60), len(self._files.files)
            note = quiet(f" · {one_line(self._files.note, 200)}" if self._files.note else "")
            return Content.assemble(repo, quiet(f" · {number} model{'s' * (number != 1)}"), note)
        if not self._words:
            return quiet("Good small models, chosen beforehand: nothing was asked of the network")
        number = len(self._repos.repos) if self._repos is not None else 0
        more = " · m shows more" if self._repos is not None and self._repos.more else ""
        what = "repository" if number == 1 else "repositories"
        return quiet(f"{number or 'no'} {what} with “{one_line(self._words, 40)}”{more}")

    def instead(self) -> Content | None:
        return self._questions.asking.content()

    @property
    def waits(self) -> bool:
        return bool(self._questions.asking.waiting)

    def look(self, row: str) -> None:
        other = self._looked != (self._questions.open_repo, row)
        if other:
            self._looked, self._sure = (self._questions.open_repo, row), ""
            self._headers.rest_on(self._ref(row))
        self.pane.show(self._page(row), top=other)

    def _page(self, row: str) -> RepoPage | FilePage | None:
        here, file, repo = self._here_now(), self._listed_file(row), self._repo(row)
        if self._files is None:
            return RepoPage(repo, here, self.app.now()) if repo is not None else None
        ref, known = self._ref(row), self._headers.known
        if file is None:
            return None
        if ref is None:
            return FilePage(self._files.repo, file, here)
        details, problem = known.details.get(ref), known.problems.get(ref, "")
        return FilePage(self._files.repo, file, here, details, not known.has(ref), problem)

    def model(self, row: str) -> str:
        here, file, repo = self._here_now(), self._listed_file(row), self._repo(row)
        if self._files is not None:
            return here.model(self._files.repo.repo, file) if file is not None else ""
        return next(iter(here.models_of(repo)), "") if repo is not None else ""

    # --- which row is what ----------------------------------------------------------------------------

    def _repo(self, row: str) -> h.HubRepo | None:
        repos = self._repos.repos if self._repos is not None and self._files is None else ()
        return next((repo for repo in repos if repo.repo == row), None)

    def _listed_file(self, row: str) -> h.HubFile | None:
        files = self._files.files if self._files is not None else ()
        return next((file for file in files if file.file == row), None)

    def _ref(self, row: str) -> h.HubFileRef | None:
        """What asks for the header of a row's file; None: there is none to read."""
        file = self._listed_file(row)
        if self._files is None or file is None or file.problem:
            return None
        return h.HubFileRef(repo=self._files.repo.repo, file=file.file, revision=self._files.revision)

    def _file(self, row: str) -> h.HubFile | None:
        """As it was listed, with what its own header says."""
        file, ref = self._listed_file(row), self._ref(row)
        details = self._headers.known.details.get(ref) if ref is not None else None
        return (
            replace(file, verdict=details.file.verdict) if file is not None and details is not None else file
        )

    def _here_now(self) -> Here:
        session = self.app.session
        models = (model.name for model in session.models or ())
        here = here_now(models, session.downloads, self._begun)
        if here != self._here:
            self._here = here
        return self._here

    # --- asking ---------------------------------------------------------------------------------------

    def entered(self) -> None:
        if not self._words and self._files is None and not self._questions.asking.busy:
            if self._repos is None:
                self._questions.curated()
            else:
                self._questions.judge_again()

    def left(self) -> None:
        self._headers.rest_on(None)
        self._looked = ("", "")

    def search(self, text: str) -> None:
        self.typed = text
        meant = wanted(text, os.environ.get("HF_ENDPOINT", ""))
        if isinstance(meant, Source):
            self.typed = self.unsearched()
            self._download(meant.what)
        elif isinstance(meant, Repository):
            self._questions.open(meant.name)
        elif meant.query:
            self._questions.find(meant.query, self._order)
        else:
            self._questions.curated()
        self._renew()

    @property
    def _order(self) -> h.HubSort:
        """How the hub is asked to sort what it finds."""
        return cast(h.HubSort, self.sort_of(FOUND).by)

    def _renew(self, first: str | None = None) -> None:
        if self.stage.shows(self):
            self.stage.renew(first)

    # --- what is done ---------------------------------------------------------------------------------

    def take(self, row: str) -> None:
        self.stage.move_on()
        if self._files is None:
            self._questions.open(row)
        else:
            self._take_file(row)

    def _take_file(self, row: str) -> None:
        file, repo = self._file(row), self._questions.open_repo
        if file is None:
            return
        model, found = self.model(row), self._here_now().download(repo, file)
        if model:
            self.app.run_command(BY_NAME["model"], model)
        elif found is not None and found.active:
            self.stage.open("Downloads", found.id)
        elif file.problem:
            self.app.show_error(UsageError(f"{file.name} cannot be used: {file.problem}"))
        elif self._may(row, file.name, file.verdict, "Enter"):
            self._download(f"{repo}/{file.file}", file.name, (repo, file.file))

    def _take_recommended(self) -> None:
        """The file of a row: that of the row itself, else the one that is recommended of a repository."""
        self.stage.move_on()
        row = self.stage.row
        if self._files is not None:
            self._take_file(row)
            return
        repo = self._repo(row)
        if repo is not None and self._may(row, title(repo), repo.verdict, "d"):
            quant = f":{repo.quantisation}" if repo.quantisation and not repo.about else ""
            self._download(f"{repo.repo}{quant}", title(repo))

    def _may(self, row: str, name: str, found: c.Verdict | None, key: str) -> bool:
        """Whether to download it. What does not fit is downloaded when that is asked for twice."""
        if found is None or found.kind != "too large" or self._sure == row:
            self._sure = ""
            return True
        self._sure = row
        said = f"✗ {one_line(name, 60)} needs {fmt.of(found.need, max(found.free, 0))}"
        self.app.say(said, f"{key} once more downloads it all the same", "$warning", seconds=0)
        return False

    def _download(self, what: str, name: str = "", file: tuple[str, str] | None = None) -> None:
        async def work() -> None:
            found = await self.app.models.fetching.start(what, name)
            if file is not None and found is not None:
                self._begun[file] = found.id
            self._renew()

        self.app.run_quietly(work, "pull", exclusive=False)

    def unsearched(self) -> str:
        return "" if self._questions.waits_for == "curated" else self._words

    def leave(self) -> bool:
        """One step back: from a wait or an error, to the repositories, to the list."""
        went = self._questions.back()
        self.typed = self.unsearched()
        return went

    def _back(self) -> None:
        self.stage.move_on()
        self.leave()

    def _again(self) -> None:
        """What went wrong is tried once more; what went well is asked anew."""
        self.stage.move_on()
        ref = self._ref(self.stage.row)
        if self._questions.asking.again():
            self._renew()
        elif ref is not None and ref in self._headers.known.problems:
            self._headers.forget(ref)
            self._headers.rest_on(ref)
            self._renew()
        else:
            self._questions.anew(self._order)

    def _more(self) -> None:
        self._questions.more(self._order)

    def sort_by(self, sort: Sort) -> None:
        """What was found is sorted by the hub: another way to sort is another question. While the files of a
        repository are awaited there is nothing to sort."""
        if self._questions.waits_for == "files":
            return
        other = self.listing is FOUND and sort.by != self.sort.by
        super().sort_by(sort)
        if other:
            self._questions.find(self._words, self._order)

    def keys(self) -> Keys:
        return {
            "d": self._take_recommended,
            "r": self._again,
            "m": self._more,
            "backspace": self._back,
        }

    def hints(self) -> Hints:
        search, others = [("/", "search")], [("Tab", "tabs"), self.help]
        if self._questions.asking.waiting:
            return [("Esc", "stop"), *search, *others]
        if self._questions.asking.error is not None:
            return [("r", "try again"), ("Esc", "back"), *search, *others]
        back = ("Esc", "back") if self._files is not None or self._words else ("F2", "chat")
        others = [*search, ("s", "sort"), *others]
        row = self.stage.row
        if not row:
            return [back, *others]
        if self._files is None:
            more = [("m", "more")] if self._repos is not None and self._repos.more else []
            return [("Enter", "files"), ("d", "download"), back, *more, *others]
        file = self._listed_file(row)
        found = self._here_now().download(self._questions.open_repo, file) if file is not None else None
        coming = found is not None and found.active
        does = "use" if self.model(row) else "show its download" if coming else "download"
        return [("Enter", does), back, *others]
