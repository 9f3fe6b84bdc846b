"""The dialogue service: prompts in, streams out, everything saved on the way."""

import asyncio
import contextlib
import dataclasses
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine
from pathlib import Path

import msgspec

from kensho_tui.bus.board import FactBoard
from kensho_tui.bus.hub import StreamHub
from kensho_tui.config.settings import Settings
from kensho_tui.core.contract import (
    TOPIC_CHATS,
    Chat,
    ChatFact,
    ChatsFact,
    Message,
    ModelInfo,
    Prepare,
    Resume,
    Sampling,
    Submit,
    Submitted,
    chat_topic,
)
from kensho_tui.core.errors import KenshoError, NotFoundError, StorageError, UsageError
from kensho_tui.core.tasks import ended, start_in
from kensho_tui.core.text import valid
from kensho_tui.dialogue.answers import Answers, Asked
from kensho_tui.dialogue.history import turns_for
from kensho_tui.dialogue.rescue import write_rescue
from kensho_tui.dialogue.response_key import Caching, caching
from kensho_tui.dialogue.sampling import chosen
from kensho_tui.dialogue.tally import Tally
from kensho_tui.dialogue.turn import Clock, TurnRun, given
from kensho_tui.dialogue.unsaved import unsaved_notices
from kensho_tui.models.library import Library
from kensho_tui.models.manager import ModelManager
from kensho_tui.storage.chats import Chats, Outcome, TurnRow
from kensho_tui.storage.responses import Response

log = logging.getLogger(__name__)

SAVE_AGAIN_S = 3.0
AT_ONCE_S = 0.05
MOST_SHOWN = 1_000_000
"""Characters of a chat that come with the reply to a prompt: in too large a frame that would be an error."""


class Dialogue:
    """Turns of one chat run one after the other; those of several chats share the model manager's queue.

    `changed` is called when the number of live streams or the notices would read otherwise.
    """

    def __init__(
        self,
        chats: Chats,
        hub: StreamHub,
        board: FactBoard,
        models: ModelManager,
        library: Library,
        answers: Answers,
        settings: Settings,
        rescue: Path,
    ) -> None:
        self._chats = chats
        self._hub = hub
        self._board = board
        self._models = models
        self._library = library
        self._answers = answers
        self._settings = settings
        self._rescue = rescue
        self._live: dict[str, TurnRun] = {}
        self._unsaved: dict[str, tuple[TurnRun, Outcome]] = {}
        self._written = self._read = 0  # tokens of turns that have ended
        self._places: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._beginning: set[asyncio.Task[Submitted]] = set()
        self._looking: set[asyncio.Task[Asked | None]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self.changed: Callable[[], None] = lambda: None

    @property
    def streams(self) -> int:
        return len(self._live)

    @property
    def unfinished(self) -> int:
        """Answers that would be lost with this process: live ones, and those not saved yet."""
        return len(self._live) + len(self._unsaved) + len(self._beginning)

    def tally(self) -> Tally:
        live = self._live.values()
        return Tally(
            streams=len(live),
            queued=sum(run.stream.phase.name == "queued" for run in live),
            written=self._written + sum(run.written for run in live),
            read=self._read + sum(run.read for run in live),
        )

    def notices(self) -> tuple[str, ...]:
        return unsaved_notices([run.unsaved for run in self._runs if run.unsaved is not None])

    @property
    def _runs(self) -> list[TurnRun]:
        """Those of which something is not saved yet."""
        return [*self._live.values(), *(run for run, _ in self._unsaved.values())]

    # --- what front ends ask -----------------------------------------------------------------------

    async def whole(self, begin: Coroutine[object, object, Submitted]) -> Submitted:
        """Run `begin` to its end, also when whoever asked is gone: what is written gets its turn."""
        return await asyncio.shield(start_in(self._beginning, begin))

    async def submit(self, request: Submit) -> Submitted:
        """Write the prompt and its answer's row in one transaction, then answer in the background.

        An answer that is there already is written along with the prompt.
        """
        if request.anew is not None:
            return await self._submit_anew(request, request.anew)
        clock = Clock()
        prompt = valid(request.prompt)
        if not prompt.strip():
            raise UsageError("the prompt is empty", hint="Type something to ask")
        chat = await self._chats.resolve(request.chat) if request.chat else None
        model = await self._choose(request.model, chat)
        defaults = await self._library.defaults(model)
        sampling = chosen(request.sampling, request.given, defaults)
        system = valid(request.system) if request.system else None
        how = caching(fresh=request.fresh, given=request.given)
        asked = None
        if how == "use" and not self._engaged(chat):
            asked = await self._at_once(
                self._answers.look(chat, prompt, (system, defaults.system), sampling, model)
            )
        if asked is not None and asked.known is not None:
            answer = given(asked.known, model, sampling, clock)
            known = await self._chats.give_turn(chat, asked.head, prompt, system, answer)
            if known is not None:
                return await self._given(known, asked.key, asked.known, request.show)
        queued = self._others_first(chat)
        row = await self._chats.begin_turn(
            chat, prompt, model.name, system, "queued" if queued else "streaming"
        )
        submitted = await self._start(row, sampling, model, clock, queued, caching=how, asked=asked)
        return await self._with_chat(submitted) if request.show else submitted

    async def _submit_anew(self, request: Submit, prompt: str) -> Submitted:
        """Answer a prompt that has an answer once more. The new one stands for itself: it is never cached."""
        clock = Clock()
        await self._save_unsaved()
        chat = await self._chats.chat_of(prompt)
        model = await self._choose(request.model, chat)
        sampling = chosen(request.sampling, request.given, await self._library.defaults(model))
        queued = self._others_first(chat)
        row = await self._chats.begin_anew(prompt, model.name, "queued" if queued else "streaming")
        submitted = await self._start(row, sampling, model, clock, queued)
        return await self._with_chat(submitted) if request.show else submitted

    async def _at_once(self, look: Coroutine[object, object, Asked | None]) -> Asked | None:
        """What `look` finds in a moment: a prompt is saved soon, also where a model's disk is slow."""
        looking = start_in(self._looking, look)
        done, _ = await asyncio.wait({looking}, timeout=AT_ONCE_S)
        return looking.result() if done else None

    async def _given(self, row: TurnRow, key: str, response: Response, show: bool) -> Submitted:
        """An answer given again is told to everyone as a stream that has ended."""
        message = await self._chats.message(row.message_id)
        stream = self._hub.open(row.generation_id)
        stream.append(response.text, response.completion_tokens, response.prompt_tokens)
        stream.end(msgspec.structs.replace(message, content=""))
        reply = Submitted(chat=row.chat_id, message=row.message_id, stream=stream.id, queued=False)
        reply = await self._with_chat(reply) if show else reply
        # Last: the reads of the reply would wait for the database to take note.
        self._answers.cache.given(key, row.chat_id)
        start_in(self._tasks, self._tell(row.chat_id))
        return reply

    async def _with_chat(self, submitted: Submitted) -> Submitted:
        """The reply with the chat in it: the turn is begun, whatever can be shown of it."""
        try:
            shown = await self._show(submitted.chat, False)
        except KenshoError:
            return submitted
        short = sum(len(message.content) for message in shown.messages) <= MOST_SHOWN
        return msgspec.structs.replace(submitted, shown=shown) if short else submitted

    async def resume(self, request: Resume) -> Submitted:
        """Go on with an answer that was cut short, where its text ends."""
        clock = Clock()
        await self._save_unsaved()
        message = await self._chats.message(request.message)
        if request.message in self._live or not message.resumable:
            raise UsageError("this answer is complete or under way", hint="Ask a new question instead")
        chat = await self._chats.chat_of(request.message)
        model = await self._choose(None, chat, message.model)
        sampling = chosen(request.sampling, request.given, await self._library.defaults(model))
        row = await self._chats.begin_resume(request.message, model.name)
        queued = self._others_first(row.chat_id)
        return await self._start(row, sampling, model, clock, queued, prefix=message.content)

    def _engaged(self, chat: str | None) -> bool:
        """Whether an answer of `chat` is still to come, or to be saved: what follows it cannot be known."""
        return chat is not None and any(run.row.chat_id == chat for run in self._runs)

    def _others_first(self, chat: str | None) -> bool:
        """Whether a turn that begins now has to wait; one just begun counts before it has its place."""
        place = chat is not None and self._places[chat].locked()
        return place or bool(self._live) or self._models.busy

    async def abort(self, stream: str) -> None:
        """Stop a turn; the text so far is kept. One that has ended already is no error."""
        for run in list(self._live.values()):
            if run.stream.id == stream:
                await run.abort()

    async def show(self, reference: str | None, every_branch: bool) -> Chat:
        """A chat with live answers as they stand this moment."""
        chat = await self._chats.resolve(reference) if reference else await self._chats.last()
        if chat is None:
            raise NotFoundError("there are no chats yet")
        return await self._show(chat, every_branch)

    async def _show(self, chat: str, every_branch: bool) -> Chat:
        summary = await self._chats.summary(chat)
        messages = await (self._chats.all_messages(chat) if every_branch else self._chats.path(chat))
        return Chat(
            id=chat,
            title=summary.title,
            created=summary.created,
            updated=summary.updated,
            model=summary.model,
            messages=tuple(self._as_it_stands(message) for message in messages),
        )

    async def prepare(self, request: Prepare) -> None:
        """Load what the chat would use; what goes wrong is told when the prompt is sent.

        A switch is told at once, and done when this returns; it goes on without whoever asked.
        """
        chat = await self._chats.resolve(request.chat) if request.chat else None
        model = await self._choose(request.model, chat)
        loading = start_in(
            self._tasks, self._models.prepare(model, switch=request.switch, anyway=request.anyway)
        )
        if request.switch:
            await asyncio.shield(loading)

    async def choose_default(self) -> ModelInfo:
        """The model that a new chat would use."""
        return await self._choose(None, None)

    async def close(self) -> None:
        """Interrupt what runs; its text is saved, in a file of its own where the database takes no more."""
        await ended(self._beginning)
        tasks = [*self._tasks, *self._looking]
        for task in tasks:
            task.cancel()
        await ended(tasks)
        await ended(self._ending)  # only then it is known what could not be saved
        await self._answers.cache.settled()
        await self._save_unsaved()
        for message, (run, _) in self._unsaved.items():
            write_rescue(self._rescue, message, run.stream.text)

    # --- the life of a turn ------------------------------------------------------------------------

    async def _choose(self, wanted: str | None, chat: str | None, *more: str | None) -> ModelInfo:
        if wanted:
            return await self._library.find(wanted)
        used, last = await self._chats.models_used(chat)
        return await self._library.choose(*more, used, self._settings.model, last)

    async def _start(
        self,
        row: TurnRow,
        sampling: Sampling,
        model: ModelInfo,
        clock: Clock,
        queued: bool,
        *,
        prefix: str = "",
        caching: Caching = "no",
        asked: Asked | None = None,
    ) -> Submitted:
        message = await self._chats.message(row.message_id)
        stream = self._hub.open(row.generation_id, prefix)
        run = TurnRun(row, stream, sampling, message, clock, caching)
        run.saving_changed = self.changed
        self._live[row.message_id] = run
        start_in(self._tasks, self._turn(run, model, asked))
        await self._tell(row.chat_id)
        return Submitted(chat=row.chat_id, message=row.message_id, stream=stream.id, queued=queued)

    async def _turn(self, run: TurnRun, model: ModelInfo, asked: Asked | None) -> None:
        async with contextlib.AsyncExitStack() as stack:
            try:
                with run.waiting():
                    await stack.enter_async_context(self._places[run.row.chat_id])
                outcome = await self._run(run, model, asked)
            except asyncio.CancelledError:
                outcome = self._cut_short(run)
            except Exception as error:
                log.exception("turn %s failed", run.row.message_id)
                outcome = run.outcome("failed", "error", f"an error inside the host: {type(error).__name__}")
            # Still in its place: the turn after it reads from the database what was said in this one.
            await asyncio.shield(start_in(self._ending, self._finish(run, outcome)))

    async def _run(self, run: TurnRun, model: ModelInfo, asked: Asked | None) -> Outcome:
        try:
            path = await self._chats.path_to(run.row.message_id)
            system = await self._chats.system(run.row.chat_id) or (await self._library.defaults(model)).system
        except KenshoError as error:
            return run.outcome("failed", "error", error.line())
        before = [self._as_it_stands(message) for message in path[:-1]]
        return await self._answers.answer(run, turns_for(before, system), model, asked)

    def _cut_short(self, run: TurnRun) -> Outcome:
        """Cancelled: by a person while it waited, or because the host ends."""
        task = asyncio.current_task()
        while task is not None and task.cancelling():
            task.uncancel()
        if run.aborted:
            return run.outcome("stopped", "abort")
        return run.outcome("interrupted", None)

    async def _finish(self, run: TurnRun, outcome: Outcome) -> None:
        message = run.row.message_id
        try:
            await run.save(outcome, self._chats)
        except UsageError as error:
            # A commit that reported an error had taken effect: it is saved.
            log.warning("answer %s: %s", message, error.message)
        except StorageError as error:
            log.error("answer %s is not saved yet: %s", message, error.message)
            run.unsaved = error
            self._unsaved[message] = (run, outcome)
            said = f"{error.message}. The answer is kept in memory and saved again soon"
            outcome = dataclasses.replace(outcome, error=outcome.error or said)
            start_in(self._tasks, self._keep_saving(message))
        if self._live.pop(message, None) is not None:
            self._written += run.written
            self._read += run.read
        run.stream.end(run.finished(outcome, unsaved=message in self._unsaved))
        await self._tell(run.row.chat_id)

    async def _keep_saving(self, message: str) -> None:
        while message in self._unsaved:
            await asyncio.sleep(SAVE_AGAIN_S)
            await self._save_again(message)

    async def _save_unsaved(self) -> None:
        for message in list(self._unsaved):
            await self._save_again(message)

    async def _save_again(self, message: str) -> None:
        kept = self._unsaved.get(message)
        if kept is None:
            return
        run, outcome = kept
        try:
            await run.save(outcome, self._chats)
        except StorageError:
            return
        except UsageError as error:
            log.warning("answer %s: %s", message, error.message)
        self._unsaved.pop(message, None)
        await self._tell(run.row.chat_id)

    def _as_it_stands(self, message: Message) -> Message:
        """A row with what is newer in memory: a live answer's text, or an end not saved yet."""
        if (run := self._live.get(message.id)) is not None:
            return msgspec.structs.replace(message, content=run.stream.text, stream=run.stream.id)
        if (kept := self._unsaved.get(message.id)) is not None:
            run, outcome = kept
            return run.finished(outcome, run.stream.text, unsaved=True)
        return message

    async def _tell(self, chat: str) -> None:
        """Post what changed; a fact that cannot be read from a full disk is not worth a turn."""
        streams = {key: run.stream.id for key, run in self._live.items() if run.row.chat_id == chat}
        try:
            title = (await self._chats.summary(chat)).title
        except StorageError:
            title = ""
        self._board.touch(chat_topic(chat), ChatFact(id=chat, title=title, streams=streams))
        self._board.touch(TOPIC_CHATS, ChatsFact())
        self.changed()
