"""Keys that come in one go, as from a slow line, do what they would have done one by one.

Textual 8.2.8 puts them all into the queue of the widget that has the focus when they come, and looks for
bindings only when a key has bubbled up to the app: "ab", Backspace, "c" becomes "ab". Private in it, and
used here: `DOMNode._bindings`.
"""

from typing import Any

from textual.events import Key
from textual.screen import Screen
from textual.widget import Widget


def handed_on(widget: Widget, event: Key) -> bool:
    """Pass a key on to the widget that has the focus, when `widget` gave it away after the key came."""
    target = widget.app.focused
    if target is None or target is widget:
        return False
    done(event)
    target.post_message(event.copy())
    return True


def took_early(screen: Screen[Any], event: Key, target: Widget) -> bool:
    """A key that came before anything of `screen` had the focus goes to `target`. False: something has."""
    if screen.focused is not None:
        return False
    screen.set_focus(target)
    return handed_on(screen, event)


async def did_binding(widget: Widget, event: Key) -> bool:
    """Do what the widget's own bindings have for a key, now. Priority bindings were done before."""
    for binding in widget._bindings.key_to_bindings.get(event.key, ()):
        if not binding.priority and await widget.app.run_action(binding.action, widget):
            done(event)
            return True
    return False


def done(event: Key) -> None:
    """Nobody else does anything with it."""
    event.stop()
    event.prevent_default()
