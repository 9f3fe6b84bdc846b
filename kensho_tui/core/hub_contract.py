"""The front link's methods about the hub and downloads. Units as in `core.contract`.

Nothing here asks the network but `SEARCH_HUB` with words to search for, `HUB_FILES`, `HUB_DETAILS`, and
downloads that a person started.
"""

from typing import Literal

from msgspec import Struct

from kensho_tui.core.contract import Empty, Method, Verdict
from kensho_tui.core.model_contract import Fit

HubSort = Literal["downloads", "likes", "updated", "size"]
DownloadState = Literal["queued", "running", "waiting", "checking", "paused", "failed", "cancelled", "done"]
DownloadAction = Literal["pause", "resume", "cancel", "remove", "seen"]


# --- the hub ----------------------------------------------------------------------------------------


class SearchHub(Struct, frozen=True, kw_only=True):
    """Repositories with GGUF files whose name has ``query``; empty: the curated list, without the network."""

    query: str = ""
    sort: HubSort = "downloads"
    limit: int = 50


class HubRepo(Struct, frozen=True, kw_only=True):
    """A repository as it is listed; 0, None or empty where the hub does not say.

    ``parameters`` is a count. ``quantisation``, ``size`` and ``verdict`` are of the file recommended here;
    where ``about`` they are reckoned from the parameters alone, because no file was looked at. ``title``,
    ``role`` and ``summary`` (one line) are the curated list's words. ``installed`` names models of this
    machine that came from here.
    """

    repo: str
    title: str = ""
    role: str = ""
    summary: str = ""
    downloads: int = 0
    likes: int = 0
    updated: str | None = None
    gated: bool = False
    private: bool = False
    architecture: str = ""
    context: int = 0
    parameters: int = 0
    licence: str = ""
    quantisation: str = ""
    size: int = 0
    verdict: Verdict | None = None
    about: bool = False
    installed: tuple[str, ...] = ()


class HubRepos(Struct, frozen=True, kw_only=True):
    """``curated``: the list that comes with the program. ``more``: there are more than were asked for."""

    repos: tuple[HubRepo, ...]
    curated: bool = False
    more: bool = False


class RepoRef(Struct, frozen=True, kw_only=True):
    """``repo`` as ``owner/name``; ``revision`` None: its main branch."""

    repo: str
    revision: str | None = None


class HubFile(Struct, frozen=True, kw_only=True):
    """One model of a repository: a GGUF file, or the first of ``parts``.

    ``size`` is that of all parts, ``bits`` are bits per weight. ``exact``: the verdict is from this file's
    own header, else from that of another file of the repository. ``installed`` is its name where it is on
    this machine, ``download`` the id of its download where there is one. ``problem``: why it cannot be used.
    """

    file: str
    name: str
    size: int
    parts: int = 1
    quantisation: str = ""
    bits: float = 0.0
    verdict: Verdict | None = None
    exact: bool = False
    recommended: bool = False
    installed: str = ""
    download: str = ""
    problem: str = ""


class HubFiles(Struct, frozen=True, kw_only=True):
    """A repository's models, the smallest first. ``revision`` is the commit they were listed at.

    ``note`` says what a person should know: that a header could not be read, and so what verdicts rest on.
    """

    repo: HubRepo
    revision: str
    files: tuple[HubFile, ...]
    note: str = ""


class HubFileRef(Struct, frozen=True, kw_only=True):
    repo: str
    file: str
    revision: str | None = None


class HubDetails(Struct, frozen=True, kw_only=True):
    """What the header of a file says, read without downloading the file; the verdict is exact."""

    file: HubFile
    facts: dict[str, str]
    fit: Fit | None = None


# --- downloads --------------------------------------------------------------------------------------


class Download(Struct, frozen=True, kw_only=True):
    """A model on its way here. ``model`` is the name it has or will have, ``origin`` where it comes from.

    ``done`` of ``total`` bytes never goes back, but where ``note`` says that the file changed and is fetched
    again (``total`` 0: not known). ``rate`` is in bytes per second, ``eta_s`` None where it is not known.
    ``quiet_s``: seconds since the last byte. ``wait_s``: until the next try, while it is "waiting".
    ``error`` and ``hint`` say why it "failed"; what was fetched is kept unless they say otherwise.
    ``path`` is the model's file once it is "done"; ``seen``: a person knows of that, or has used it.
    """

    id: str
    model: str
    origin: str
    state: DownloadState
    done: int
    total: int
    quantisation: str = ""
    parts: int = 1
    part: int = 1
    rate: float = 0.0
    eta_s: float | None = None
    quiet_s: float = 0.0
    wait_s: float = 0.0
    note: str = ""
    error: str = ""
    hint: str = ""
    code: str = ""
    path: str = ""
    seen: bool = False
    added: str = ""

    @property
    def active(self) -> bool:
        """Whether it goes on by itself."""
        return self.state in ("queued", "running", "waiting", "checking")

    @property
    def fraction(self) -> float | None:
        return min(self.done / self.total, 1.0) if self.total > 0 else None


class StartDownload(Struct, frozen=True, kw_only=True):
    """``what`` as a person names it: ``owner/repo``, ``owner/repo:QUANT``, ``owner/repo/file.gguf``, an
    address, ``ollama:name:tag``, or an absolute path of a file here.

    One that is known already is resumed, or told as it is.
    """

    what: str
    revision: str | None = None


class ChangeDownload(Struct, frozen=True, kw_only=True):
    """ "pause" keeps it for later, "resume" goes on with a paused, failed or cancelled one, "cancel" ends it
    (its bytes stay until it is removed, so that it can be undone), "remove" forgets an ended one with them,
    "seen" is of one that is done: it is no news any more, in no front end.
    """

    id: str
    action: DownloadAction


class Downloads(Struct, frozen=True):
    """Topic ``downloads``, and the reply to ``downloads.list``: oldest first."""

    downloads: tuple[Download, ...] = ()


SEARCH_HUB = Method("hub.search", SearchHub, HubRepos)
HUB_FILES = Method("hub.files", RepoRef, HubFiles)
HUB_DETAILS = Method("hub.details", HubFileRef, HubDetails)
START_DOWNLOAD = Method("downloads.start", StartDownload, Download)
CHANGE_DOWNLOAD = Method("downloads.change", ChangeDownload, Download)
LIST_DOWNLOADS = Method("downloads.list", Empty, Downloads)

TOPIC_DOWNLOADS = "downloads"
