"""What is said of the highlighted model: its memory by terms, what would make it fit, its facts."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from kensho_tui.core import contract as c
from kensho_tui.core.model_contract import Defaults, Details, Fit
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import key_row, quiet
from kensho_tui.ui.models import memory_bar
from kensho_tui.ui.models.rows import SOURCES, Workers, flags, mark, name_of, speed, verdict

SIDE_BY_SIDE = 72
"""Columns of the pane from which on memory and facts stand side by side."""
BAR_CELLS, LEFT_CELLS, MOST_LEFT = 44, 38, 42
MAX_FACTS, FACT_NAME = 40, 14
TRY_KEYS = (("[ ]", "context"), ("k", "KV type"), ("x", "exact"))
SAME_KV = 0.1
"""Estimates of a KV cache are that good; another type differs by more."""
HEADING = "$foreground 80%"


class Seen(NamedTuple):
    """All that is known of one model now. ``fit``: with what is tried, else as it would be loaded."""

    info: c.ModelInfo
    workers: Workers
    details: Details | None = None
    fit: Fit | None = None
    asking: bool = False
    problem: str = ""

    @property
    def usual(self) -> Fit | None:
        """As it would be loaded next."""
        return self.details.fit if self.details is not None else None

    @property
    def loaded(self) -> c.WorkerInfo | None:
        """The worker that holds it, when that and nothing else is what the figures are of."""
        worker = self.workers.of(self.info.name)
        measured = worker is not None and worker.footprint is not None
        return worker if measured and self.fit in (None, self.usual) else None

    @property
    def loaded_otherwise(self) -> bool:
        """Whether it is loaded with another context or KV cache than it would be now."""
        worker, fit = self.loaded, self.usual
        if worker is None or worker.footprint is None or fit is None:
            return False
        kv = fit.footprint.kv
        other = abs(worker.footprint.kv - kv) > kv * SAME_KV
        return other or worker.context not in (0, fit.context)

    @property
    def footprint(self) -> c.Footprint | None:
        """What it takes: measured where it is loaded, unless something else is tried."""
        if self.loaded is not None:
            return self.loaded.footprint
        found = self.fit or self.usual
        return found.footprint if found is not None else None


def content(seen: Seen, width: int, tall: bool) -> Content:
    """The pane's text for `width` cells: facts beside the memory where there is room, else below it."""
    beside = width >= SIDE_BY_SIDE and not tall
    head, memory = _head(seen), _memory(seen, LEFT_CELLS if beside else min(width, BAR_CELLS))
    beside = beside and bool(memory)
    left = min(max(line.cell_length for line in memory) + 3, MOST_LEFT) if beside else 0
    facts = [line for fact in _facts(seen) for line in _hanging(*fact, width - left)]
    body = _beside(memory, [Content(), *facts], left, width) if beside else [*memory, Content(), *facts]
    return Content("\n").join([*(line.truncate(width, ellipsis=True) for line in head), *body])


def _beside(left: Sequence[Content], right: Sequence[Content], at: int, width: int) -> list[Content]:
    rows = []
    for number in range(max(len(left), len(right))):
        one = left[number] if number < len(left) else Content()
        other = right[number] if number < len(right) else Content()
        one = one.truncate(at - 2, ellipsis=True)
        pad = " " * (at - one.cell_length)
        rows.append(Content.assemble(one, pad, other.truncate(max(width - at, 0), ellipsis=True)))
    return rows


def _head(seen: Seen) -> list[Content]:
    info = seen.info
    if info.problem or seen.problem:
        said = Content.styled(f"✗ {one_line(info.problem or seen.problem, 300)}", "$error")
    else:
        judged = seen.fit.verdict if seen.fit is not None else info.verdict
        glyph = mark(info, seen.workers.of(info.name))
        words = verdict(info, seen.workers)
        reason = one_line(judged.reason, 200) if judged is not None else ""
        said = Content.assemble((f"{glyph.text} ", glyph.style), reason or words.text)
    more = [
        word for word in (flags(info), *(f"#{one_line(tag, 32)}" for tag in info.tags), speed(info)) if word
    ]
    return [Content.assemble((name_of(info), "bold"), quiet("  " + "  ".join(more) if more else "")), said]


# --- memory ---------------------------------------------------------------------------------------------


def _memory(seen: Seen, width: int) -> list[Content]:
    footprint, fit = seen.footprint, seen.fit
    if footprint is None:
        return [Content(), quiet("◌ asking …")] if seen.asking else []
    found = fit.verdict if fit is not None else seen.info.verdict
    free = found.free if found is not None else 0
    resident = found is not None and found.kind == "resident"
    room = free + footprint.total if resident else free
    over = "$warning" if found is not None and found.kind == "after" else "$error"
    lines = [
        Content(),
        Content.assemble(
            (found.memory if found is not None else "memory", HEADING),
            quiet(f" · {footprint.source}{', as it is loaded' if seen.loaded_otherwise else ''}"),
        ),
        memory_bar.bar(footprint, room, width, over),
        *memory_bar.legend(footprint, _kv_note(seen)),
        _together(footprint, free, resident),
    ]
    if fit is None:
        return lines
    if fit.others > 0 and fit.memory > 0:
        used = f"{fmt.size(fit.others)} of {fmt.size(fit.memory)}"
        lines.append(quiet(f"  other programs use {used}"))
    return [*lines, *_limits(seen, fit)]


def _kv_note(seen: Seen) -> str:
    """What the KV cache's size is for. Of which type that of a loaded model is, nobody says."""
    fit, worker = seen.fit, seen.loaded
    if seen.loaded_otherwise and worker is not None:
        return f"{fmt.thousands(worker.context)} tokens" if worker.context else ""
    return f"{fmt.thousands(fit.context)} tokens · {one_line(fit.kv_type, 12)}" if fit is not None else ""


def _together(footprint: c.Footprint, free: int, resident: bool) -> Content:
    of = f"  {fmt.size(free)} more are free" if resident else f"  of {fmt.size(max(free, 0))} free"
    return Content.assemble("= ", f"{'together':<9}", (f"{fmt.size(footprint.total):>7}", "bold"), quiet(of))


def _limits(seen: Seen, fit: Fit) -> list[Content]:
    most = f"{fmt.thousands(fit.max_context)} tokens fit at most" if fit.max_context else "no context fits"
    if fit.max_context >= seen.info.context > 0:
        most = f"{fmt.thousands(seen.info.context)} tokens fit: its whole context"
    lines = [Content(), Content.assemble(most, quiet("  ◌") if seen.asking else "")]
    if seen.loaded_otherwise:
        kept = f"{fmt.thousands(fit.context)} tokens · {one_line(fit.kv_type, 12)}"
        lines.append(Content.assemble("next load ", quiet(f"{kept} · {fmt.size(fit.footprint.total)}")))
    usual = seen.usual
    if usual is not None and (fit.context, fit.kv_type) != (usual.context, usual.kv_type):
        lines.append(Content.assemble(("w", "bold"), quiet(" makes that its default")))
    lines.append(key_row(TRY_KEYS, BAR_CELLS))
    if fit.verdict.remedies:
        lines.append(Content.styled("It would fit with", HEADING))
        lines += [quiet(f"  {one_line(remedy.what, 120)}") for remedy in fit.verdict.remedies]
    if fit.kensho:
        lines.append(quiet(f"(parameters × bits / 8) × 1.2 = {fmt.size(fit.kensho)}"))
    return lines


# --- facts ----------------------------------------------------------------------------------------------


def _facts(seen: Seen) -> list[tuple[str, str]]:
    info = seen.info
    facts = dict(seen.details.facts) if seen.details is not None else {}
    if not facts and not info.problem:
        facts = {"Architecture": info.architecture, "Quantisation": info.quantisation}
    own = {
        "Defaults": in_words(seen.details.defaults) if seen.details is not None else "",
        "Loads in": fmt.seconds(info.load_s) if info.load_s > 0 else "",
        "From": SOURCES.get(info.source, "") + ("" if info.removable else ", only read"),
        "File": f"{fmt.size(info.size)}  {one_line(_short_path(info.path), 300)}",
    }
    told = [(one_line(name, FACT_NAME - 1), one_line(text, 300)) for name, text in facts.items()]
    return [(name, text) for name, text in [*told[:MAX_FACTS], *own.items()] if text]


def _short_path(path: str) -> str:
    home = str(Path.home())
    return f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path


def _fact(name: str, text: str) -> Content:
    return Content.assemble(quiet(f"{name:<{FACT_NAME}}"), text)


def _hanging(name: str, text: str, width: int) -> list[Content]:
    """A fact on as many lines as it needs, the text under itself."""
    first, *rest = Content(text).wrap(max(width - FACT_NAME, 12)) or [Content()]
    return [_fact(name, first.plain), *(_fact("", line.plain) for line in rest)]


def in_words(defaults: Defaults) -> str:
    """What is set, in a line: ``context 4 096 · q8_0 KV · temperature 0.2``; empty when nothing is."""
    words = []
    if defaults.context is not None:
        words.append(f"context {fmt.thousands(defaults.context)}")
    if defaults.kv_type is not None:
        words.append(f"{defaults.kv_type} KV")
    if defaults.gpu_layers is not None:
        words.append(f"{'all' if defaults.gpu_layers < 0 else defaults.gpu_layers} layers on the GPU")
    for name in ("temperature", "top_k", "top_p", "min_p"):
        value = getattr(defaults, name)
        if value is not None:
            words.append(f"{name.replace('_', ' ')} {value:g}")
    if defaults.max_tokens is not None:
        words.append(f"answers up to {fmt.thousands(defaults.max_tokens)}")
    words += ["a system prompt"] * bool(defaults.system) + ["a template of its own"] * bool(defaults.template)
    return " · ".join(words)


class DetailsPane(VerticalScroll, can_focus=False):
    """The text, made anew when the model or the width changes."""

    def __init__(self) -> None:
        super().__init__(id="details")
        self._text = Static(id="details-text")
        self._seen: Seen | None = None

    def compose(self) -> ComposeResult:
        yield self._text

    def show(self, seen: Seen | None, *, top: bool = False) -> None:
        """What is known of the highlighted model; None: no row is highlighted. `top`: it is another one."""
        self._seen = seen
        self._draw()
        if top:
            self.scroll_home(animate=False)

    def page(self) -> None:
        """A page further; from the end back to the top."""
        if self.scroll_offset.y >= self.max_scroll_y:
            self.scroll_home(animate=False)
        else:
            self.scroll_page_down(animate=False)

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width = self.scrollable_content_region.width
        if not self.is_mounted or width <= 0:
            return
        tall = self.size.height > self.size.width // 3
        self._text.update(content(self._seen, width, tall) if self._seen is not None else "")
