"""Guards against open bugs of Textual, each with its number and when it can go."""

from typing import cast

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.containers import VerticalScroll
from textual.geometry import Offset, Size
from textual.keys import Keys
from textual.screen import Screen
from textual.widget import Widget

NEAR_END_ROWS = 2


class FollowingScroll(VerticalScroll):
    """A scroll that follows its end until somebody scrolls up, and again once they are back.

    Textual #6677: an anchor released by scrolling does not come back while the content grows, because the
    end has moved by the time the scroll arrives. Remove when `_check_anchor` allows for growth.

    An anchor also scrolls content that fits to the bottom, by a negative offset (`Compositor.reflow` sets
    it past the validator). Remove `scroll_offset` when that is clamped there.
    """

    def on_mount(self) -> None:
        self.anchor()

    @property
    def following(self) -> bool:
        return self.is_anchored and not self._anchor_released

    @property
    def scroll_offset(self) -> Offset:
        x, y = super().scroll_offset
        return Offset(x, max(y, 0))

    def follow(self) -> None:
        """Show the end and stay there."""
        self.anchor()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        near = self.max_scroll_y - new_value <= NEAR_END_ROWS
        if self._anchored and self._anchor_released and near and new_value > old_value:
            self._anchor_released = False


class SteadyScreen(Screen[None]):
    """A screen that neither a press on a block just gone nor two sizes at once can upset.

    Textual #6643: blocks of a growing Markdown document are exchanged; a press on one that is detached
    ends the app. Remove `get_widget_and_offset_at` when `Screen._forward_event` checks for a parent.

    Not reported: a screen told of two sizes in a row (a terminal that first says 0×0, as some containers
    do) tells itself of either in turn for ever. Remove `_screen_resized` when it takes the app's size.
    """

    def get_widget_and_offset_at(self, x: int, y: int) -> tuple[Widget | None, Offset | None]:
        widget, offset = super().get_widget_and_offset_at(x, y)
        if widget is not None and widget is not self and (widget.parent is None or not widget.is_attached):
            return None, None
        return widget, offset

    def _screen_resized(self, size: Size) -> None:
        super()._screen_resized(self.app.size)


def keep_alt_enter() -> None:
    """Textual #6663: Alt+Enter sent as ESC CR arrives as Enter, and would send a prompt half written.

    It arrives as Ctrl+J instead, the other newline key. Remove when the parser keeps Alt on named keys.
    """
    sequences = cast("dict[str, object]", ANSI_SEQUENCES_KEYS)
    sequences["\x1b\r"] = (Keys.ControlJ,)
