"""One question to a hub as both sides see it: the loop that waits, and the thread that speaks to the hub."""

from kensho_tui.core.errors import HubError
from kensho_tui.models.line import Line


class Watch(Line):
    """One request, or several in a row: for whom it is, how much may come, and how to end it.

    ``origin`` is the hub's scheme and host: a token goes nowhere else. ``most``: bytes of a reply.
    """

    def __init__(self, origin: str, most: int) -> None:
        super().__init__()
        self.origin = origin
        self.most = most

    def check(self) -> None:
        """Raises `HubError` when nobody waits any more."""
        if self.is_cut():
            raise HubError("nobody waits for this any more")

    def pause(self, seconds: float) -> None:
        self.wait(seconds)
        self.check()
