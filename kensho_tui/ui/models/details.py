"""What is said of a model of this machine: its memory by terms, what would make it fit, its facts."""

from pathlib import Path
from typing import NamedTuple

from textual.content import Content

from kensho_tui.core import contract as c
from kensho_tui.core.model_contract import Defaults, Details, Fit
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.lines import key_row, quiet
from kensho_tui.ui.models import sheet
from kensho_tui.ui.models.rows import SOURCES, Workers, flags, mark, name_of, speed, verdict

TRY_KEYS = (("[ ]", "context"), ("k", "KV type"), ("x", "exact"))
SAME_KV = 0.1
"""Estimates of a KV cache are that good; another type differs by more."""


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

    def head(self) -> list[Content]:
        """The name with its flags; the verdict."""
        info = self.info
        if info.problem or self.problem:
            said = Content.styled(f"✗ {one_line(info.problem or self.problem, 300)}", "$error")
        else:
            judged = self.fit.verdict if self.fit is not None else info.verdict
            glyph = mark(info, self.workers.of(info.name))
            words = verdict(info, self.workers)
            reason = one_line(judged.reason, 200) if judged is not None else ""
            said = Content.assemble((f"{glyph.text} ", glyph.style), reason or words.text)
        tags = [f"#{one_line(tag, 32)}" for tag in info.tags]
        more = [word for word in (flags(info), *tags, speed(info)) if word]
        return [
            Content.assemble((name_of(info), "bold"), quiet("  " + "  ".join(more) if more else "")),
            said,
        ]

    def memory(self, width: int) -> list[Content]:
        """As `sheet.memory`, then what fits and what would make it fit."""
        footprint, fit = self.footprint, self.fit
        if footprint is None:
            return [Content(), quiet("◌ asking …")] if self.asking else []
        found = fit.verdict if fit is not None else self.info.verdict
        note = ", as it is loaded" if self.loaded_otherwise else ""
        lines = sheet.memory(sheet.Taken(footprint, found, fit, note, self._kv_note()), width)
        return lines if fit is None else [*lines, *self._limits(fit)]

    def _kv_note(self) -> str:
        """What the KV cache's size is for. Of which type that of a loaded model is, nobody says."""
        worker = self.loaded
        if self.loaded_otherwise and worker is not None:
            return f"{fmt.thousands(worker.context)} tokens" if worker.context else ""
        return sheet.kv_words(self.fit) if self.fit is not None else ""

    def _limits(self, fit: Fit) -> list[Content]:
        fits = sheet.most(fit, self.info.context)
        lines = [Content(), Content.assemble(fits, quiet("  ◌") if self.asking else "")]
        if self.loaded_otherwise:
            kept = f"{sheet.kv_words(fit)} · {fmt.size(fit.footprint.total)}"
            lines.append(Content.assemble("next load ", quiet(kept)))
        usual = self.usual
        if usual is not None and (fit.context, fit.kv_type) != (usual.context, usual.kv_type):
            lines.append(Content.assemble(("w", "bold"), quiet(" makes that its default")))
        return [*lines, key_row(TRY_KEYS, sheet.BAR_CELLS), *sheet.would_fit(fit)]

    def facts(self) -> sheet.Facts:
        """What the header says, then what is known here."""
        info = self.info
        facts = dict(self.details.facts) if self.details is not None else {}
        if not facts and not info.problem:
            facts = {"Architecture": info.architecture, "Quantisation": info.quantisation}
        own = {
            "Defaults": in_words(self.details.defaults) if self.details is not None else "",
            "Loads in": fmt.seconds(info.load_s) if info.load_s > 0 else "",
            "From": SOURCES.get(info.source, "") + ("" if info.removable else ", only read"),
            "File": f"{fmt.size(info.size)}  {one_line(short_path(info.path), 300)}",
        }
        return [*sheet.told(facts), *((name, text) for name, text in own.items() if text)]


def short_path(path: str) -> str:
    """A path with ``~`` for the home folder."""
    home = str(Path.home())
    return f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path


def in_words(defaults: Defaults) -> str:
    """What is set, in a line: ``context 4,096 · q8_0 KV · temperature 0.2``; empty when nothing is."""
    words = []
    if defaults.context is not None:
        words.append(f"context {fmt.thousands(defaults.context)}")
    if defaults.kv_type is not None:
        words.append(f"{defaults.kv_type} KV")
    if defaults.gpu_layers is not None:
        words.append(f"{'all' if defaults.gpu_layers < 0 else defaults.gpu_layers} layers on the GPU")
    words += _speed_words(defaults)
    for name in ("temperature", "top_k", "top_p", "min_p"):
        value = getattr(defaults, name)
        if value is not None:
            words.append(f"{name.replace('_', ' ')} {value:g}")
    if defaults.max_tokens is not None:
        words.append(f"answers up to {fmt.thousands(defaults.max_tokens)}")
    words += ["a system prompt"] * bool(defaults.system) + ["a template of its own"] * bool(defaults.template)
    return " · ".join(words)


def _speed_words(defaults: Defaults) -> list[str]:
    """What is set of how it computes."""
    words = []
    if defaults.threads is not None:
        words.append(
            fmt.counted(defaults.threads, "thread") if defaults.threads else "as many threads as pay"
        )
    if defaults.threads_batch is not None:
        words.append(fmt.counted(defaults.threads_batch, "prefill thread"))
    if defaults.batch is not None:
        words.append(f"batch {fmt.thousands(defaults.batch)}")
    if defaults.flash is not None:
        words.append(f"flash attention {'on' if defaults.flash else 'off'}")
    return words
