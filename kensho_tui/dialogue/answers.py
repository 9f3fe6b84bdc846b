"""Where a turn's answer comes from: an earlier one to the very same question, else the model."""

import asyncio
import time
from dataclasses import dataclass
from weakref import WeakValueDictionary

from kensho_tui.core.contract import ModelInfo, Sampling
from kensho_tui.core.errors import KenshoError
from kensho_tui.core.frames import Turn
from kensho_tui.dialogue.history import new_prompt, turns_for
from kensho_tui.dialogue.response_cache import ResponseCache
from kensho_tui.dialogue.response_key import key_of
from kensho_tui.dialogue.turn import TurnRun
from kensho_tui.models.manager import ModelManager
from kensho_tui.models.ways import Way, Ways
from kensho_tui.storage.chats import Chats, Outcome
from kensho_tui.storage.responses import Response, may_keep


@dataclass(frozen=True)
class Asked:
    """What a new turn asks: its key, and the answer to it that is there already.

    ``head``: the message that it follows, None in a new chat.
    """

    head: str | None
    turns: tuple[Turn, ...]
    key: str
    known: Response | None


class Answers:
    """Runs turns. ``enabled`` False: every question is asked anew, and no answer is kept."""

    def __init__(
        self, cache: ResponseCache, ways: Ways, models: ModelManager, chats: Chats, *, enabled: bool
    ) -> None:
        self.cache = cache
        self._ways = ways
        self._models = models
        self._chats = chats
        self._enabled = enabled
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def look(
        self,
        chat: str | None,
        prompt: str,
        systems: tuple[str | None, str | None],
        sampling: Sampling,
        model: ModelInfo,
    ) -> Asked | None:
        """What `prompt` at the end of `chat` asks, with its answer where it had one; None: nobody can tell.

        `systems`: the prompt given by hand, and the model's own, which counts where the chat has none.
        """
        if not self._enabled:
            return None
        try:
            path = await self._chats.path(chat) if chat is not None else ()
            own = await self._chats.system(chat) if chat is not None else None
        except KenshoError:
            return None  # the turn comes upon it, too, and says so
        turns = turns_for((*path, new_prompt(prompt)), systems[0] or own or systems[1])
        key = _key(await self._ways.planned(model), sampling, turns)
        return Asked(path[-1].id if path else None, turns, key, await self.cache.find(key)) if key else None

    async def answer(
        self, run: TurnRun, turns: tuple[Turn, ...], model: ModelInfo, asked: Asked | None = None
    ) -> Outcome:
        """As `TurnRun.run`. Of two turns with one question the second waits for the first one's answer.

        `asked`: what the turn was begun with, a moment ago.
        """
        if not self._enabled or run.caching == "no":
            return await run.run(turns, model, self._models, self._chats)
        key = ""
        if asked is not None and asked.turns == turns:
            key = asked.key
        elif run.caching == "use":
            key = _key(await self._ways.planned(model), run.sampling, turns)
        if not key:
            return await self._ask(run, turns, model)
        place = self._asking.setdefault(key, asyncio.Lock())
        with run.waiting():
            await place.acquire()
        try:
            found = await self.cache.get(key, run.row.chat_id)
            if found is not None:
                return await run.replay(found, model, self._chats)
            return await self._ask(run, turns, model)
        finally:
            place.release()

    async def _ask(self, run: TurnRun, turns: tuple[Turn, ...], model: ModelInfo) -> Outcome:
        """Ask the model; a whole answer is kept under the way in which it was really made."""
        outcome = await run.run(turns, model, self._models, self._chats)
        ending, text = may_keep(outcome.stop_reason), run.stream.text
        if ending is None or outcome.state != "complete" or outcome.trimmed or not text or run.made is None:
            return outcome
        key = _key(await self._ways.taken(model, *run.made), run.sampling, turns)
        if key:
            usage = outcome.usage
            response = Response(text, ending, usage.prompt_tokens, usage.completion_tokens, model.path)
            self.cache.put(key, response, run.row.chat_id)
        return outcome


def _key(way: Way | None, sampling: Sampling, turns: tuple[Turn, ...]) -> str:
    """Empty where nobody knows how the model would answer."""
    return key_of(way, turns, sampling, time.strftime("%Y-%m-%d")) if way is not None else ""
