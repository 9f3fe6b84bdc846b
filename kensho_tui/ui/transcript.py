"""The transcript: the last messages of a chat, kept in step with the host without flicker."""

from collections.abc import Callable, Collection
from datetime import datetime

from textual import events
from textual.message import Message
from textual.widget import Widget

from kensho_tui.core import contract as c
from kensho_tui.ui.lines import SplitLine, quiet
from kensho_tui.ui.message_view import MessageView
from kensho_tui.ui.textual_fixes import FollowingScroll

SHOWN = 20


class Transcript(FollowingScroll):
    """Mounts the last `SHOWN` messages; earlier ones when somebody scrolls to the top."""

    class Typed(Message):
        """A letter was typed here: it belongs into the prompt."""

        def __init__(self, character: str) -> None:
            super().__init__()
            self.character = character

    def __init__(self, *, now: Callable[[], datetime], continue_key: Callable[[], str]) -> None:
        super().__init__(id="transcript")
        self._now = now
        self._continue_key = continue_key
        self._views: dict[str, MessageView] = {}
        self._chat: c.Chat | None = None
        self._shown = SHOWN
        self._earlier: SplitLine | None = None
        self._growing = False

    def on_key(self, event: events.Key) -> None:
        if event.key != "question_mark" and event.is_printable and event.character is not None:
            event.stop()
            self.post_message(self.Typed(event.character))

    async def show(self, chat: c.Chat | None, live: Collection[str], empty: Callable[[], Widget]) -> None:
        """Bring the mounted messages in step with `chat`; with nothing said yet, show `empty()`."""
        said_nothing = chat is None or not chat.messages
        self.set_class(said_nothing, "empty")
        if chat is None or self._chat is None or chat.id != self._chat.id:
            self._shown = SHOWN
            self._views.clear()
            self._earlier = None
            with self.app.batch_update():
                await self.remove_children()
                if said_nothing:
                    await self.mount(empty())
        elif chat.messages and not self._views:
            await self.remove_children()
        self._chat = chat
        if chat is not None and chat.messages:
            await self._reconcile(chat, live)

    async def _reconcile(self, chat: c.Chat, live: Collection[str]) -> None:
        wanted = {message.id: message for message in chat.messages[-self._shown :]}
        gone = [view for key, view in self._views.items() if key not in wanted]
        kept = {key: view for key, view in self._views.items() if key in wanted}
        with self.app.batch_update():
            if gone:
                await self.remove_children(gone)
            new = {
                key: MessageView(message, chat.id, now=self._now, continue_key=self._continue_key)
                for key, message in wanted.items()
                if key not in kept
            }
            await self._mount_new(new, kept)
            self._views = {key: new.get(key) or kept[key] for key in wanted}
            for key, view in self._views.items():
                last = wanted[key] is chat.messages[-1]
                if view.message != wanted[key] or view.last != last:
                    view.last = last
                    await view.show(wanted[key], live=key in live)
            await self._show_earlier(len(chat.messages) - len(wanted))

    async def _mount_new(self, new: dict[str, MessageView], kept: dict[str, MessageView]) -> None:
        """New messages come at the end, earlier ones (asked for by scrolling up) at the start."""
        if not new:
            return
        first = next(iter(kept.values()), None)
        order = [message.id for message in self._chat.messages] if self._chat is not None else []
        at = order.index(first.message.id) if first is not None else 0
        before = [view for key, view in new.items() if first is not None and order.index(key) < at]
        after = [view for view in new.values() if view not in before]
        if before:
            await self.mount_all(before, before=first)
        if after:
            await self.mount_all(after)

    async def _show_earlier(self, count: int) -> None:
        if count <= 0:
            if self._earlier is not None:
                await self._earlier.remove()
                self._earlier = None
            return
        text = quiet(f"▴ {count} earlier message{'s' if count > 1 else ''}")
        if self._earlier is None:
            self._earlier = SplitLine(text, classes="earlier")
            await self.mount(self._earlier, before=0)
        else:
            self._earlier.show(text)

    async def grow(self, message_id: str, piece: c.Piece, elapsed: float) -> None:
        view = self._views.get(message_id)
        if view is not None:
            await view.grow(piece, elapsed)

    def tick(self, elapsed: Callable[[str], float]) -> None:
        """Count the seconds of those who wait."""
        for key, view in self._views.items():
            if view.waiting:
                view.show_lines(elapsed(key))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value <= 0 < old_value and self._earlier is not None and not self._growing:
            self._growing = True
            self.call_next(self._show_more)

    async def _show_more(self) -> None:
        """Mount earlier messages and stay at the line that was at the top."""
        if self._chat is None:
            return
        below = self.max_scroll_y - self.scroll_y
        self._shown += SHOWN
        await self._reconcile(self._chat, self._views.keys())

        def restore() -> None:
            self.scroll_to(y=self.max_scroll_y - below, animate=False, force=True)
            self._growing = False

        self.call_after_refresh(restore)
