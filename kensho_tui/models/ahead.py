"""Loading ahead: a warm host sends its first worker the last load again, before it imports anything else.

The frame is kept as it goes over the wire, so that sending it needs neither codec nor settings. It is a
guess: the model manager drops it when it is not exactly what it would ask for itself.
"""

import subprocess
from pathlib import Path
from typing import NamedTuple

from kensho_tui import __version__
from kensho_tui.models.spawn import Spawned, spawn_worker

MAX_BYTES = 64 * 1024
END_S = 2.0


def frame_file(cache: Path) -> Path:
    """Where the last load's frame is kept. Each version has its own: frames may differ."""
    return cache / f"last-load-{__version__}.frame"


class Spare(NamedTuple):
    """A worker started in advance, and the load it was sent already (empty: none)."""

    spawned: Spawned
    frame: bytes

    def end(self) -> None:
        """A worker ends when its link closes; does nothing for one that has ended."""
        self.spawned.link.close()
        if self.spawned.process.stdout is not None:
            self.spawned.process.stdout.close()
        try:
            self.spawned.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.spawned.process.kill()
            self.spawned.process.wait()


def start_spare(cache: Path) -> Spare:
    """Start a worker, and let it load what was loaded last."""
    spawned = spawn_worker()
    try:
        with frame_file(cache).open("rb") as file:
            frame = file.read(MAX_BYTES)
        spawned.link.sendall(frame)
    except OSError:
        return Spare(spawned, b"")
    return Spare(spawned, frame)


def keep_frame(frame: bytes, cache: Path) -> None:
    """Keep `frame` for the next warm start; one that cannot be written is only a slower start."""
    path = frame_file(cache)
    part = path.with_suffix(".part")
    try:
        if path.exists() and path.read_bytes() == frame:
            return
        part.write_bytes(frame)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
