"""The controller of the open chat. It knows no widgets: it asks the host and tells a `View`."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal

import msgspec

from kensho_tui.core import contract as c
from kensho_tui.core.errors import HostGoneError, KenshoError, NotFoundError
from kensho_tui.ui.facts import TOPIC_DOWNLOADS, TOPICS, HostFacts
from kensho_tui.ui.live import Live, resumable
from kensho_tui.ui.loading import Progress
from kensho_tui.ui.model_choice import ModelChoice

if TYPE_CHECKING:
    from kensho_tui.core.hub_contract import Download
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


class Session(HostFacts):
    """One front end's open chat, its streams and the host's facts, kept fresh until `run` is cancelled."""

    def __init__(self, host: "Host", view: "View", *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(host, clock)
        self.link: Link = "connecting"
        self.chat_id: str | None = None
        self.chat: c.Chat | None = None
        self.live: dict[str, Live] = {}
        self.choice = ModelChoice()
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
            self.chat_id = last
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
        if c.TOPIC_CHATS in facts:
            self.recent = await self.host.chats()
        if c.TOPIC_MODELS in facts:
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
            self.chat_id = chat.id if chat is not None else None
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

    async def open_chat(self, chat_id: str | None) -> None:
        """Show another chat; None: a new one. What streams in the old one goes on in the host."""
        self._drop_followers()
        self._entered = True
        self.chat_id = chat_id
        self.chat = None
        self._switched.set()
        if self.models == ():
            self.models = await self.host.models()
        await self.refresh()

    # --- what a person asks for ---------------------------------------------------------------------

    async def connected(self) -> None:
        """Returns when the host is there."""
        await self._connected.wait()

    async def submit(self, text: str, *, fresh: bool = False) -> None:
        """Send a prompt; waits for the host when it is not there yet. Raises `KenshoError`: not sent."""
        await self._connected.wait()
        before = self.chat_id
        known = self._known_ids()
        try:
            asked = c.Submit(prompt=text, chat=before, model=self.choice.of(before), fresh=fresh, show=True)
            sent = await self.host.submit(asked)
            chat_id, shown = sent.chat, sent.shown
        except HostGoneError:
            shown = await self._arrived_anyway(text, before, known)
            if shown is None:
                raise
            chat_id = shown.id
        if self._prompts is not None:
            self._prompts = [text, *(old for old in self._prompts if old != text)]
        if before is None:
            self.choice.got_id(chat_id)
        if self.chat_id == before:
            with contextlib.suppress(KenshoError):  # it is sent: raised, this would say it is not
                await self._show_own(chat_id, shown)

    def _known_ids(self) -> set[str]:
        messages = self.chat.messages if self.chat is not None else ()
        return {message.id for message in messages} | {chat.id for chat in self.recent}

    async def _arrived_anyway(self, text: str, before: str | None, known: set[str]) -> c.Chat | None:
        """The chat that has `text` although the line was cut before the host could say so; None: it has not.

        Sending it again would ask twice.
        """
        self._connected.clear()
        await self._connected.wait()
        try:
            chat = await self.host.chat(before)
        except NotFoundError:
            return None
        if before is None and chat.id in known:
            return None
        new = (m for m in chat.messages if m.role == "user" and m.id not in known)
        return chat if any(message.content == text for message in new) else None

    async def resume(self) -> bool:
        """Go on with the answer that was cut. False: there is none."""
        last = resumable(self.chat.messages) if self.chat else None
        if last is None:
            return False
        await self._connected.wait()
        sent = await self.host.resume(last.id)
        await self._show_own(sent.chat)
        return True

    async def _show_own(self, chat_id: str, shown: c.Chat | None = None) -> None:
        if self.chat_id != chat_id:
            self.chat_id = chat_id
            self._switched.set()
        await self.refresh(shown)

    def running(self) -> Live | None:
        """The stream that `stop` would end: the one under way, else the last one queued."""
        streams = list(self.live.values())
        for live in streams:
            if live.piece is not None and live.piece.phase.name != "queued":
                return live
        return streams[-1] if streams else None

    async def stop(self) -> bool:
        """End the answer under way, keeping its text. False: there is none."""
        live = self.running()
        if live is None:
            return False
        await self.host.abort(live.stream)
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
        wanted = self.chat_id, self.choice.of(self.chat_id)
        if wanted in self.prepared or self.models == ():
            return
        self.prepared.add(wanted)
        await self.host.prepare(c.Prepare(chat=wanted[0], model=wanted[1]))

    # --- what can be said ---------------------------------------------------------------------------

    @property
    def model(self) -> str | None:
        """The name of the model that answers next."""
        chosen = self.choice.of(self.chat_id)
        if chosen is not None:
            return chosen
        if self.chat is not None and self.chat.model is not None:
            return self.chat.model
        models = self.models or ()
        return next((model.name for model in models if model.default), None)

    @property
    def worker(self) -> c.WorkerInfo | None:
        """The worker of that model, when there is one."""
        return next((worker for worker in self.workers if worker.model == self.model), None)

    @property
    def arrived(self) -> "Download | None":
        """The download that ended last whose model was not used yet; None: there is none."""
        return next((one for one in self.arrivals.waiting if one.model != self.model), None)

    @property
    def progress(self) -> Progress | None:
        """The load of that model, while there is one."""
        return self.load_of(self.model) if self.model is not None else None

    def last_answer(self) -> c.Message | None:
        messages = self.chat.messages if self.chat is not None else ()
        return next((m for m in reversed(messages) if m.role == "assistant" and m.content), None)
