"""How far a load is: one share that never runs backwards, over all of its phases."""

from collections.abc import Iterable
from dataclasses import dataclass

from kensho_tui.core import contract as c
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt

# Of the whole: reading the file, then what llama.cpp does with it, then the warm-up.
READING, LOADING = 0.8, 0.18

WORDS = {"waiting": "waiting for memory", "starting": "starting"}


def is_loading(worker: c.WorkerInfo) -> bool:
    return worker.state in ("starting", "loading")


def share(phase: c.Phase | None) -> float | None:
    """How much of the whole load is done; None: nothing of it has begun, or nobody knows."""
    fraction = phase.fraction if phase is not None else None
    if phase is None or phase.name not in ("reading", "loading", "warming"):
        return None
    if phase.name == "warming":
        return READING + LOADING
    if fraction is None:
        return None
    return fraction * READING if phase.name == "reading" else READING + fraction * LOADING


@dataclass(frozen=True)
class Progress:
    """A load as it is shown: ``share`` None is not known yet; ``note`` says what is tried, if anything."""

    doing: str
    share: float | None
    elapsed_s: float
    expected_s: float
    note: str = ""

    def text(self) -> str:
        """``62 % · 1.4 of ~2.3 s``, or what is awaited in words."""
        words = [fmt.percent(self.share) if self.share is not None else self.doing]
        if self.expected_s > 0:
            words.append(f"{self.elapsed_s:.1f} of ~{self.expected_s:.1f} s")
        elif self.elapsed_s >= 1:
            words.append(f"{self.elapsed_s:.1f} s")
        return " · ".join([*words, self.note] if self.note else words)


class Loads:
    """The loads under way, by model. The host says how they stand now and then; the clock goes on between."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[c.WorkerInfo, float, float | None]] = {}

    def take(self, workers: Iterable[c.WorkerInfo], now: float) -> None:
        """The host's workers as they are `now` (monotonic seconds)."""
        before, self._seen = self._seen, {}
        for worker in workers:
            if is_loading(worker):
                part = share(worker.phase)
                known = before.get(worker.model)
                # Less time than before: it is another load.
                if known is not None and known[2] is not None and worker.elapsed_s >= known[0].elapsed_s:
                    part = max(part or 0.0, known[2])
                self._seen[worker.model] = (worker, now, part)

    def of(self, model: str | None, now: float) -> Progress | None:
        """The load of `model`; None: there is none."""
        if model is None or model not in self._seen:
            return None
        worker, since, part = self._seen[model]
        phase = worker.phase
        name = phase.name if phase is not None else "starting"
        note = one_line(phase.note, 60) if phase is not None else ""
        doing = WORDS.get(name, "loading")
        if name == "unloading":
            doing, note = f"unloading {note or 'another model'}", ""
        elapsed = worker.elapsed_s + max(now - since, 0.0)
        return Progress(
            doing, part if name not in ("unloading", "waiting") else None, elapsed, worker.expected_s, note
        )
