"""One host per user and data directory: an flock that ends with its process, who holds it, and what for."""

import fcntl
import json
import os
import platform
from pathlib import Path
from types import TracebackType

from kensho_tui import __version__
from kensho_tui.core.errors import HostBusyError, HostUnavailableError


class AlreadyRunningError(Exception):
    """Another host of this machine holds the lock: no error, it is used instead."""


def boot_id() -> str:
    """Names this boot of this machine (Linux), or an empty string."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _held_by(holder: dict[str, object]) -> Exception:
    """Another host of this machine and boot is used; one elsewhere cannot be."""
    here = (platform.node(), boot_id())
    if (holder.get("machine", here[0]), holder.get("boot", here[1])) == here:
        return AlreadyRunningError()
    return HostBusyError(
        f"the host of this data folder runs on {holder.get('machine')} (a shared home folder)",
        hint="Stop it there, or set KENSHO_HOME to a folder of this machine",
    )


class HostLock:
    """Held while the context is open. A stale file is no lock: only the kernel's flock counts.

    The file says where the host listens, so that clients with another runtime folder find it too, and what
    keeps it from that.
    """

    def __init__(self, path: Path, socket: Path) -> None:
        self._path = path
        self._socket = socket
        self._fd = -1

    def __enter__(self) -> "HostLock":
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = self._holder()
            os.close(self._fd)
            raise _held_by(holder) from None
        except OSError as error:
            os.close(self._fd)
            raise HostUnavailableError(
                f"{self._path} cannot be locked: {error.strerror}",
                hint="On a network file system set KENSHO_HOME to a folder of this machine",
            ) from None
        self.say("")
        return self

    def say(self, doing: str) -> None:
        """What a start is at, in words, while that takes long; a client waits as long as there is any."""
        said = {
            "pid": os.getpid(),
            "machine": platform.node(),
            "boot": boot_id(),
            "version": __version__,
            "socket": str(self._socket),
            "doing": doing,
        }
        text = json.dumps(said).encode()
        os.pwrite(self._fd, text, 0)
        os.ftruncate(self._fd, len(text))

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def _holder(self) -> dict[str, object]:
        try:
            said = json.loads(os.pread(self._fd, 4096, 0))
        except (OSError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}
