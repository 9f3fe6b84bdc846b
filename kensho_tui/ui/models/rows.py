"""Models as rows: their state in a glyph, their verdict in words, their order. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from kensho_tui.core import contract as c
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.columns import Cell, Column
from kensho_tui.ui.lines import QUIET

NAME_LIMIT = 100
VERDICT_CELLS = 30
"""What a verdict needs to say its point: other columns go first."""
IN_CHAT = "in the chat"
FAVOURITE, PINNED = "★", "◆"
GREEN, AMBER, RED, ACCENT = "$success", "$warning", "$error", "$primary"
SOURCES = {
    "starter": "the starter",
    "folder": "the models folder",
    "extra": "one of your folders",
    "hub": "the Hugging Face cache",
    "ollama": "Ollama's folder",
    "lmstudio": "LM Studio's folder",
    "path": "a path by hand",
}

COLUMNS = (
    Column("name", least=16),
    Column("", rank=1),
    Column("quant", rank=4),
    Column("size", rank=2, right=True),
    Column("verdict", least=VERDICT_CELLS, grows=True),
    Column("speed", rank=3, right=True),
)


class Workers:
    """The workers of the host by the model they hold, and how far each load is."""

    def __init__(
        self, workers: Iterable[c.WorkerInfo] = (), shares: dict[str, float | None] | None = None
    ) -> None:
        self._by_model = {worker.model: worker for worker in workers}
        self._shares = shares or {}

    def of(self, model: str) -> c.WorkerInfo | None:
        return self._by_model.get(model)

    def share(self, model: str) -> float | None:
        return self._shares.get(model)


def name_of(model: c.ModelInfo) -> str:
    return one_line(model.name, NAME_LIMIT)


def mark(model: c.ModelInfo, worker: c.WorkerInfo | None) -> Cell:
    """``●`` resident, ``◉`` answering, ``◔`` on its way, ``○`` fits (at once or later), ``✗`` does not."""
    if model.problem:
        return Cell("✗", RED)
    if worker is not None:
        glyphs = {"ready": Cell("●", GREEN), "busy": Cell("◉", ACCENT)}
        return glyphs.get(worker.state, Cell("◔", ACCENT))
    kind = model.verdict.kind if model.verdict is not None else "unknown"
    if kind == "resident" or model.resident:
        return Cell("●", GREEN)
    return verdict_mark(model.verdict)


def verdict_mark(found: c.Verdict | None) -> Cell:
    """``✗`` where it is too large, else ``○``, in amber where another model has to go."""
    if found is not None and found.kind == "too large":
        return Cell("✗", RED)
    return Cell("○", AMBER if found is not None and found.kind == "after" else QUIET)


def flags(model: c.ModelInfo) -> str:
    return FAVOURITE * model.favourite + PINNED * model.pinned


def names(models: Sequence[str]) -> str:
    """``A``, ``A and B``, ``A and 2 more``."""
    shown = [one_line(name, NAME_LIMIT) for name in models]
    if len(shown) > 2:
        return f"{shown[0]} and {len(shown) - 1} more"
    return " and ".join(shown)


def verdict(model: c.ModelInfo, workers: Workers, answers: str = "") -> Cell:
    """What would happen if somebody chose it, in a few words. `answers` in the open chat already."""
    found = _verdict(model, workers)
    if model.name != answers:
        return found
    rest = found.text.removeprefix("resident · ")
    return Cell(f"{IN_CHAT} · {rest}" if rest else IN_CHAT, found.style)


def _verdict(model: c.ModelInfo, workers: Workers) -> Cell:
    if model.problem:
        return Cell(one_line(model.problem, 160), RED)
    worker = workers.of(model.name)
    if worker is not None:
        return _there(worker, model.pinned or worker.pinned, workers.share(model.name))
    found = model.verdict or c.Verdict(kind="unknown")
    if model.resident or found.kind == "resident":
        return Cell("resident · warm", GREEN)
    return judged(found, model.load_s)


def judged(found: c.Verdict, load_s: float = 0.0) -> Cell:
    """Whether what is not loaded would fit, in a few words; ``load_s``: what its load took (0: not known)."""
    if found.kind == "fits":
        return Cell(f"fits · {fmt.seconds(load_s)}" if load_s > 0 else "fits")
    if found.kind == "after":
        return Cell(f"fits after unloading {names(found.unload) or 'others'}", AMBER)
    if found.kind == "too large":
        then = remedy(found.remedies[0]) if found.remedies else f"{fmt.size(found.need)} needed"
        return Cell(f"{fmt.size(max(found.free, 0))} free · {then}", RED)
    return Cell(one_line(found.reason, 160))


_RANKS = {"resident": 0, "fits": 1, "after": 2, "too large": 3, "unknown": 4}


def verdict_rank(found: c.Verdict | None, problem: str = "") -> tuple[int, int]:
    """What can be used at once comes first, then what is smaller."""
    if problem:
        return len(_RANKS), 0
    return (_RANKS[found.kind], found.need) if found is not None else (_RANKS["unknown"], 0)


def remedy(found: c.Remedy) -> str:
    """``4,096 tokens fit``, ``q8_0 KV fits``: what would make it fit, in as few cells as a row has."""
    parts = []
    if found.context is not None:
        parts.append(f"{fmt.thousands(found.context)} tokens")
    if found.kv_type is not None:
        parts.append(f"{one_line(found.kv_type, 12)} KV")
    if found.gpu_layers is not None:
        parts.append(f"{found.gpu_layers} GPU layers")
    if not parts:
        return one_line(found.what, 80)
    many = found.kv_type is None or len(parts) > 1
    return f"{' + '.join(parts)} {'fit' if many else 'fits'}"


def _there(worker: c.WorkerInfo, pinned: bool, share: float | None) -> Cell:
    if worker.state == "closing":
        return Cell("unloading")
    if worker.state in ("starting", "loading"):
        return Cell(f"loading {fmt.percent(share)}" if share is not None else "loading", ACCENT)
    if worker.state == "busy":
        return Cell(f"resident · {'benchmark' if worker.bench else 'answering'}", ACCENT)
    return Cell("resident · pinned" if pinned else "resident · warm", GREEN)


def speed(model: c.ModelInfo) -> str:
    return fmt.speed(model.tok_s) if model.tok_s > 0 else ""


def used(model: c.ModelInfo, now: datetime) -> str:
    return fmt.ago(model.last_used, now) if model.last_used else ""


def searched(model: c.ModelInfo) -> str:
    """What the filter looks at besides the name."""
    words = (model.quantisation, model.architecture, *model.tags)
    return one_line(" ".join(word for word in words if word), 400)


def last_used_first(models: Iterable[c.ModelInfo], recent: Sequence[str]) -> list[c.ModelInfo]:
    """Chosen lately, then used lately, then favourites, then by name; what cannot be used comes last."""
    place = {name: at for at, name in enumerate(recent)}
    by_name = sorted(models, key=lambda model: (not model.favourite, model.name.casefold()))
    by_date = sorted(by_name, key=lambda model: model.last_used or "", reverse=True)
    return sorted(by_date, key=lambda model: (bool(model.problem), place.get(model.name, len(place))))


def model_row(model: c.ModelInfo, workers: Workers, answers: str, *more: Cell) -> Choice:
    """One model wherever models are listed; `answers` is the model of the open chat, `more` further cells."""
    glyph = mark(model, workers.of(model.name))
    return Choice(
        model.name,
        name_of(model),
        mark=glyph.text,
        mark_style=glyph.style,
        also=searched(model),
        cells=(
            Cell(flags(model), ACCENT),
            Cell(one_line(model.quantisation, 12)),
            Cell(fmt.size(model.size)),
            verdict(model, workers, answers),
            Cell(speed(model)),
            *more,
        ),
    )


def switch_rows(models: Iterable[c.ModelInfo], workers: Workers, answers: str = "") -> list[Choice]:
    """The switcher's rows, in the order given; `answers` is the model of the open chat."""
    return [model_row(model, workers, answers) for model in models]


def first_other(models: Iterable[c.ModelInfo], current: str | None) -> str:
    """The first that can be switched to and is not `current`, else that: two keys go back and forth."""
    return next(
        (model.name for model in models if model.name != current and not model.problem), current or ""
    )
