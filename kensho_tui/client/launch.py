"""Starting a host process. Light modules only: `ask` launches before it imports the rest, to save time."""

import os
import socket
import sys
from pathlib import Path
from typing import NamedTuple

from kensho_tui.core.errors import HostUnavailableError

# Descriptor numbers in the new process: 0-2 are /dev/null, the report goes to 3.
_REPORT_FD = 3


class Launched(NamedTuple):
    """A host on its way: it writes one JSON object to the pipe `report`; `pid` ends when it has forked."""

    pid: int
    report: int


def listening(path: Path) -> bool:
    """Whether anybody accepts connections on the Unix socket at `path`."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def launch_host(*, warm: bool = False) -> Launched:
    """Start a host that detaches itself. `warm`: it starts a worker before anything else.

    Raises `HostUnavailableError` when no process can be started.
    """
    command = [sys.executable, "-P", "-m", "kensho_tui.host", "--ready-fd", str(_REPORT_FD)]
    if warm:
        command.append("--warm")
    environment = dict(os.environ)
    if environment.get("KENSHO_HOME"):
        # The host works in another folder.
        environment["KENSHO_HOME"] = str(Path(environment["KENSHO_HOME"]).expanduser().absolute())
    report, told = os.pipe()
    nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    try:
        pid = os.posix_spawn(
            command[0], command, environment, file_actions=[(os.POSIX_SPAWN_DUP2, told, _REPORT_FD), *nothing]
        )
    except OSError as error:
        os.close(report)
        raise HostUnavailableError(f"the host could not be started: {error}") from None
    finally:
        os.close(told)
    return Launched(pid, report)
