"""Guards against open bugs of Textual, each with its number and when it can go."""

from typing import cast

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.geometry import Size
from textual.keys import Keys
from textual.screen import Screen

from kensho_tui.ui.drawing.compositor import CroppingCompositor


class SteadyScreen(Screen[None]):
    """A screen that two sizes at once cannot upset.

    Not reported: a screen told of two sizes in a row (a terminal that first says 0×0, as some containers
    do) tells itself of either in turn for ever. Remove `_screen_resized` when it takes the app's size.
    """

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._compositor = CroppingCompositor()

    def _screen_resized(self, size: Size) -> None:
        super()._screen_resized(self.app.size)

    def draw_now(self) -> None:
        """Lay out and draw what was changed just now.

        Textual would do it some messages later, at the next sixtieth of a second: too late for an answer that
        is there. Private in it, and used here: `Screen._refresh_layout` and `App._batch_count`.
        """
        if self.is_current and not self.app._batch_count:
            self._refresh_layout()


def keep_alt_enter() -> None:
    """Textual #6663: Alt+Enter sent as ESC CR arrives as Enter, and would send a prompt half written.

    It arrives as Ctrl+J instead, the other newline key. Remove when the parser keeps Alt on named keys.
    """
    sequences = cast("dict[str, object]", ANSI_SEQUENCES_KEYS)
    sequences["\x1b\r"] = (Keys.ControlJ,)
