"""A check: a small function that looks at one thing and returns a `Finding`. And how checks are run."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from kensho_tui.config.paths import Paths
from kensho_tui.config.settings import Settings
from kensho_tui.core.errors import KenshoError
from kensho_tui.core.text import one_line
from kensho_tui.hardware.kernel_files import ROOT
from kensho_tui.host.doctor.engine import Engine

REPORT_IT = "Please report this, with `kensho-tui doctor --report FILE`"


class Check(Struct, frozen=True, kw_only=True):
    """What a check found. ``fix`` says what to do; beside an ``ok`` it is advice."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


class Document(Struct, frozen=True, kw_only=True):
    """The doctor's answer; ``ok`` when every check is."""

    ok: bool
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Finding:
    """A check's result before it has its name."""

    ok: bool
    detail: str
    fix: str = ""


def good(detail: str, advice: str = "") -> Finding:
    return Finding(True, detail, advice)


def bad(detail: str, fix: str) -> Finding:
    return Finding(False, detail, fix)


@dataclass(frozen=True)
class Surroundings:
    """What checks look at. ``root`` stands for ``/`` in everything read from the system's files."""

    paths: Paths
    settings: Settings
    problems: tuple[str, ...]
    environ: Mapping[str, str]
    engine: Engine
    root: Path = ROOT


@dataclass(frozen=True)
class Probe:
    """A named check and the seconds it may take. A check that takes longer has failed."""

    name: str
    look: Callable[[Surroundings], Finding]
    limit_s: float = 10.0


@dataclass
class _Run:
    """One check in a thread of its own: a dead network folder can block whoever asks, without end."""

    probe: Probe
    around: Surroundings
    result: list[Finding] = field(default_factory=list)

    def __call__(self) -> None:
        self.result.append(guarded(self.probe, self.around))


def guarded(probe: Probe, around: Surroundings) -> Finding:
    """The finding of one check; whatever it raises is a finding too."""
    try:
        return probe.look(around)
    except KenshoError as error:
        return bad(error.message, error.hint or REPORT_IT)
    except Exception as error:
        return bad(f"the check itself failed: {type(error).__name__}: {error}", REPORT_IT)


def run_checks(
    probes: Sequence[Probe], around: Surroundings, started: Callable[[str], None] = lambda name: None
) -> Document:
    """Run all checks in order; `started` is told each name before it begins."""
    checks = []
    for probe in probes:
        started(probe.name)
        finding = _bounded(probe, around)
        checks.append(
            Check(
                name=probe.name,
                ok=finding.ok,
                detail=one_line(finding.detail, 1000),
                fix=one_line(finding.fix, 1000),
            )
        )
    return Document(ok=all(check.ok for check in checks), checks=tuple(checks))


def _bounded(probe: Probe, around: Surroundings) -> Finding:
    run = _Run(probe, around)
    thread = threading.Thread(target=run, name=f"check {probe.name}", daemon=True)
    began = time.monotonic()
    thread.start()
    try:
        thread.join(probe.limit_s)
    except BaseException:
        # Interrupted: give the check a moment to put the terminal back as it was.
        thread.join(1.0)
        raise
    if run.result:
        return run.result[0]
    return bad(
        f"no answer within {time.monotonic() - began:.0f} s",
        "Something it looks at hangs (a network folder, a driver): free that, then run doctor again",
    )
