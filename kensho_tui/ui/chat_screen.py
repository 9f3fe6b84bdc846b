"""The chat screen: header, transcript, prompt, hints, status. It wires; the session decides."""

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.events import Resize
from textual.geometry import Offset
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static, TextArea
from textual.worker import Worker

from kensho_tui.core import contract as c
from kensho_tui.core.errors import KenshoError, UsageError
from kensho_tui.core.text import one_line, printable
from kensho_tui.ui import format as fmt
from kensho_tui.ui.commands.registry import complete, matching, parse_slash
from kensho_tui.ui.keys import caught_up
from kensho_tui.ui.lines import Notice, SplitLine, key_row, quiet, where
from kensho_tui.ui.live import cannot_fit, resumable
from kensho_tui.ui.loading import Progress
from kensho_tui.ui.middle import Middle
from kensho_tui.ui.outgoing import Outgoing, anew
from kensho_tui.ui.prompt import Prompt
from kensho_tui.ui.session import Session
from kensho_tui.ui.status_bar import StatusBar, numbers
from kensho_tui.ui.textual_fixes import SteadyScreen
from kensho_tui.ui.transcript.place import Words
from kensho_tui.ui.transcript.view import Transcript
from kensho_tui.ui.welcome import Welcome, welcome

if TYPE_CHECKING:
    from kensho_tui.ui.app import KenshoApp
    from kensho_tui.ui.sidebar import Sidebar

SECOND_PRESS_S = 2.0


class ChatScreen(SteadyScreen):
    """Shows one chat. It is the session's `View`."""

    AUTO_FOCUS = "#prompt"
    PLACE = "chat"
    VERTICAL_BREAKPOINTS = [(0, "tiny"), (5, "low"), (8, "high")]  # noqa: RUF012 - Textual declares it so

    def __init__(self, app: "KenshoApp") -> None:
        super().__init__(id="chat")
        self._kensho = app
        self._bindings = app.screen_bindings(self.PLACE)
        self.prompt = Prompt(self._history, complete, self._sent)
        words = Words(app.now, app.key_label, self._load_of, lambda: self.session.bench)
        self.transcript = Transcript(words)
        self._sidebar: Sidebar | None = None
        self._welcome = Welcome(lambda: welcome(self.session, app.paths, app.now(), app.key_label))
        self._middle = Middle(self.transcript, self._welcome)
        self._title = SplitLine(id="header")
        self._hint = SplitLine(id="hint")
        self._status = StatusBar(id="status")
        self._ticking: Timer | None = None
        self._outbox: list[Outgoing] = []
        self._sender: Worker[None] | None = None
        self._given_back = ""
        self._notice = Notice(id="notice")
        self._asked_to_leave = float("-inf")

    @property
    def session(self) -> Session:
        return self._kensho.session

    @property
    def resumable(self) -> c.Message | None:
        return resumable(self.session.chat.messages) if self.session.chat is not None else None

    def compose(self) -> ComposeResult:
        yield self._title
        yield self._middle
        yield self._notice
        with Horizontal(id="ask"):
            yield Static("›", id="mark")
            yield self.prompt
        yield self._hint
        yield self._status

    def on_mount(self) -> None:
        self._ticking = self.set_interval(0.5, self._tick, pause=True)
        self._show_frame()

    def on_resize(self, event: Resize) -> None:
        if self._sidebar is not None:
            self._sidebar.fit(event.size.width)
        self.call_after_refresh(self.show_state)

    def get_widget_and_offset_at(self, x: int, y: int) -> tuple[Widget | None, Offset | None]:
        """For selecting: the transcript knows its characters without marking each of them."""
        widget, offset = super().get_widget_and_offset_at(x, y)
        if widget is self.transcript:
            corner = widget.content_region.offset
            offset = self.transcript.offset_at(x - corner.x, y - corner.y)
        return widget, offset

    # --- what the session tells -----------------------------------------------------------------------

    async def show_chat(self, chat: c.Chat | None) -> None:
        came = await self._middle.show(chat, self.session.live.keys())
        self._renew_sidebar()
        self._show_frame()
        if came:
            self.draw_now()

    async def show_piece(self, message_id: str, piece: c.Piece) -> None:
        self.transcript.grow(message_id, piece, self._elapsed(message_id))
        live = self.session.live.get(message_id)
        # The numbers of an answer under way are counted on by the clock; its beginning is shown at once.
        if piece.state != "streaming" or (live is not None and live.first_tokens == piece.tokens):
            self._show_frame()

    def show_state(self) -> None:
        if self.is_mounted:
            if self._middle.greets:
                self._welcome.renew()
            self._renew_sidebar()
            self.transcript.tick(self._elapsed)
            self._show_frame()
            self._kensho.tell_news()

    def show_downloads(self) -> None:
        self._kensho.show_downloads()

    def show_error(self, error: KenshoError) -> None:
        self._kensho.show_error(error)

    def _elapsed(self, message_id: str) -> float:
        live = self.session.live.get(message_id)
        return self.session.clock() - live.since if live is not None else 0.0

    def _load_of(self, model: str | None) -> Progress | None:
        """How far the load is that an answer waits for: what the status bar says of it."""
        return self.session.load_of(model or self.session.model or "")

    def _tick(self) -> None:
        self.transcript.tick(self._elapsed)
        self._show_frame()

    # --- the frame ------------------------------------------------------------------------------------

    def _show_frame(self) -> None:
        """Header, hints and status; the clock runs only while something streams."""
        if self._ticking is not None:
            if self.session.live or self.session.progress is not None:
                self._ticking.resume()
            else:
                self._ticking.pause()
        chat = self.session.chat
        place = where("Chat")
        title = quiet(one_line(chat.title, 120) if chat is not None else "new chat")
        room = self._title.content_size.width - place.cell_length - 4
        self._title.show(place, title.truncate(max(room, 8), ellipsis=True) + " ")
        tokens = self._tokens()
        self._hint.show(self._hints(self._hint.content_size.width - tokens.cell_length - 2), tokens)
        stops = self._kensho.key_label("stop") if self.session.running() is None else ""
        self._status.update(self.session, self._kensho.problems, stops=stops)

    def _tokens(self) -> Content:
        worker = self.session.worker
        used = numbers(self.session).used
        if not used:
            return Content()
        of = f" of {fmt.thousands(worker.context)}" if worker is not None and worker.context else ""
        return quiet(f"{fmt.thousands(used)}{of} tokens")

    def _hints(self, width: int) -> Content:
        """The keys that matter now."""
        if self._outbox:
            count = f"{len(self._outbox)} prompts wait" if len(self._outbox) > 1 else "a prompt waits"
            until = "to be taken" if self.session.link == "connected" else "for the host"
            return quiet(f"◌ {count} {until}: {one_line(self._outbox[0].text, 40)}")
        commands = matching(self.prompt.text)
        if commands:
            return key_row([(f"/{command.name}", command.title) for command in commands], width)
        return key_row(self._keys_now(), width)

    def _keys_now(self) -> list[tuple[str, str]]:
        """Keys and what they do now, the most important first."""
        keys = [("Enter", "send"), ("^J", "newline"), ("/", "commands")]
        label = self._kensho.key_label
        if self.session.running() is not None:
            keys = [(label("stop"), "stop"), ("Enter", "queue a prompt")]
        elif self.session.progress is not None:
            keys.append((label("stop"), "cancel the load"))
        elif self.resumable is not None and not cannot_fit(self.resumable):
            keys.insert(0, (label("continue"), "continue"))
        elif self.session.last_answer() is not None:
            keys.append((label("copy"), "copy"))
        if not self.transcript.following:
            keys.insert(0, ("End", "newest text"))
        return [*keys, (label("help"), "help"), (label("model"), "model")]

    # --- the prompt -----------------------------------------------------------------------------------

    async def _history(self) -> list[str]:
        try:
            return [printable(text) for text in await self.session.prompts()]
        except KenshoError as error:
            self.show_error(error)
            return []

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        text = event.text_area.text
        if text and text != self._given_back:
            self._given_back = ""
            self._notice.give_way()
            if self._kensho.settings.preload and not text.startswith("/"):
                self._kensho.run_quietly(self.session.prepare, "prepare")
        self._show_frame()

    def _sent(self, text: str) -> None:
        slash = parse_slash(text)
        if slash is None:
            self._send(Outgoing(text, self.session.place))
        elif slash.command is None:
            hint = f"{self._kensho.key_label('help')} lists the commands; two slashes send the text as it is"
            self._give_back(text + self.prompt.text)
            self.show_error(UsageError(f"there is no command /{slash.name}", hint=hint))
        else:
            self._kensho.run_command(slash.command, slash.argument)

    def ask_anew(self, text: str = "") -> None:
        """Ask `text` of the model itself; without one, have the chat's last prompt answered once more."""
        place = self.session.place
        self._send(Outgoing(text, place, fresh=True) if text else anew(place, self.session.chat))

    def _send(self, prompt: Outgoing) -> None:
        self._outbox.append(prompt)
        if len(self._outbox) == 1:
            self._sender = self._kensho.run_quietly(self._send_all, "send")

    async def _send_all(self) -> None:
        """Send what waits, in order. What the host does not take comes back into the prompt."""
        self._notice.give_way()
        self.transcript.follow()
        self._show_frame()
        try:
            while self._outbox:
                await self.session.submit(self._outbox[0])
                sent = self._outbox.pop(0)
                if sent.chat is not None:
                    self._kensho.say(*sent.kept_words())
                self._show_frame()
        finally:
            if self._outbox:
                unsent = self.unsent()
                self._outbox.clear()
                self._give_back(unsent)
            self._show_frame()

    def _take_back(self) -> bool:
        """Prompts that the host was not even asked for come back into the prompt. False: there are none."""
        if not self._outbox or self.session.sending or self._sender is None:
            return False
        unsent = self.unsent()
        self._outbox.clear()
        self._sender.cancel()
        self._give_back(unsent)
        self._show_frame()
        return True

    def _give_back(self, text: str) -> None:
        """Put `text` back into the prompt; what is said of it stays until it is changed."""
        self._given_back = text
        self.prompt.put(text)

    def unsent(self) -> str:
        """What was typed and nobody has taken: it must not be lost with the app."""
        waiting = (prompt.text for prompt in self._outbox)
        return "\n".join(text for text in (*waiting, self.prompt.text) if text.strip())

    def on_prompt_scroll(self, event: Prompt.Scroll) -> None:
        if event.pages == 0:
            self.transcript.follow()
        elif event.pages < 0:
            self.transcript.scroll_pages(-1)
        else:
            self.transcript.scroll_pages(1)

    def on_transcript_followed(self) -> None:
        self._show_frame()

    def on_transcript_typed(self, event: Transcript.Typed) -> None:
        self.prompt.focus()
        self.prompt.insert(event.character)

    def key_question_mark(self) -> None:
        """Only what the prompt does not take comes here."""
        self._kensho.action_command("help")

    def on_prompt_leave(self) -> None:
        self.transcript.focus()

    # --- what commands ask for ------------------------------------------------------------------------

    async def stop(self) -> None:
        if not await self._stop():
            self._notice.say_nothing()
            self.prompt.focus()

    async def _stop(self) -> bool:
        """End the answer under way, else take back what waits, else end the load of the chat's model. False:
        there is none of these."""
        if await self.session.stop() or self._take_back():
            return True
        model = self.session.model
        if model is None or self.session.progress is None:
            return False
        from kensho_tui.ui.models.switching import cancel_load

        await cancel_load(self.session, model)
        answers = self.session.model
        then = f"{one_line(answers, 60)} answers as before" if answers not in (None, model) else ""
        self._kensho.say(f"The load of {one_line(model, 60)} is cancelled", then)
        return True

    async def interrupt(self) -> None:
        await caught_up(self.app)
        selected = self.prompt.selected_text or self.get_selected_text()
        if selected:
            self._copy(selected)
        elif not await self._stop():
            now = self.session.clock()
            if now - self._asked_to_leave < SECOND_PRESS_S:
                self._kensho.leave()
            self._asked_to_leave = now
            again, leaves = map(self._kensho.key_label, ("interrupt", "quit"))
            self._kensho.say(f"{again} again leaves, and so does {leaves}", seconds=SECOND_PRESS_S)

    async def resume(self) -> None:
        self.transcript.follow()
        if not await self.session.resume():
            raise UsageError("there is no answer that could go on", hint="Only one that was cut can")

    async def copy_last(self) -> None:
        answer = self.session.last_answer()
        if answer is None:
            raise UsageError("there is no answer to copy yet")
        self._copy(printable(answer.content))

    def _copy(self, text: str) -> None:
        from kensho_tui.ui import clipboard

        copied, cut = clipboard.fitting(text)
        self._kensho.copy_to_clipboard(copied)
        chat_id = self.session.chat_id or ""
        style = "$warning" if cut else "$success"
        self._kensho.say(clipboard.notice(copied, cut, chat_id), style=style)

    # --- the sidebar ----------------------------------------------------------------------------------

    def show_chats(self, query: str = "") -> None:
        """Open the sidebar with this filter, or go to it; close it when the keys go there already."""
        if self._sidebar is None:
            self._sidebar = self._mount_sidebar()
        self._renew_sidebar()
        self._sidebar.toggle(query)

    def _mount_sidebar(self) -> "Sidebar":
        from kensho_tui.ui.sidebar import Sidebar

        app = self._kensho
        sidebar = Sidebar(self._choose_chat, self.to_prompt, now=app.now, key=lambda: app.key_label("chats"))
        self._middle.mount(sidebar, before=0)
        sidebar.fit(self.size.width)
        return sidebar

    def _renew_sidebar(self) -> None:
        session, sidebar = self.session, self._sidebar
        if sidebar is not None:
            sidebar.renew(session.recent, session.chat_id, connected=session.link == "connected")

    def to_prompt(self) -> None:
        """Now and not when Textual comes round to it: the next key may be waiting already."""
        self.set_focus(self.prompt)

    def _choose_chat(self, chat_id: str) -> None:
        self.to_prompt()
        if chat_id != self.session.chat_id:
            self.session.enter(chat_id)
            self._kensho.run_quietly(self._show_entered, "open-chat")

    async def _show_entered(self) -> None:
        await self.session.connected()
        await self.session.show_entered()
