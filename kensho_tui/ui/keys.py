"""Keys that come in one go, as from a slow line, do what they would have done one by one.

Textual 8.2.8 puts them all into the queue of the widget that has the focus when they come, and looks for
bindings only when a key has bubbled up to the app: "ab", Backspace, "c" becomes "ab". So whoever takes keys
moves the focus in the handler itself, and hands on what was meant for the next one. Private in Textual, and
used here: `DOMNode._bindings`, `Widget._forward_event`.
"""

import asyncio
import contextlib
from typing import Any

from textual.app import App
from textual.events import Event, Key
from textual.screen import ModalScreen, Screen
from textual.widget import Widget

CATCH_UP_S = 1.0


def handed_on(widget: Widget, event: Key) -> bool:
    """Pass a key on to whatever has the focus, when `widget` gave it away after the key came."""
    screen = widget.app.screen
    target = screen.focused
    if target is widget or (target is None and screen is widget.screen):
        return False
    done(event)
    (target or screen)._forward_event(Key(event.key, event.character))
    return True


class EarlyKeys(Screen[Any]):
    """A screen that keeps the keys which come before anything of it can have the focus."""

    AUTO_FOCUS = ""
    _early: tuple[Key, ...] | None = ()
    """None: they go to what has the focus now."""

    def _forward_event(self, event: Event) -> None:
        """Every key comes here first, as long as nothing has the focus. A dialog may be left at once."""
        leaves = isinstance(self, ModalScreen) and isinstance(event, Key) and event.key == "escape"
        if isinstance(event, Key) and self._early is not None and not leaves:
            self._early = (*self._early, event)
        else:
            super()._forward_event(event)

    def take_keys(self, target: Widget) -> None:
        """From now on `target` has the keys; those that came before it was there are its first."""
        early, self._early = self._early or (), None
        self.set_focus(target)
        for event in early:
            target._forward_event(event)


async def did_binding(widget: Widget, event: Key) -> bool:
    """Do what the widget's own bindings have for a key, now. Priority bindings were done before."""
    for binding in widget._bindings.key_to_bindings.get(event.key, ()):
        if not binding.priority and await widget.app.run_action(binding.action, widget):
            done(event)
            return True
    return False


async def caught_up(app: App[Any]) -> None:
    """Returns once the keys that came before are handled: a priority binding is done ahead of them.

    After a second in any case: one of them may wait for the host, and leaving must not.
    """
    waited: Widget | None = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CATCH_UP_S):
            while (focused := app.focused) is not None and focused is not waited:
                handled, waited = asyncio.Event(), focused  # what it hands on is behind that in another queue
                if focused.call_later(handled.set):
                    await handled.wait()


def done(event: Key) -> None:
    """Nobody else does anything with it."""
    event.stop()
    event.prevent_default()
