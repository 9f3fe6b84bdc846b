"""Starting a worker process. Standard library only: a warm host calls this before it imports the rest."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

WORKER_COMMAND = (sys.executable, "-P", "-m", "kensho_tui.worker")


class Spawned(NamedTuple):
    """A worker just started: its process (stderr is a pipe that must be drained) and our end of the link."""

    process: subprocess.Popen[bytes]
    link: socket.socket


def spawn_worker(command: Sequence[str] = WORKER_COMMAND) -> Spawned:
    """Start a worker without a model. It ends when our end of the link closes, whatever happens to us.

    llama.cpp prints to stdout and stderr as it likes, so both go to one pipe and frames use a socket of
    their own.
    """
    ours, theirs = socket.socketpair()
    try:
        process = subprocess.Popen(
            [*command, "--fd", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs.fileno(),),
            cwd="/",
            # A failed assertion must not fork a debugger for a backtrace.
            env={**os.environ, "GGML_NO_BACKTRACE": "1"},
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return Spawned(process, ours)
