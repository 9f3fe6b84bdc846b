"""The hub as the program shows it: repositories and files with verdicts, and what there is to fetch."""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Generic, TypeVar
from urllib.parse import quote

import msgspec

from kensho_tui.core.errors import HubError, KenshoError, LoadError, NotFoundError, UsageError
from kensho_tui.core.hub_contract import HubDetails, HubFiles, HubRepos, SearchHub
from kensho_tui.core.text import one_line
from kensho_tui.models.fitting import Fitting, Judged
from kensho_tui.models.gguf.facts import facts
from kensho_tui.models.gguf.shape import ModelShape
from kensho_tui.models.hub.choosing import choose
from kensho_tui.models.hub.client import LONGEST_S, HubClient
from kensho_tui.models.hub.installed import Installed
from kensho_tui.models.hub.listing import Listing, RemoteGguf, file_names, listing_of, repo_row
from kensho_tui.models.hub.names import is_commit, is_repo, is_revision
from kensho_tui.models.hub.references import FORMS, parse
from kensho_tui.models.hub.remote import HubReference, RemoteModel, RemotePart
from kensho_tui.models.hub.rows import Rows, about_row
from kensho_tui.models.library import Library

K = TypeVar("K")
V = TypeVar("V")

MOST_ROWS = 200
LISTINGS_KEPT, SHAPES_KEPT = 16, 128
HEADER_S = 30.0
"""For the header behind a list; one that is asked for itself may take longer."""


class Kept(Generic[K, V]):
    """The last values asked for, by keys that mean the same for ever."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)


class Hub:
    """Asks the network only where a method says so. Raises `KenshoError` for whatever goes wrong there."""

    def __init__(self, library: Library, fitting: Fitting, environ: Mapping[str, str] = os.environ) -> None:
        self._client = HubClient(environ)
        self._library = library
        self._fitting = fitting
        self._listings: Kept[tuple[str, str], Listing] = Kept(LISTINGS_KEPT)
        self._shapes: Kept[tuple[str, str, str], ModelShape] = Kept(SHAPES_KEPT)

    def headers(self, url: str) -> dict[str, str]:
        """What to send to `url` besides: a token only to the hub itself. Blocks."""
        return self._client.headers(url)

    # --- search ----------------------------------------------------------------------------------------

    async def search(self, request: SearchHub) -> HubRepos:
        """Asks the hub for repositories; with no words the curated list, without the network."""
        words = one_line(request.query, 200)
        if not words:
            return await self._curated()
        limit = min(max(request.limit, 1), MOST_ROWS)
        ask = MOST_ROWS if request.sort == "size" else limit
        infos = await self._client.search(self._named(words), request.sort, ask + 1)
        installed, rooms = await self._installed(), self._fitting.rooms()
        rows = []
        for info in infos[:ask]:
            row = repo_row(info)
            if row is not None:
                row = msgspec.structs.replace(row, installed=installed.of_repo(row.repo))
                rows.append(await about_row(row, file_names(info), self._fitting, rooms))
        if request.sort == "size":
            rows.sort(key=lambda row: (not row.parameters, row.parameters))
        return HubRepos(repos=tuple(rows[:limit]), more=len(infos) > ask or len(rows) > limit)

    def _named(self, words: str) -> str:
        """A repository that was written out, or pasted as an address, is looked for by its name."""
        try:
            named = parse(words, self._client.endpoint) if "/" in words else None
        except UsageError:
            return words
        return named.repo if isinstance(named, HubReference) else words

    async def _curated(self) -> HubRepos:
        from kensho_tui.models.hub import curated

        rooms, installed = self._fitting.rooms(), await self._installed()

        async def judge(shape: ModelShape) -> Judged:
            return await self._fitting.judge_remote(shape, 0, rooms)

        entries = (await asyncio.to_thread(curated.curated)).entries
        names = installed.by_repo(entry.repo for entry in entries)
        return HubRepos(repos=await curated.repos(judge, names), curated=True)

    # --- a repository ----------------------------------------------------------------------------------

    async def files(self, repo: str, revision: str | None) -> HubFiles:
        """A repository's models. Asks the hub for its files, and for the header of one of them."""
        table = await self._table(await self._listing(repo, revision))
        await self._look_into_one(table)
        return await table.told()

    async def details(self, repo: str, file: str, revision: str | None) -> HubDetails:
        """One of them by its own header, which the hub is asked for."""
        listing = await self._listing(repo, revision)
        model = choose(listing, HubReference(repo, file=file))
        table = await self._table(listing)
        if not model.problem:
            try:
                table.shapes[model.file] = await self._shape(listing, model, LONGEST_S)
            except LoadError as error:
                table.problems[model.file] = error.line()
        row = next(row for row in (await table.told()).files if row.file == model.file)
        shape = table.shapes.get(model.file)
        if shape is None:
            return HubDetails(file=row, facts={})
        fit = await self._fitting.fit_remote(model.name, shape)
        row = msgspec.structs.replace(row, verdict=fit.verdict)
        return HubDetails(file=row, facts=await asyncio.to_thread(facts, shape), fit=fit)

    async def _listing(self, repo: str, revision: str | None) -> Listing:
        """What the repository holds. A commit is asked for once: it never changes."""
        if not is_repo(repo):
            raise UsageError(f"{one_line(repo, 120)!r} is no name of a repository", hint=FORMS)
        if revision is not None and not is_revision(revision):
            raise UsageError(f"{one_line(revision, 80)!r} is no revision")
        known = self._listings.get((repo, revision)) if revision is not None else None
        if known is not None:
            return known
        listing = await asyncio.to_thread(listing_of, await self._client.repository(repo, revision), repo)
        if revision is not None and is_commit(revision) and revision != listing.commit:
            raise HubError("the hub lists another revision than was asked for", hint="Try again later")
        self._listings.put((repo, listing.commit), listing)
        return listing

    async def _table(self, listing: Listing) -> Rows:
        """With all headers that were read before."""
        table = Rows(listing, self._fitting, self._fitting.rooms(), await self._installed())
        for model in listing.models:
            shape = self._shapes.get((listing.repo.repo, listing.commit, model.file))
            if shape is not None:
                table.shapes[model.file] = shape
        return table

    async def _installed(self) -> Installed:
        catalogue = self._library.catalogue
        return await asyncio.to_thread(lambda: Installed(catalogue.files(), catalogue.folder))

    # --- headers ---------------------------------------------------------------------------------------

    async def _look_into_one(self, table: Rows) -> None:
        """Read the header of the file that is likely to be recommended, unless one is known already."""
        usable = [model for model in table.listing.models if not model.problem]
        if not usable or table.shapes:
            return
        rows = {row.file: row for row in await table.rows()}
        model = min(
            usable, key=lambda model: (not rows[model.file].recommended, len(model.parts), model.size)
        )
        try:
            table.shapes[model.file] = await self._shape(table.listing, model, HEADER_S)
        except LoadError as error:
            table.problems[model.file] = error.line()
        except KenshoError as error:
            table.note = f"No header could be read, so verdicts rest on the files' sizes: {error.line()}"

    async def _shape(self, listing: Listing, model: RemoteGguf, longest_s: float) -> ModelShape:
        key = (listing.repo.repo, listing.commit, model.file)
        shape = self._shapes.get(key)
        if shape is None:
            shape = await self._client.header(listing.repo.repo, listing.commit, model.parts, longest_s)
            # Whether there is a template is all that is told of it; some are long.
            shape = replace(shape, template="" if shape.template is None else "…")
            self._shapes.put(key, shape)
        return shape

    # --- fetching --------------------------------------------------------------------------------------

    async def resolve(self, reference: HubReference) -> RemoteModel:
        """What there is to fetch for `reference`; asks the hub, and may read a header to choose by.

        Raises `NotFoundError` and `UsageError` with what the repository has instead.
        """
        listing = await self._listing(reference.repo, reference.revision)
        repo, commit = listing.repo.repo, listing.commit
        model = choose(listing, reference) if reference.file or reference.quantisation else None
        model = model or await self._recommended(listing)
        if model.problem:
            raise UsageError(
                f"{model.name} cannot be used: {model.problem}", hint="Choose another file of it"
            )
        if listing.repo.gated:
            await self._client.check_access(repo, commit, model.file)
        return RemoteModel(
            what=self._again(reference, repo, model),
            name=model.name,
            origin=repo,
            folder=repo,
            parts=tuple(
                RemotePart(
                    url=self._client.address(repo, commit, part.path),
                    name=part.name,
                    size=part.size,
                    sha256=part.sha256,
                )
                for part in model.parts
            ),
            revision=commit,
            quantisation=model.quantisation,
        )

    def _again(self, reference: HubReference, repo: str, model: RemoteGguf) -> str:
        if reference.revision is None:
            return f"{repo}/{model.file}"
        revision = quote(reference.revision, safe="")
        return f"{self._client.endpoint}/{repo}/resolve/{revision}/{quote(model.file)}"

    async def _recommended(self, listing: Listing) -> RemoteGguf:
        """The one to take here. Raises `UsageError` where none fits."""
        usable = [model for model in listing.models if not model.problem]
        if len(usable) == 1:
            return usable[0]
        repo = listing.repo.repo
        if not usable:
            raise NotFoundError(
                f"{repo} has no model that can be used", hint="Search the hub for one with GGUF files"
            )
        table = await self._table(listing)
        await self._look_into_one(table)
        best = next((row.file for row in await table.rows() if row.recommended), None)
        if best is None:
            smallest = usable[0].quantisation or usable[0].file
            raise UsageError(
                f"nothing of {repo} fits this machine",
                hint=f"Name one to fetch it all the same, as {repo}:{smallest}",
            )
        return next(model for model in usable if model.file == best)
