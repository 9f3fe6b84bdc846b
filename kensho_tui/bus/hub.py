"""The stream hub: text under way, for any number of readers.

Readers pull: each keeps its own cursor and asks again. So there is no queue per reader, a slow reader
slows nobody, and a late one gets the text so far and then the rest.
"""

import asyncio
import bisect
import time

from kensho_tui.core.contract import Message, Phase, Piece
from kensho_tui.core.errors import NotFoundError

KEEP_ENDED_S = 120.0
MAX_WAIT_S = 60.0


class Changed:
    """Wakes everyone who waits, as often as something changes. No state is kept between changes."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Returns at the next change or after `seconds`, whichever is first."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            pass
        finally:
            self._waiters.discard(waiter)


class Stream:
    """One answer under way. Cursors count characters of `text`."""

    def __init__(self, stream_id: str, text: str = "") -> None:
        self.id = stream_id
        self._parts = [text] if text else []
        self._ends = [len(text)] if text else []
        self._changed = Changed()
        self.phase = Phase(name="queued")
        self.tokens = 0
        self.prompt_tokens = 0
        self.result: Message | None = None
        self.ended_at: float | None = None
        self._started = False

    @property
    def length(self) -> int:
        return self._ends[-1] if self._ends else 0

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def set_phase(self, phase: Phase) -> None:
        if phase != self.phase:
            self.phase = phase
            self._changed.notify()

    def append(self, text: str, tokens: int, prompt_tokens: int) -> None:
        self.tokens, self.prompt_tokens = tokens, prompt_tokens
        self.phase = Phase(name="decode")
        self._started = True
        if text:
            self._parts.append(text)
            self._ends.append(self.length + len(text))
        self._changed.notify()

    def end(self, result: Message) -> None:
        self.result = result
        self.ended_at = time.monotonic()
        self._changed.notify()

    def _since(self, cursor: int) -> str:
        first = bisect.bisect_right(self._ends, cursor)
        if first == len(self._parts):
            return ""
        skipped = cursor - (self._ends[first] - len(self._parts[first]))
        return "".join([self._parts[first][skipped:], *self._parts[first + 1 :]])

    def piece(self, cursor: int) -> Piece:
        """What there is from `cursor` on, now."""
        cursor = min(max(cursor, 0), self.length)
        ended = self.result is not None
        return Piece(
            text=self._since(cursor),
            cursor=self.length,
            state="ended" if ended else "streaming" if self._started else "waiting",
            phase=self.phase,
            tokens=self.tokens,
            prompt_tokens=self.prompt_tokens,
            result=self.result,
        )

    async def read(self, cursor: int, wait: float) -> Piece:
        """Answered at once when there is text (or the end), else at the next change or after `wait`."""
        if wait > 0 and cursor >= self.length and self.result is None:
            await self._changed.wait(min(wait, MAX_WAIT_S))
        return self.piece(cursor)


class StreamHub:
    """All streams by id; ended ones stay for late readers for `KEEP_ENDED_S` seconds."""

    def __init__(self) -> None:
        self._streams: dict[str, Stream] = {}

    def open(self, stream_id: str, text: str = "") -> Stream:
        self._forget_old()
        stream = Stream(stream_id, text)
        self._streams[stream_id] = stream
        return stream

    def get(self, stream_id: str) -> Stream:
        try:
            return self._streams[stream_id]
        except KeyError:
            raise NotFoundError("that answer is no longer streaming", hint="Read it from its chat") from None

    def _forget_old(self) -> None:
        now = time.monotonic()
        for key, stream in list(self._streams.items()):
            if stream.ended_at is not None and now - stream.ended_at > KEEP_ENDED_S:
                del self._streams[key]
