"""Repositories of the hub and their files as rows, and their numbers in words. Pure.

What the hub says is anybody's text: nothing of it comes to the screen but through `one_line`, and cut.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from kensho_tui.core import contract as c
from kensho_tui.core import hub_contract as h
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.columns import Cell, Column
from kensho_tui.ui.models.rows import (
    ACCENT,
    AMBER,
    FAVOURITE,
    GREEN,
    RED,
    judged,
    remedy,
    verdict_mark,
    verdict_rank,
)
from kensho_tui.ui.table import Listing, Sort

HERE, COMING, ENDED = "✓", "↓", "‖"
"""On this machine; on its way; its download waits for somebody to go on with it."""
TITLE_LIMIT, REPO_LIMIT, WORD_LIMIT = 60, 100, 24
VERDICT_LEAST = 17
SUITS = "what suits"
"""As the host lists them, the best for this machine first: the one sort without a column."""

CURATED = Listing(
    (
        Column("name", least=14),
        Column("", rank=5),
        Column("for", rank=4, least=10),
        Column("params", rank=3, right=True),
        Column("quant", rank=4),
        Column("size", rank=1, right=True),
        Column("verdict", least=VERDICT_LEAST, grows=True),
    ),
    {
        SUITS: lambda pair: -pair[0],
        "size": lambda pair: (pair[1].size, pair[0]),
        "for": lambda pair: (pair[1].role.casefold(), pair[0]),
        "name": lambda pair: title(pair[1]).casefold(),
        "params": lambda pair: pair[1].parameters,
        "verdict": lambda pair: verdict_rank(pair[1].verdict),
    },
    frozenset({SUITS}),
)
"""Items are repositories with their place in the list."""
FOUND = Listing(
    (
        Column("repository", least=26),
        Column("", rank=2),
        Column("params", rank=4, right=True),
        Column("quant", rank=6),
        Column("size", rank=3, right=True),
        Column("verdict", rank=1, least=VERDICT_LEAST, grows=True),
        Column("downloads", right=True),
        Column("likes", rank=5, right=True),
        Column("updated", rank=7, right=True),
    ),
    # The hub sorts them; they are kept as they came.
    {**dict.fromkeys(("downloads", "likes", "updated"), lambda pair: -pair[0]), "size": lambda pair: pair[0]},
    frozenset({"downloads", "likes", "updated"}),
)
FILES = Listing(
    (
        Column("quant", least=10),
        Column("", rank=3),
        Column("bits", rank=2, right=True),
        Column("size", right=True),
        Column("verdict", least=VERDICT_LEAST, grows=True),
        Column("", rank=1),
        Column("file", rank=4, least=20),
    ),
    {
        "size": lambda file: file.size,
        "quant": lambda file: file.quantisation.casefold(),
        "bits": lambda file: file.bits,
        "verdict": lambda file: verdict_rank(file.verdict, file.problem),
        "file": lambda file: file.file.casefold(),
    },
)


@dataclass(frozen=True)
class Here:
    """What of the hub is on this machine, or on its way. ``models``: names; ``downloads``: by their id.

    ``begun``: the id of the download that was begun here for a repository's file. ``coming``: repositories
    of which something is on its way, and the share of it that is here.
    """

    models: frozenset[str] = frozenset()
    downloads: Mapping[str, h.Download] = field(default_factory=dict)
    begun: Mapping[tuple[str, str], str] = field(default_factory=dict)
    coming: Mapping[str, float] = field(default_factory=dict)

    def download(self, repo: str, file: h.HubFile) -> h.Download | None:
        return self.downloads.get(self.begun.get((repo, file.file), file.download))

    def model(self, repo: str, file: h.HubFile) -> str:
        """The name of the model that this file is here; empty: it is not here."""
        if file.installed in self.models:
            return file.installed
        found = self.download(repo, file)
        return (
            found.model if found is not None and found.state == "done" and found.model in self.models else ""
        )

    def models_of(self, repo: h.HubRepo) -> list[str]:
        """The names of the models from this repository."""
        return [name for name in repo.installed if name in self.models]


def here_now(
    models: Iterable[str], downloads: Iterable[h.Download], begun: Mapping[tuple[str, str], str]
) -> Here:
    """Of downloads only what is shown in the hub, so that it is the same while that is."""
    still = {one.id: _still(one) for one in downloads}
    coming = {one.origin: one.fraction or 0.0 for one in still.values() if one.active}
    return Here(frozenset(models), still, dict(begun), coming)


def _still(download: h.Download) -> h.Download:
    """In whole per cent, and without how fast it is."""
    share = fmt.whole_percent(download.fraction or 0.0)
    return replace(download, done=share, total=100, rate=0.0, eta_s=None, quiet_s=0.0, wait_s=0.0)


# --- words ----------------------------------------------------------------------------------------------


def count(number: int) -> str:
    """``321``, ``9.8 k``, ``1.2 M``: how often something happened."""
    for unit, many in (("G", 10**9), ("M", 10**6), ("k", 1000)):
        if number >= many:
            value = number / many
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return str(number) if number > 0 else ""


def parameters(number: int) -> str:
    """``4.0 B``, ``270 M``: how large a model is."""
    if number <= 0:
        return ""
    if number >= 0.95 * 10**9:
        value = number / 10**9
        return f"{value:.1f} B" if value < 100 else f"{value:.0f} B"
    return f"{number / 10**6:.0f} M" if number >= 10**6 else f"{number / 1000:.0f} k"


def title(repo: h.HubRepo) -> str:
    return one_line(repo.title, TITLE_LIMIT) or one_line(repo.repo, REPO_LIMIT)


def size(repo: h.HubRepo) -> str:
    """With ``≈`` where no file was looked at."""
    if repo.size <= 0:
        return ""
    return f"{'≈ ' if repo.about else ''}{fmt.size(repo.size)}"


def access(repo: h.HubRepo) -> str:
    """Why not everybody gets it; empty: everybody does."""
    return "gated" if repo.gated else "private" if repo.private else ""


# --- rows -----------------------------------------------------------------------------------------------


def repo_mark(repo: h.HubRepo, here: Here) -> Cell:
    if here.models_of(repo):
        return Cell(HERE, GREEN)
    if repo.repo in here.coming:
        return Cell(COMING, ACCENT)
    return verdict_mark(repo.verdict)


def verdict(found: c.Verdict | None) -> Cell:
    """As short as a row of the hub has room for."""
    if found is None:
        return Cell("")
    if found.kind != "too large":
        return judged(found)
    if found.remedies:
        return Cell(remedy(found.remedies[0]), AMBER)
    return Cell(f"needs {fmt.of(found.need, max(found.free, 0))}", RED)


def chance(repo: h.HubRepo, here: Here) -> Cell:
    """How far it is while something of it is on its way, else whether it fits."""
    if repo.repo in here.coming and not here.models_of(repo):
        return Cell(downloading(here.coming[repo.repo]), ACCENT)
    return verdict(repo.verdict)


def downloading(share: float) -> str:
    """Of a share as `Here` has it: in whole per cent."""
    return f"downloading {round(share * 100)} %"


def curated_rows(repos: Iterable[h.HubRepo], here: Here, sort: Sort) -> list[Choice]:
    rows = []
    for _, repo in CURATED.ordered(enumerate(repos), sort):
        mark = repo_mark(repo, here)
        cells = (
            Cell(access(repo), AMBER),
            Cell(one_line(repo.role, WORD_LIMIT)),
            Cell(parameters(repo.parameters)),
            Cell(one_line(repo.quantisation, 12)),
            Cell(size(repo)),
            chance(repo, here),
        )
        rows.append(Choice(repo.repo, title(repo), mark=mark.text, mark_style=mark.style, cells=cells))
    return rows


def found_rows(repos: Iterable[h.HubRepo], here: Here, sort: Sort, now: datetime) -> list[Choice]:
    rows = []
    for _, repo in FOUND.ordered(enumerate(repos), sort):
        mark = repo_mark(repo, here)
        cells = (
            Cell(access(repo), AMBER),
            Cell(parameters(repo.parameters)),
            Cell(one_line(repo.quantisation, 12)),
            Cell(size(repo)),
            chance(repo, here),
            Cell(count(repo.downloads)),
            Cell(count(repo.likes)),
            Cell(fmt.ago(repo.updated, now) if repo.updated else ""),
        )
        label = one_line(repo.repo, REPO_LIMIT)
        rows.append(Choice(repo.repo, label, mark=mark.text, mark_style=mark.style, cells=cells))
    return rows


def file_state(repo: str, file: h.HubFile, here: Here) -> tuple[Cell, str]:
    """A file's mark, and what is said of it being here; empty: it is not."""
    if here.model(repo, file):
        return Cell(HERE, GREEN), "installed"
    found = here.download(repo, file)
    if found is not None and found.active:
        return Cell(COMING, ACCENT), downloading(found.fraction or 0.0)
    if found is not None and found.state == "failed":
        return Cell("✗", RED), "failed"
    if found is not None and found.state in ("paused", "cancelled"):
        return Cell(ENDED, AMBER), str(found.state)
    return (Cell("✗", RED) if file.problem else verdict_mark(file.verdict)), ""


def file_rows(repo: str, files: Iterable[h.HubFile], here: Here, sort: Sort) -> list[Choice]:
    listed = FILES.ordered(files, sort)
    quants = Counter(file.quantisation for file in listed)
    rows = []
    for file in listed:
        mark, said = file_state(repo, file, here)
        name = one_line(file.file, REPO_LIMIT)
        # Files of one quantisation are told apart by their names.
        alone = bool(file.quantisation) and quants[file.quantisation] == 1
        cells = (
            Cell(FAVOURITE if file.recommended else "", ACCENT),
            Cell(f"{file.bits:.1f}" if file.bits > 0 else ""),
            Cell(fmt.size(file.size) if file.size > 0 else ""),
            Cell(one_line(file.problem, 160), RED) if file.problem else verdict(file.verdict),
            Cell(said, mark.style),
            Cell(name if alone else ""),
        )
        label = one_line(file.quantisation, 16) if alone else name
        rows.append(Choice(file.file, label, mark=mark.text, mark_style=mark.style, cells=cells))
    return rows
