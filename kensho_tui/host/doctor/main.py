"""The doctor child's main: all checks in order, one JSON document."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import msgspec

from kensho_tui.config.paths import find_paths
from kensho_tui.config.settings import load_settings
from kensho_tui.core.errors import KenshoError
from kensho_tui.host.doctor import engine_checks as engine
from kensho_tui.host.doctor import folders, logout, memory_use, report, terminal_checks
from kensho_tui.host.doctor import state_checks as state
from kensho_tui.host.doctor.check import Check, Document, Probe, Surroundings, run_checks
from kensho_tui.host.doctor.engine import ANSWER_S, LOAD_S, PROBE_S, Engine
from kensho_tui.host.doctor.redact import Redactor

INTERRUPTED = 130

# The generation comes before the build: what the model ran on tells whether the GPU is used.
PROBES = (
    Probe("python", state.check_python),
    Probe("kensho-tui", state.check_installation),
    Probe("settings", state.check_settings),
    Probe("processor and memory", engine.check_memory),
    Probe("gpu", engine.check_gpus, 20.0),
    Probe("memory use", memory_use.check_memory_use, 20.0),
    Probe("disk", folders.check_disk),
    Probe("network home", folders.check_network_home),
    Probe("permissions", folders.check_permissions),
    Probe("database", state.check_database, 60.0),
    Probe("damaged database", state.check_set_aside),
    Probe("host", state.check_host),
    Probe("terminal", terminal_checks.check_terminal),
    Probe("terminal replies", terminal_checks.check_replies),
    Probe("clipboard", terminal_checks.check_clipboard),
    Probe("log-out", logout.check_logout),
    Probe("llama.cpp", engine.check_llama, PROBE_S + 5),
    Probe("models", engine.check_models),
    Probe("generation", engine.check_generation, LOAD_S + ANSWER_S + 20),
    Probe("gpu build", engine.check_build),
)


def main(arguments: Sequence[str]) -> int:
    """Run the checks. Exit status 0 when all is well, 1 when something is not, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python -P -m kensho_tui.host.doctor")
    parser.add_argument("--report", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    engine_room = Engine()
    try:
        document = _examine(engine_room, options.report)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        engine_room.close()
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    sys.stdout.flush()
    return 0 if document.ok else 1


def _examine(engine_room: Engine, target: Path | None) -> Document:
    paths = find_paths()
    settings, problems = load_settings(paths.settings)
    around = Surroundings(paths, settings, problems, dict(os.environ), engine_room)
    document = run_checks(PROBES, around, _progress)
    if target is None:
        return document
    _progress("report")
    written = _report(document, around, target)
    return Document(ok=document.ok and written.ok, checks=(*document.checks, written))


def _report(document: Document, around: Surroundings, target: Path) -> Check:
    try:
        report.write(target, report.compose(document, around, Redactor.here(around.environ)))
    except KenshoError as error:
        return Check(name="report", ok=False, detail=error.message, fix=error.hint)
    return Check(name="report", ok=True, detail=f"written to {target}; read it before you send it")


def _progress(name: str) -> None:
    """Tell whoever waits. Nobody may be reading: that is no reason to stop."""
    try:
        os.write(2, f"checking {name}\n".encode())
    except OSError:
        pass


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End in order, once: a second signal must not interrupt the cleaning up."""
    for again in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(again, signal.SIG_IGN)
    raise KeyboardInterrupt
