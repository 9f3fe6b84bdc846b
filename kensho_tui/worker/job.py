"""One load, generation or saving, shared by the thread that works and the thread that listens."""

from kensho_tui.core.frames import Generate, Load, Save
from kensho_tui.worker.reading import ReadAhead


def job_id(frame: Load | Generate | Save) -> str:
    """By which the host names the work in `AbortWork`, and the worker in `Error`."""
    if isinstance(frame, Generate):
        return frame.id
    return "save" if isinstance(frame, Save) else ""


class Job:
    """``arrived`` is `time.perf_counter` at the frame's arrival; ``aborted`` is set by the listener.

    ``reading`` has begun to fill the page cache when the job is a load.
    """

    __slots__ = ("aborted", "arrived", "frame", "id", "reading")

    def __init__(self, frame: Load | Generate | Save, arrived: float) -> None:
        self.frame = frame
        self.id = job_id(frame)
        self.arrived = arrived
        self.aborted = False
        self.reading: ReadAhead | None = None

    def is_aborted(self) -> bool:
        return self.aborted
