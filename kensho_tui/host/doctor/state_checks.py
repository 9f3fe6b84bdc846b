"""Checks of what kensho-tui keeps and runs: installation, settings, database, host."""

import json
import platform
import shlex
import socket
import sqlite3
import sys
from datetime import datetime
from importlib import metadata
from pathlib import Path

from kensho_tui import __version__
from kensho_tui.bus.codec import HEADER, FrameDecoder, encode, payload_size
from kensho_tui.config.environment import digests
from kensho_tui.core.contract import PROTOCOL
from kensho_tui.core.errors import ProtocolError
from kensho_tui.core.frames import FrontFrame, Hello, Welcome
from kensho_tui.core.sizes import human_size
from kensho_tui.host.doctor.check import Finding, Surroundings, bad, good
from kensho_tui.storage.files import ASIDE, STAMP, found_aside, size_of
from kensho_tui.storage.migrations import MIGRATIONS
from kensho_tui.storage.opening import inspect

OLDEST = (3, 11)
HELLO_S = 2.0


def check_python(around: Surroundings) -> Finding:
    """The interpreter that runs kensho-tui."""
    detail = f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] < OLDEST:
        return bad(detail, f"Install kensho-tui with Python {OLDEST[0]}.{OLDEST[1]} or newer")
    return good(f"{detail}, {platform.platform()}")


def check_installation(around: Surroundings) -> Finding:
    """kensho-tui's version and the exact versions it needs."""
    wrong = [
        f"{name} {found or 'missing'} (needs {wanted})"
        for name, wanted in pinned()
        if (found := _version(name)) != wanted
    ]
    place = Path(__file__).parents[2]
    detail = f"{__version__} in {place}"
    if wrong:
        return bad(f"{detail}; {', '.join(wrong)}", "pip install --force-reinstall kensho-tui")
    return good(detail)


def pinned() -> list[tuple[str, str]]:
    """Requirements of ours with one exact version each; what only an extra brings is not required."""
    needed = [line for line in metadata.requires("kensho-tui") or () if "extra ==" not in line]
    pairs = (line.partition(";")[0].partition("==") for line in needed)
    return [(name.strip(), version.strip()) for name, equal, version in pairs if equal]


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def check_settings(around: Surroundings) -> Finding:
    """The settings file, field by field."""
    path = around.paths.settings
    if around.problems:
        return bad("; ".join(around.problems), f"Correct {path}, or remove it to use the defaults")
    return good(f"{path}{'' if path.exists() else ' (absent: the defaults are used)'}")


def check_database(around: Surroundings) -> Finding:
    """The chats: sound, and not of a newer version. Read only, beside a running host too."""
    path = around.paths.database
    if not path.exists():
        return good("no chats yet")
    try:
        damage = inspect(path, MIGRATIONS)
    except (sqlite3.Error, OSError) as error:
        return bad(
            f"{path} cannot be read: {error}",
            "If another program has it open, close that; else check the disk and the file's permissions",
        )
    if damage:
        return bad(
            f"{path} is damaged ({damage})",
            "Restore it from a backup, if you have one; else start the app: it saves what can be read into a"
            " new one, and keeps this file",
        )
    return good(f"{path}, {human_size(path.stat().st_size)}, sound")


def check_set_aside(around: Surroundings) -> Finding:
    """Damaged databases that were set aside: all that was not saved is in them alone."""
    found = found_aside(around.paths.database.resolve())
    if not found:
        return good("none was set aside")
    files = [path for parts in found for path in parts]
    size = human_size(sum(map(size_of, files)))
    last, more = found[-1][0], f" and {len(found) - 1} more" if len(found) > 1 else ""
    return bad(
        f"a damaged database was set aside{_moment(last)}: {last}{more}, {size}; what of it could not"
        " be read is nowhere else",
        f"Once your chats are there (kensho-tui chats), delete it: rm {shlex.join(map(str, files))}",
    )


def _moment(path: Path) -> str:
    """When `path` was set aside, of its name (pure)."""
    stamp = path.name.rpartition(ASIDE)[2][:15]
    try:
        return datetime.strptime(stamp, STAMP).strftime(" on %d %B %Y at %H:%M")
    except ValueError:
        return ""


def check_host(around: Surroundings) -> Finding:
    """Does a host run, of our version and with our environment; or does one on another machine?"""
    path = around.paths.socket
    try:
        welcome = greet(path)
    except (OSError, ProtocolError) as error:
        return _no_host(around, error)
    detail = f"running, pid {welcome.pid}, version {welcome.version}{', busy' if welcome.busy else ''}"
    restart = "Restart it when it is idle: `kensho-tui host stop`"
    if welcome.protocol != PROTOCOL:
        return bad(f"{detail}: it speaks another protocol ({welcome.protocol}, here {PROTOCOL})", restart)
    if welcome.differs:
        return good(f"{detail}; it runs with other values of {', '.join(welcome.differs)}", restart)
    return good(detail)


def _no_host(around: Surroundings, error: Exception) -> Finding:
    machine = lock_holder(around.paths.lock)
    if machine not in ("", platform.node()):
        return good(
            f"not running here; the data folder was last used on {machine}",
            "Two machines must not use one data folder at a time: set KENSHO_HOME on one of them",
        )
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return good("not running: it starts on demand")
    if isinstance(error, TimeoutError):
        return bad(f"it does not answer within {HELLO_S:.0f} s", f"See {around.paths.logs / 'host.log'}")
    return bad(
        f"its socket {around.paths.socket} cannot be used: {error}",
        "Remove that file when no host runs, and check its folder's permissions",
    )


def greet(path: Path) -> Welcome:
    """What the host at ``path`` answers to a hello. Raises OSError, and `ProtocolError` for a stranger."""
    hello = Hello(protocol=PROTOCOL, version=__version__, environment=digests())
    decoder: FrameDecoder[FrontFrame] = FrameDecoder(FrontFrame)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(HELLO_S)
        link.connect(str(path))
        link.sendall(encode(hello))
        with link.makefile("rb") as stream:
            header = stream.read(HEADER.size)
            frame = decoder.decode(stream.read(payload_size(header))) if len(header) == HEADER.size else None
    if not isinstance(frame, Welcome):
        raise ProtocolError("what listens there is no host of ours")
    return frame


def lock_holder(path: Path) -> str:
    """The machine that wrote the lock file last, or an empty string."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(said.get("machine", "")) if isinstance(said, dict) else ""
