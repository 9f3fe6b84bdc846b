"""The status bar: the model and its state, what it uses, and what should be known."""

from typing import TYPE_CHECKING, NamedTuple, cast

from rich.cells import cell_len
from textual.content import Content

from kensho_tui.core import contract as c
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import QUIET, SplitLine, fitting, quiet
from kensho_tui.ui.session import Session

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp

SEPARATOR = " ▪ "
NOTICE_SHARE = 0.4
LEAST_NOTICE, LEAST_WORDS = 20, 8
WIDE = 96
MODEL_CELLS, LEAST_MODEL_CELLS = 40, 12
OFFER_CELLS, LEAST_OFFER_CELLS = 24, 6
BENCH_CELLS = 24
STARTING_CELLS = 60


class Numbers(NamedTuple):
    """What the last or the running answer measured; 0 where it is not known. ``cached``: given again."""

    used: int = 0
    ttft_s: float = 0.0
    tok_s: float = 0.0
    cached: bool = False


def numbers(session: Session) -> Numbers:
    """Of the running answer once it has tokens, else of the last one measured: both of the model named."""
    messages = session.chat.messages if session.chat is not None else ()
    own = [message for message in messages if message.model in (None, session.model)]
    for message in own:
        live = session.live.get(message.id)
        if live is not None and live.piece is not None and live.piece.tokens:
            used = live.piece.prompt_tokens + live.piece.tokens
            return Numbers(used, tok_s=live.tok_s(session.clock()))
    for message in reversed(own):
        if message.usage is not None and message.usage.completion_tokens:
            timings = message.timings or c.Timings()
            used = message.usage.prompt_tokens + message.usage.completion_tokens
            return Numbers(used, timings.ttft_s, timings.decode_tok_s, message.cached)
    return Numbers()


_LINKS = {
    "connecting": ("◌ connecting", QUIET),
    "reconnecting": ("◌ reconnecting · what was said is kept", "$warning"),
    "refused": ("✗ no host", "$error"),
}


def _link(session: Session) -> Content:
    doing = session.host.starting
    return quiet(f"◌ {one_line(doing, STARTING_CELLS)}") if doing else Content.styled(*_LINKS[session.link])


def model_part(session: Session, stops: str, cells: int = MODEL_CELLS) -> Content:
    """The model (its name in so many cells) and its state in one glyph, with what it does while it is not
    just there.

    `stops`: the key that would end its load now; empty: none would.
    """
    if session.link in _LINKS:
        return _link(session)
    if session.model is None:
        return Content.styled("○ no model", "$warning")
    name = one_line(session.model, cells)
    progress = session.progress
    if progress is not None:
        load = f" {progress.text()}{f' · {stops}' if stops else ''}"
        return Content.assemble(("◔ ", "$primary"), name, quiet(load))
    worker = session.worker
    if worker is None:
        return quiet(f"○ {name} · cold")
    if worker.state == "closing":
        return Content.assemble(("◔ ", "$primary"), name, quiet(" unloading"))
    glyph = ("● ", "$success") if worker.state == "ready" else ("◉ ", "$primary")
    return Content.assemble(glyph, name)


def tray_parts(session: Session, key: str, cells: int = OFFER_CELLS) -> list[tuple[int, Content]]:
    """Downloads under way, and what has arrived (its name in so many cells): `key` uses it. Not while nobody
    knows how they stand."""
    if not session.downloads or session.link != "connected":
        return []
    from kensho_tui.ui import tray

    arrived = session.arrived
    shown = [(1, tray.tray(session.downloads, session.arrivals))]
    if arrived is not None:
        shown.append((2, tray.offer(arrived, key, cells)))
    return [part for part in shown if part[1]]


def fitting_parts(session: Session, width: int, room: int, stops: str, key: str) -> list[Content]:
    """What of all there is to say fits into `room` cells of a row of `width`.

    A long name gives way before it takes the place of a download or of what has arrived: that of the model
    first, then that of what has arrived.
    """
    tray, model = tray_parts(session, key), model_part(session, stops)
    over = _over([model, *(part for _, part in tray)], room)
    if tray and over > 0:
        model = model_part(session, stops, max(_name_cells(session) - over, LEAST_MODEL_CELLS))
        over = _over([model, *(part for _, part in tray)], room)
    arrived = session.arrived
    if arrived is not None and over > 0:
        cells = min(cell_len(one_line(arrived.model, OFFER_CELLS)), OFFER_CELLS)
        tray = tray_parts(session, key, max(cells - over, LEAST_OFFER_CELLS))
    return fitting([(0, model), *parts(session, width), *tray], room, len(SEPARATOR))


def _over(shown: list[Content], room: int) -> int:
    """How many cells more they would need."""
    return sum(part.cell_length for part in shown) + len(SEPARATOR) * (len(shown) - 1) - room


def _name_cells(session: Session) -> int:
    return cell_len(one_line(session.model or "", MODEL_CELLS))


def parts(session: Session, width: int) -> list[tuple[int, Content]]:
    """What is known in figures, each with its rank; where the row is short the highest are left out."""
    found = numbers(session)
    worker, bench = session.worker, session.bench
    shown: list[tuple[int, Content]] = []
    if bench is not None and session.link == "connected":
        shown.append((1, quiet(fmt.benchmark(bench, BENCH_CELLS if width >= WIDE else 0))))
    if worker is not None and worker.context and found.used:
        used = found.used / worker.context
        drawn = f"{fmt.bar(used, 7)} " if width >= WIDE else ""
        shown.append((4, quiet(f"ctx {drawn}{fmt.percent(used)}")))
    if found.ttft_s:
        shown.append((6, quiet(f"TTFT {fmt.seconds(found.ttft_s)}")))
    if found.cached:  # no speed has a meaning then; the label in the transcript may be scrolled away
        shown.append((3, quiet("cached")))
    elif found.tok_s:
        shown.append((3, quiet(fmt.speed(found.tok_s))))
    memory = session.status.memory if session.status is not None else None
    if memory is not None and memory.total:
        shown.append((5, quiet(f"{memory.kind} {fmt.gigabytes(memory.used, memory.total)}")))
    return shown


def notices(session: Session, problems: tuple[str, ...]) -> list[str]:
    """What should be known: of the host, of this terminal's environment, of the settings."""
    found = [one_line(notice, 300) for notice in (session.status.notices if session.status else ())]
    if session.host.differs:
        names = ", ".join(session.host.differs)
        found.append(f"the host runs with other settings ({names}): /restart applies yours")
    found += [one_line(problem, 300) for problem in problems]
    return list(dict.fromkeys(found))  # host and app read the same settings


def _notice(said: list[str], cells: int, key: str) -> Content:
    """The first of what should be known; the `key` that shows all of it alone where there is no room for
    words."""
    more = f" (+{len(said) - 1} · {key})" if len(said) > 1 else f" · {key}"
    room = cells - len(more) - 2
    text = f"! {one_line(said[0], room)}{more}" if room >= LEAST_WORDS else f"! {key}"
    return Content.styled(text, "$warning")


def _least(session: Session, stops: str, key: str) -> int:
    """The cells that downloads and what has arrived need beside the model's name; 0: there are none."""
    tray = [part for _, part in tray_parts(session, key, LEAST_OFFER_CELLS)]
    model = model_part(session, stops, LEAST_MODEL_CELLS)
    return sum(part.cell_length + len(SEPARATOR) for part in tray) + model.cell_length if tray else 0


class StatusBar(SplitLine):
    """One row at the bottom of every screen."""

    _seen: tuple[Session, tuple[str, ...], str] | None = None

    def renew(self) -> None:
        """Draw it again as it is now, if it was drawn before."""
        if self._seen is not None:
            session, problems, stops = self._seen
            self.update(session, problems, stops=stops)

    def update(self, session: Session, problems: tuple[str, ...] = (), *, stops: str = "") -> None:
        """`stops`: the key that would end the load of the model now; empty: none would."""
        self._seen = session, problems, stops
        said = notices(session, problems)
        width = max(self.content_size.width, 1)
        label = cast("KenshoApp", self.app).key_label
        key = label("use")
        notice = Content()
        if said:
            room = max(int(width * NOTICE_SHARE), LEAST_NOTICE)
            notice = _notice(said, min(room, width - 2 - _least(session, stops, key)), label("help"))
        room = width - notice.cell_length - (2 if said else 0)
        left = fitting_parts(session, width, room, stops, key)
        self.show(Content(SEPARATOR).stylize("$foreground 25%").join(left), notice)
