"""The composition root: builds the rooms of one host and offers them on the bus."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence

from kensho_tui import __version__
from kensho_tui.bus.board import FactBoard
from kensho_tui.bus.endpoint import Endpoint, Peer
from kensho_tui.bus.hub import StreamHub
from kensho_tui.config.environment import differing, digests
from kensho_tui.config.paths import Paths
from kensho_tui.config.settings import load_settings
from kensho_tui.core import contract as c
from kensho_tui.core.errors import NotFoundError
from kensho_tui.core.frames import Hello, Welcome
from kensho_tui.core.tasks import start_in
from kensho_tui.dialogue.service import Dialogue
from kensho_tui.hardware.build import build_mismatch
from kensho_tui.hardware.gpu import gauge, gpus, on_gpu
from kensho_tui.host.bench_offers import BenchOffers
from kensho_tui.host.card_look import CardLook
from kensho_tui.host.hub_offers import HubOffers
from kensho_tui.host.idle import Idleness, Use
from kensho_tui.host.metric_offers import MetricOffers
from kensho_tui.host.model_offers import ModelOffers
from kensho_tui.host.model_rooms import ModelRooms, expected_device
from kensho_tui.host.offers import Offers
from kensho_tui.host.response_offers import ResponseOffers, answers_of
from kensho_tui.host.sample_offers import SampleOffers
from kensho_tui.models.ahead import Spare
from kensho_tui.models.spawn import WORKER_COMMAND
from kensho_tui.storage.chats import Chats
from kensho_tui.storage.database import Database, open_database

log = logging.getLogger(__name__)

POST_DELAY_S = 0.05
SAMPLE_S = 2.0
COMPARE_AFTER_S = 2.0
TIDY_AFTER_S = 10.0
DOWNLOADS_AFTER_S = 1.0


class Host:
    """All rooms of one host. Made by `build`; `stopped` is set when it shall end."""

    def __init__(
        self,
        paths: Paths,
        database: Database,
        device: str,
        notices: tuple[str, ...],
        command: Sequence[str],
    ) -> None:
        settings, problems = load_settings(paths.settings)
        self.endpoint = Endpoint(self._greet)
        self.stopped = asyncio.Event()
        self._environment = digests()
        self._settings = settings
        self._notices = (*notices, *problems)
        self._mismatch: str | None = None
        self._device = ""
        self._database = database
        self._chats = Chats(database)
        self._hub = StreamHub()
        self._board = FactBoard()
        self._rooms = ModelRooms(paths, database, settings, device, self._changed, command)
        self._models = self._rooms.manager
        answers = answers_of(settings, database, self._rooms, self._chats)
        self._responses = answers.cache
        self._dialogue = Dialogue(
            self._chats,
            self._hub,
            self._board,
            self._models,
            self._rooms.library,
            answers,
            settings,
            paths.data,
        )
        self._dialogue.changed = self._changed
        self._samples = self._sampling()
        self._cards = CardLook(self._tell)
        self._benches = BenchOffers(
            rooms=self._rooms,
            dialogue=self._dialogue,
            database=database,
            board=self._board,
            changed=self._changed,
        )
        self._idle = Idleness(settings.keep_alive * 60, settings.linger * 60, self._unload, self.stop)
        self._post_timer: asyncio.TimerHandle | None = None
        self._sample_timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._register(paths)
        self.endpoint.peers_changed = self._changed

    def _sampling(self) -> SampleOffers:
        return SampleOffers(
            dialogue=self._dialogue,
            rooms=self._rooms,
            responses=self._responses,
            database=self._database,
            days=self._settings.sample_days,
        )

    def _register(self, paths: Paths) -> None:
        """Offer on the bus what the rooms can do."""
        Offers(
            dialogue=self._dialogue,
            chats=self._chats,
            hub=self._hub,
            board=self._board,
            status=self._fresh_status,
            stop=self.stop,
            abort_with=self._abort_with,
        ).register(self.endpoint)
        ModelOffers(
            rooms=self._rooms,
            dialogue=self._dialogue,
            responses=self._responses,
            board=self._board,
            paths=paths,
            changed=self._changed,
        ).register(self.endpoint)
        ResponseOffers(self._responses, self._chats, self._rooms.library).register(self.endpoint)
        HubOffers(rooms=self._rooms, board=self._board, changed=self._changed).register(self.endpoint)
        MetricOffers(database=self._database, library=self._rooms.library).register(self.endpoint)
        self._samples.register(self.endpoint)
        self._benches.register(self.endpoint)

    @classmethod
    async def build(
        cls,
        paths: Paths,
        command: Sequence[str] = WORKER_COMMAND,
        spare: Spare | None = None,
        told: Callable[[str], None] = lambda doing: None,
    ) -> "Host":
        """Open the database, put right what a crash left, and build the rooms. ``told`` gets in words what
        may take long, and nothing after it. Raises `StorageError`.
        """
        opened, device = await asyncio.gather(
            open_database(paths.database, told=told), asyncio.to_thread(expected_device)
        )
        told("")
        host = cls(paths, opened.database, device, opened.notices, command)
        if spare is not None:
            host._models.adopt(spare)
        cut = await host._chats.recover()
        if cut:
            log.warning("%d answers were cut short by an earlier end of the host", cut)
        host._notices += await host._wrong_setting()
        start_in(host._tasks, host._tidy())
        start_in(host._tasks, host._go_on_with_downloads())
        host._post()
        return host

    async def _wrong_setting(self) -> tuple[str, ...]:
        """A default model that is not there is told; another one answers meanwhile."""
        if not self._settings.model:
            return ()
        try:
            await self._rooms.library.find(self._settings.model)
        except NotFoundError as error:
            return (f"setting `model`: {error.line()}",)
        return ()

    def stop(self) -> None:
        self.endpoint.ending = True
        self.stopped.set()

    async def close(self) -> None:
        """Interrupt and save answers, end the worker, close the database."""
        self._idle.close()
        for timer in (self._post_timer, self._sample_timer):
            if timer is not None:
                timer.cancel()
        await self._dialogue.close()
        await self._benches.close()
        await self._samples.close()
        await self._rooms.close()
        await self._database.close()
        await self.endpoint.close()

    # --- who may come in -----------------------------------------------------------------------------

    def _busy(self) -> bool:
        at_work = self._dialogue.unfinished > 0 or self._benches.active > 0
        return at_work or any(peer.front_end for peer in self.endpoint.peers)

    def _greet(self, hello: Hello) -> Welcome:
        """Another version is let in while this one is at work, if they speak the same protocol."""
        busy = self._busy()
        same = hello.version == __version__
        accepted = hello.protocol == c.PROTOCOL and (same or busy) and not hello.replace
        if hello.replace and not busy:
            log.info("replaced by version %s", hello.version)
            self.stop()
        return Welcome(
            accepted=accepted,
            protocol=c.PROTOCOL,
            version=__version__,
            pid=os.getpid(),
            busy=busy,
            differs=differing(self._environment, hello.environment),
        )

    # --- what the host says of itself ----------------------------------------------------------------

    @property
    def _asks_cards(self) -> bool:
        """Whether models live on GPUs that nobody samples."""
        return on_gpu(self._device) and self._samples.gpus is None

    async def _fresh_status(self) -> c.HostStatus:
        if self._asks_cards:
            await self._cards.fresh()
        return self.status()

    def status(self) -> c.HostStatus:
        """Asks no driver: the cards are as they were seen last."""
        cards = self._samples.gpus
        peers = self.endpoint.peers
        return c.HostStatus(
            running=True,
            pid=os.getpid(),
            version=__version__,
            front_ends=sum(peer.front_end for peer in peers),
            streams=self._dialogue.streams,
            downloads=self._rooms.downloading,
            workers=self._models.workers(),
            memory=gauge(self._device, self._cards.cards if cards is None else cards),
            notices=(
                *self._notices,
                *((self._mismatch,) if self._mismatch else ()),
                *self._dialogue.notices(),
            ),
            bench=self._benches.now,
        )

    def _changed(self) -> None:
        """Something that `status` or the timers depend on has changed; many changes are posted as one."""
        self._samples.changed()
        peers, downloads = len(self.endpoint.peers), self._rooms.downloading
        self._idle.update(Use(peers, self._dialogue.unfinished, downloads, self._benches.active))
        if self._post_timer is None and not self.stopped.is_set():
            self._post_timer = asyncio.get_running_loop().call_later(POST_DELAY_S, self._post)

    def _post(self) -> None:
        self._post_timer = None
        self._look_at_device()
        if self._asks_cards:
            self._cards.begin()
        self._tell()
        if self._sample_timer is None and self._dialogue.streams:
            self._sample_timer = asyncio.get_running_loop().call_later(SAMPLE_S, self._sample)

    def _tell(self) -> None:
        self._board.post(c.TOPIC_HOST, self.status())

    def _sample(self) -> None:
        """Memory moves while answers stream; nobody samples when nothing runs."""
        self._sample_timer = None
        self._post()

    def _look_at_device(self) -> None:
        """Once a model runs, it is known what llama.cpp was built for."""
        device = next(
            (
                resident.loaded.device
                for resident in self._models.residents.all()
                # Layers kept off the GPU on purpose say nothing about the build.
                if resident.loaded is not None
                and resident.request is not None
                and resident.request.gpu_layers
            ),
            "",
        )
        if device and device != self._device:
            self._device = device
            start_in(self._tasks, self._compare_build(device))

    async def _compare_build(self, device: str) -> None:
        """Nobody waits for this, and somebody waits for the first answer."""
        await asyncio.sleep(COMPARE_AFTER_S)
        self._mismatch = build_mismatch(await asyncio.to_thread(gpus), device)
        self._changed()

    # --- small things that run beside ----------------------------------------------------------------

    def _unload(self) -> None:
        log.info("no front end for the keep-alive time: an unused model is unloaded")
        start_in(self._tasks, self._models.unload_unused())

    async def _tidy(self) -> None:
        """Nobody waits for this, and somebody waits for the first answer."""
        await asyncio.sleep(TIDY_AFTER_S)
        await self._rooms.tidy(await self._chats.ids())
        await self._responses.prune()
        await self._samples.prune()

    async def _go_on_with_downloads(self) -> None:
        """A person asked for them once; whoever started this host waits for something else."""
        await asyncio.sleep(DOWNLOADS_AFTER_S)
        await self._rooms.go_on_with_downloads()

    def _abort_with(self, peer: Peer, stream: str) -> None:
        """The stream belongs to its connection: it stops when that closes."""
        peer.on_close(lambda: start_in(self._tasks, self._dialogue.abort(stream)))
