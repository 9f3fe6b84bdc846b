"""A hub and downloads as the host would tell of them. Tests say what is found, how slowly, and what fails."""

import asyncio
import itertools
from dataclasses import dataclass

from msgspec.structs import replace

from kensho_tui.core import contract as c
from kensho_tui.core import hub_contract as h
from kensho_tui.core import model_contract as m
from kensho_tui.core.errors import KenshoError, NotFoundError
from tests.ui.fake_host import GIB, FakeHost
from tests.ui.fake_models import FREE, footprint

REPO, OTHER, BIG, GATED = (
    "Qwen/Qwen3-4B-GGUF",
    "bartowski/gemma-3-1b-it-GGUF",
    "unsloth/Llama-3.3-70B-Instruct-GGUF",
    "google/gemma-3-270m-it-qat-q4_0-gguf",
)
REVISION = "a" * 40


def verdict(need: float, kind: str = "") -> c.Verdict:
    """Of something that takes so many GiB."""
    fits = kind or ("fits" if need * GIB <= FREE else "too large")
    reason = f"It takes {need:.1f} GB of RAM"
    return replace(c.Verdict(kind="fits", need=int(need * GIB), free=FREE, reason=reason), kind=fits)


def repo(name: str, size: float, **changes: object) -> h.HubRepo:
    base = h.HubRepo(
        repo=name,
        downloads=125_000,
        likes=321,
        updated="2026-10-02T08:00:00+00:00",
        architecture="qwen3",
        context=32768,
        parameters=4_022_468_096,
        licence="apache-2.0",
        quantisation="Q4_K_M",
        size=int(size * GIB),
        verdict=verdict(size * 1.3),
        about=True,
    )
    return replace(base, **changes)


def curated() -> tuple[h.HubRepo, ...]:
    """As the list that comes with the program: no counts of the hub's, but words of its own."""
    plain = {"downloads": 0, "likes": 0, "updated": None, "about": False}
    return (
        repo(OTHER, 0.8, title="Gemma 3 1B", role="quick answers", parameters=999_885_952, **plain),
        repo(REPO, 2.3, title="Qwen3 4B", role="all-round", **plain),
        repo(BIG, 40, title="Llama 3.3 70B", role="writing", parameters=70_553_706_496, **plain),
    )


def found() -> tuple[h.HubRepo, ...]:
    return (
        repo(REPO, 2.3),
        repo(OTHER, 0.8, downloads=9_800, likes=45, architecture="gemma3", parameters=999_885_952),
        repo(BIG, 40, downloads=1_234_567, likes=2_100, parameters=70_553_706_496),
        repo(GATED, 0.2, gated=True, licence="gemma", parameters=268_098_176),
    )


QUANTS = (("Q2_K", 1.6, 3.35), ("Q4_K_M", 2.3, 4.85), ("Q8_0", 4.1, 8.5), ("F16", 7.6, 16.0))


def files(name: str = "Qwen3-4B", scale: float = 1.0) -> tuple[h.HubFile, ...]:
    """One in each quantisation, Q4_K_M recommended."""
    return tuple(
        h.HubFile(
            file=f"{name}-{quant}.gguf",
            name=f"{name}-{quant}",
            size=int(size * scale * GIB),
            quantisation=quant,
            bits=bits,
            verdict=verdict(size * scale * 1.3),
            recommended=quant == "Q4_K_M",
        )
        for quant, size, bits in QUANTS
    )


def download(id: str, state: h.DownloadState = "running", **changes: object) -> h.Download:
    base = h.Download(
        id=id,
        model="Qwen3-4B-Q4_K_M",
        origin=REPO,
        state=state,
        done=int(1.4 * GIB),
        total=int(2.3 * GIB),
        quantisation="Q4_K_M",
        added="2026-11-21T09:10:00+00:00",
    )
    if state == "running":
        base = replace(base, rate=12.5 * 1024**2, eta_s=73.0)
    return replace(base, **changes)


@dataclass
class Slow:
    """Until `go`, an answer of the hub is not there. ``ended`` counts the calls that were given up."""

    go: asyncio.Event
    ended: int = 0


class FakeHub:
    """Answers the methods of `core.hub_contract` on `host`, and tells of downloads as the host would.

    Make it after `FakeModels`, whose answers stay. ``down`` is what every question to the network meets.
    """

    def __init__(self, host: FakeHost) -> None:
        self.host = host
        self.curated = curated()
        self.found = found()
        self.more = False
        self.files = {REPO: files(), OTHER: files("gemma-3-1b-it", 0.35), BIG: files("Llama-3.3-70B", 18)}
        self.note = ""
        self.downloads: tuple[h.Download, ...] = ()
        self.down: KenshoError | None = None
        self.slow: Slow | None = None
        self._ids = itertools.count(1)
        host.replies |= {
            h.SEARCH_HUB.name: self.search,
            h.HUB_FILES.name: self.list_files,
            h.HUB_DETAILS.name: self.details,
            h.START_DOWNLOAD.name: self.start,
            h.CHANGE_DOWNLOAD.name: self.change,
            h.LIST_DOWNLOADS.name: lambda request: h.Downloads(self.downloads),
        }
        self.put()

    def slowly(self) -> Slow:
        """From now on the hub's answers wait."""
        self.slow = Slow(asyncio.Event())
        return self.slow

    # --- the hub --------------------------------------------------------------------------------------

    async def _asked(self) -> None:
        """What every question to the network goes through."""
        slow = self.slow
        if slow is not None:
            try:
                await slow.go.wait()
            except asyncio.CancelledError:
                slow.ended += 1
                raise
        if self.down is not None:
            raise self.down

    async def search(self, request: h.SearchHub) -> h.HubRepos:
        if not request.query:
            return h.HubRepos(repos=self.curated, curated=True)
        await self._asked()
        if request.sort == "size":
            repos = sorted(self.found, key=lambda repo: repo.parameters)
        else:
            repos = sorted(self.found, key=lambda repo: getattr(repo, request.sort) or "", reverse=True)
        return h.HubRepos(repos=tuple(repos[: request.limit]), more=self.more or len(repos) > request.limit)

    async def list_files(self, request: h.RepoRef) -> h.HubFiles:
        await self._asked()
        if request.repo not in self.files:
            raise NotFoundError(f"the hub has no repository {request.repo}", hint="Look at its name")
        known = next((one for one in self.found if one.repo == request.repo), repo(request.repo, 2.3))
        return h.HubFiles(repo=known, revision=REVISION, files=self.files[request.repo], note=self.note)

    async def details(self, request: h.HubFileRef) -> h.HubDetails:
        await self._asked()
        file = next(one for one in self.files[request.repo] if one.file == request.file)
        facts = {
            "Architecture": "qwen3, 36 blocks",
            "Parameters": "4.02 B",
            "Quantisation": f"{file.quantisation}, {file.bits} bits per weight",
            "Context": "32,768 tokens",
            "Template": "yes",
            "Licence": "apache-2.0",
        }
        need = footprint(file.size)
        judged = verdict(need.total / GIB)
        fit = m.Fit(
            model=file.name,
            context=8192,
            kv_type="f16",
            gpu_layers=0,
            footprint=need,
            verdict=judged,
            max_context=20480,
            kensho=int(file.size * 1.2),
        )
        return h.HubDetails(file=replace(file, exact=True, verdict=judged), facts=facts, fit=fit)

    # --- downloads ------------------------------------------------------------------------------------

    def put(self, *downloads: h.Download) -> None:
        """The downloads from now on, oldest first, told to those who watch."""
        self.downloads = downloads
        active = sum(download.active for download in downloads)
        self.host.board.post(h.TOPIC_DOWNLOADS, h.Downloads(downloads))
        self.host.post_status(downloads=active)

    def named(self, id: str) -> h.Download:
        known = next((one for one in self.downloads if one.id == id), None)
        if known is None:
            raise NotFoundError("there is no such download")
        return known

    def alter(self, id: str, **changes: object) -> h.Download:
        """One download as it is from now on."""
        changed = replace(self.named(id), **changes)
        self.put(*(changed if one.id == id else one for one in self.downloads))
        return changed

    async def start(self, request: h.StartDownload) -> h.Download:
        await self._asked()
        return self.begin(request.what)

    def begin(self, what: str) -> h.Download:
        number = next(self._ids)
        name = what.rsplit("/", 1)[-1].removesuffix(".gguf").replace(":", "-")
        origin = "/".join(what.split(":", maxsplit=1)[0].split("/")[:2])
        new = download(f"d{number}", "queued", model=name, origin=origin, done=0, rate=0.0, eta_s=None)
        self.put(*self.downloads, replace(new, added=f"2026-11-21T09:{15 + number % 40}:00+00:00"))
        return new

    def change(self, request: h.ChangeDownload) -> h.Download:
        states: dict[h.DownloadAction, h.DownloadState] = {
            "pause": "paused",
            "resume": "running",
            "cancel": "cancelled",
        }
        before = self.named(request.id)
        if request.action == "remove":
            self.put(*(one for one in self.downloads if one.id != request.id))
            return before
        if request.action == "seen":
            return self.alter(request.id, seen=True)
        state = states[request.action]
        return self.alter(request.id, state=state, error="", hint="", rate=0.0, eta_s=None)

    def finish(self, id: str) -> c.ModelInfo:
        """The download is done and its model is there."""
        done = self.named(id)
        path = f"/home/me/kensho/data/models/{done.origin}/{done.model}.gguf"
        total = done.total or GIB
        info = c.ModelInfo(
            name=done.model,
            path=path,
            size=total,
            source="folder",
            quantisation=done.quantisation,
            removable=True,
            verdict=verdict(total * 1.3 / GIB),
        )
        self.host.models_now = (*self.host.models_now, info)
        self.host.board.touch(c.TOPIC_MODELS, c.ModelsFact())
        self.alter(id, state="done", done=total, total=total, rate=0.0, eta_s=None, path=path)
        return info
