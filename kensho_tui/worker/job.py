"""One load or generation, shared by the thread that works and the thread that listens."""

from kensho_tui.core.frames import Generate, Load


class Job:
    """``arrived`` is `time.perf_counter` at the frame's arrival; ``aborted`` is set by the listener."""

    __slots__ = ("aborted", "arrived", "frame", "id")

    def __init__(self, frame: Load | Generate, arrived: float) -> None:
        self.frame = frame
        self.id = frame.id if isinstance(frame, Generate) else ""
        self.arrived = arrived
        self.aborted = False

    def is_aborted(self) -> bool:
        return self.aborted
