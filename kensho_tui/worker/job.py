"""One load or generation, shared by the thread that works and the thread that listens."""

from kensho_tui.core.frames import Generate, Load
from kensho_tui.worker.reading import ReadAhead


class Job:
    """``arrived`` is `time.perf_counter` at the frame's arrival; ``aborted`` is set by the listener.

    ``reading`` has begun to fill the page cache when the job is a load.
    """

    __slots__ = ("aborted", "arrived", "frame", "id", "reading")

    def __init__(self, frame: Load | Generate, arrived: float) -> None:
        self.frame = frame
        self.id = frame.id if isinstance(frame, Generate) else ""
        self.arrived = arrived
        self.aborted = False
        self.reading: ReadAhead | None = None

    def is_aborted(self) -> bool:
        return self.aborted
