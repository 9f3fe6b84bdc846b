"""The controller of the open chat. It knows no widgets: it asks the host and tells a `View`."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Literal

import msgspec

from kensho_tui.core import contract as c
from kensho_tui.core.errors import HostGoneError, KenshoError, NotFoundError
from kensho_tui.ui.facts import TOPIC_DOWNLOADS, TOPICS
from kensho_tui.ui.live import Live, resumable
from kensho_tui.ui.open_chat import OpenChat, Place
from kensho_tui.ui.outgoing import Outgoing, arrived

if TYPE_CHECKING:
    from kensho_tui.ui.ports import Host, View

HELD_S = 20.0
WATCH_S = 25.0
# The transcript is drawn about ten times a second while text arrives; a drawing that takes long is
# given a smaller share, so that typing never waits for it.
TICK_S = 1 / 10
WAITING_TICK_S = 1 / 30
DRAWING_SHARE = 3.0
MAX_BACKOFF_S = 2.0

Link = Literal["connecting", "connected", "reconnecting", "refused"]


class Session(OpenChat):
    """One front end's open chat, its streams and the host's facts, kept fresh until `run` is cancelled."""

    def __init__(self, host: "Host", view: "View", *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(host, clock)
        self.link: Link = "connecting"
        host.told = self.tell
        self.watchers: list[Callable[[], None]] = []
        """Told after the view that something changed: screens that come and go."""
        self.download_watchers: list[Callable[[], None]] = []
        """The same when the downloads changed, which they do a few times a second: it must cost little."""
        self.prepared: set[tuple[str | None, str | None]] = set()
        """Chats, with the model chosen for them, whose model has been asked for."""
        self.cancelled: set[str] = set()
        """Models whose load a person ended here."""
        self._seen: dict[str, int] = {}
        self._view = view
        self._connected = asyncio.Event()
        self._switched = asyncio.Event()
        self._refreshing = asyncio.Lock()
        self._followers: set[asyncio.Task[None]] = set()
        self._drawings: set[asyncio.Task[None]] = set()
        self._prompts: list[str] | None = None
        self._sending: asyncio.Future[str] | None = None
        self._sending_here = False
        self._gone: set[str] = set()
        self._entered = False

    # --- the link -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, show the last chat, then follow the facts; when the host goes, get it back."""
        backoff, said = 0.1, ""
        try:
            while True:
                try:
                    await self.host.open()
                    await self._arrive()
                    backoff, said = 0.1, ""
                    await self._watch()
                except HostGoneError:
                    self._lost("reconnecting")
                except KenshoError as error:
                    self._lost("refused")
                    if error.line() != said:
                        said = error.line()
                        self._view.show_error(error)
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, MAX_BACKOFF_S)
        finally:
            self._drop_followers()
            self.suggest_no_more()

    def _lost(self, link: Link) -> None:
        self.link = link
        self._connected.clear()
        self.prepared.clear()
        self._drop_followers()
        self.suggest_no_more()
        self.tell()

    def tell(self) -> None:
        """Something that is shown changed."""
        self._view.show_state()
        for watcher in self.watchers:
            watcher()

    def _tell_downloads(self) -> None:
        self._view.show_downloads()
        for watcher in self.download_watchers:
            watcher()

    async def _arrive(self) -> None:
        # What is asked for below is not told once more as news.
        facts = await self.host.watch(dict.fromkeys(TOPICS, 0), 0.0)
        self._seen = {topic: fact.version for topic, fact in facts.items()}
        self._take(await self.host.status())
        if TOPIC_DOWNLOADS in facts:
            self.take_downloads(facts[TOPIC_DOWNLOADS])
        if not self._entered:
            await self._enter_last_chat()
        self.recent = await self.host.chats()
        self.link = "connected"
        await self.refresh()
        self._connected.set()
        self.tell()
        self._tell_downloads()
        # Last: of many models whose headers nobody has read yet the host knows no sooner.
        self.models = await self.host.models()
        self.tell()
        self.suggest_soon(self.tell)

    async def _enter_last_chat(self) -> None:
        try:
            last = (await self.host.chat(None)).id
        except NotFoundError:
            last = None
        if not self._entered:  # a person may have chosen another meanwhile
            self.place.chat = last
            self._entered = True

    async def _watch(self) -> None:
        """Facts of the host and of the open chat, from the versions of this host's life on."""
        seen = self._seen
        while True:
            topics = {*TOPICS, *([c.chat_topic(self.chat_id)] if self.chat_id is not None else ())}
            seen = {topic: seen.get(topic, 0) for topic in topics}
            facts = await self._unless_switched(self.host.watch(seen, WATCH_S))
            for topic, fact in facts.items():
                seen[topic] = fact.version
            await self._apply(facts)

    async def _unless_switched(self, watching: Awaitable[dict[str, c.Fact]]) -> dict[str, c.Fact]:
        """The facts, or none at once when another chat is opened meanwhile: its topic must be watched."""
        watch = asyncio.ensure_future(watching)
        switched = asyncio.ensure_future(self._switched.wait())
        try:
            await asyncio.wait({watch, switched}, return_when=asyncio.FIRST_COMPLETED)
            self._switched.clear()
            return watch.result() if watch.done() else {}
        finally:
            watch.cancel()
            switched.cancel()

    async def _apply(self, facts: dict[str, c.Fact]) -> None:
        if TOPIC_DOWNLOADS in facts:
            self.take_downloads(facts[TOPIC_DOWNLOADS])
            self._tell_downloads()
            if len(facts) == 1:
                return
        if c.TOPIC_HOST in facts:
            self._take(msgspec.msgpack.decode(facts[c.TOPIC_HOST].body, type=c.HostStatus))
        used = self.last_used
        if c.TOPIC_CHATS in facts:
            self.recent = await self.host.chats()
        # The model of new chats is the one used last.
        if c.TOPIC_MODELS in facts or used != self.last_used:
            self.models = await self.host.models()
            self.suggest_soon(self.tell)
        if self.chat_id is not None and c.chat_topic(self.chat_id) in facts:
            await self.refresh()
        self.tell()

    def _take(self, status: c.HostStatus) -> None:
        if self.take_status(status):
            self.prepared.clear()  # what has been unloaded may be loaded behind the typing again

    async def renew_models(self) -> None:
        """Ask how the models stand now: what fits changes with everything that runs on this machine."""
        await self._connected.wait()
        self.models_stale = False
        self.models = await self.host.models()
        self.tell()

    # --- the chat and its streams -------------------------------------------------------------------

    async def refresh(self, known: c.Chat | None = None) -> None:
        """Show the open chat as the host has it now (`known`: as it just said), and follow its streams.

        A drawing that has begun is ended whoever stops waiting for it: half a drawing would stay.
        """
        drawing = asyncio.create_task(self._refresh(known if not self._refreshing.locked() else None))
        self._drawings.add(drawing)
        drawing.add_done_callback(self._drawings.discard)
        await asyncio.shield(drawing)

    async def _refresh(self, known: c.Chat | None) -> None:
        async with self._refreshing:
            wanted = self.chat_id
            chat = known if known is not None and known.id == wanted else None
            with contextlib.suppress(NotFoundError):
                chat = chat or (await self.host.chat(wanted) if wanted is not None else None)
            if wanted != self.chat_id:
                return
            self.chat = chat
            self.place.chat = chat.id if chat is not None else None
            if chat is not None:
                self.choice.settle(chat.id, chat.model)
            await self._view.show_chat(chat)
            if chat is not None and wanted == self.chat_id:
                self._follow_all(chat)

    def _follow_all(self, chat: c.Chat) -> None:
        for message in chat.messages:
            live = self.live.get(message.id)
            known = live is not None and live.stream == message.stream
            if message.stream is None or known or message.stream in self._gone:
                continue
            live = self.live[message.id] = Live(message.stream, self.clock())
            follower = asyncio.create_task(self._follow(message, live))
            self._followers.add(follower)
            follower.add_done_callback(self._followers.discard)

    async def _follow(self, message: c.Message, live: Live) -> None:
        try:
            await self._read_all(message, live)
        except NotFoundError:
            self._gone.add(live.stream)  # it ended long ago; its text is in the chat
        except HostGoneError:
            pass  # `run` makes the link anew
        except KenshoError as error:
            self._view.show_error(error)
        finally:
            if self.live.get(message.id) is live:
                del self.live[message.id]
        try:
            await self.refresh()
        except KenshoError:
            pass  # shown with the next fact

    async def _read_all(self, message: c.Message, live: Live) -> None:
        cursor = len(message.content)
        while True:
            piece = await self.host.read(live.stream, cursor, HELD_S)
            cursor = piece.cursor
            started = self.clock()
            live.take(piece, started)
            await self._view.show_piece(message.id, piece)
            if piece.state == "ended":
                return
            drawing = self.clock() - started
            tick = TICK_S if piece.state == "streaming" else WAITING_TICK_S
            await asyncio.sleep(max(tick, drawing * DRAWING_SHARE))

    def _drop_followers(self) -> None:
        for follower in self._followers:
            follower.cancel()
        self.live.clear()

    def enter(self, chat_id: str | None) -> None:
        """What is entered from now on belongs to another chat; None: a new one. `show_entered` shows it.

        What streams in the old one goes on in the host.
        """
        self._drop_followers()
        self._entered = True
        self._sending_here = False
        self.place = Place(chat_id)
        self.chat = None
        self._switched.set()

    async def show_entered(self) -> None:
        if self.models == ():
            self.models = await self.host.models()
        await self.refresh()

    # --- what a person asks for ---------------------------------------------------------------------

    async def connected(self) -> None:
        """Returns when the host is there."""
        await self._connected.wait()

    @property
    def sending(self) -> bool:
        """Whether the host was asked for an answer that is not shown here yet."""
        return self._sending is not None

    @contextlib.contextmanager
    def _asking(self) -> "Iterator[asyncio.Future[str]]":
        """While inside, the host is asked for an answer: what it gets is the answer's stream."""
        sending = self._sending = asyncio.get_running_loop().create_future()
        self._sending_here = True
        try:
            yield sending
        finally:
            sending.cancel()
            if self._sending is sending:
                self._sending = None

    async def submit(self, prompt: Outgoing) -> None:
        """Send a prompt; waits for the host when it is not there yet. Raises `KenshoError`: not sent."""
        await self._connected.wait()
        place, before = prompt.place, prompt.place.chat
        with self._asking() as stream:
            text, anew = prompt.prompt, prompt.anew.id if prompt.anew is not None else None
            model = self.asked_model if place is self.place else self.choice.of(before)
            asked = c.Submit(prompt=text, chat=before, model=model, fresh=prompt.fresh, anew=anew, show=True)
            sent = await self._sent(asked)
            stream.set_result(sent.stream)
            if self._prompts is not None and anew is None:
                self._prompts = [text, *(old for old in self._prompts if old != text)]
            if before is None:
                self.choice.got_id(sent.chat)
            if place is not self.place:
                place.chat = sent.chat
                return
            with contextlib.suppress(KenshoError):  # it is sent: raised, this would say it is not
                await self._show_own(sent.chat, sent.shown)

    async def _sent(self, asked: c.Submit) -> c.Submitted:
        known = self._known_ids() if asked.chat == self.chat_id else None
        try:
            return await self.host.submit(asked)
        except HostGoneError:
            shown = await self._arrived_anyway(asked, known) if known is not None else None
            if shown is None:
                raise
        answer = shown.messages[-1]
        stream = answer.stream or ""
        return c.Submitted(chat=shown.id, message=answer.id, stream=stream, queued=False, shown=shown)

    def _known_ids(self) -> set[str]:
        messages = self.chat.messages if self.chat is not None else ()
        return {message.id for message in messages} | {chat.id for chat in self.recent}

    async def _arrived_anyway(self, asked: c.Submit, known: set[str]) -> c.Chat | None:
        """The chat that has what was `asked` although the line was cut before the host could say so; None: it
        has not.

        Sending it again would ask twice.
        """
        self._connected.clear()
        await self._connected.wait()
        try:
            chat = await self.host.chat(asked.chat)
        except NotFoundError:
            return None
        return chat if arrived(chat, asked, known) else None

    async def resume(self) -> bool:
        """Go on with the answer that was cut. False: there is none."""
        last = resumable(self.chat.messages) if self.chat else None
        if last is None:
            return False
        await self._connected.wait()
        with self._asking() as stream:
            sent = await self.host.resume(last.id)
            stream.set_result(sent.stream)
            await self._show_own(sent.chat)
        return True

    async def _show_own(self, chat_id: str, shown: c.Chat | None = None) -> None:
        if self.chat_id != chat_id:
            self.place.chat = chat_id
            self._switched.set()
        await self.refresh(shown)

    async def stop(self) -> bool:
        """End the answer under way, keeping its text, also one that the host is only being asked for. False:
        there is none."""
        live, sending = self.running(), self._sending
        if live is not None:
            await self.host.abort(live.stream)
            return True
        if sending is None or not self._sending_here or self.link != "connected":
            return False
        await asyncio.wait({sending})
        if not sending.cancelled() and sending.result():
            await self.host.abort(sending.result())
        return True

    async def prompts(self) -> list[str]:
        """Prompts sent before, newest first; asked for once. None while there is no host: typing goes on."""
        if self._prompts is None:
            if not self._connected.is_set():
                return []
            self._prompts = list(await self.host.prompts())
        return self._prompts

    async def prepare(self) -> None:
        """Load the chat's model behind the typing: once, until it is unloaded or the link is made anew."""
        await self._connected.wait()
        wanted = self.chat_id, self.asked_model
        if wanted in self.prepared or self.models == ():
            return
        self.prepared.add(wanted)
        await self.host.prepare(c.Prepare(chat=wanted[0], model=wanted[1]))
