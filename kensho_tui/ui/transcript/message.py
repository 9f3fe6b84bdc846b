"""One message of the transcript: a label, the text, and what became of it."""

from msgspec.structs import replace

from kensho_tui.core import contract as c
from kensho_tui.core.text import Cleaner, one_line, printable
from kensho_tui.ui import format as fmt
from kensho_tui.ui.live import cannot_fit
from kensho_tui.ui.transcript.blocks import BlockSplitter, split
from kensho_tui.ui.transcript.canvas import Canvas
from kensho_tui.ui.transcript.extent import Extent
from kensho_tui.ui.transcript.parts import BlockPart, FootPart, HeadPart, Part, estimate, parts_of
from kensho_tui.ui.transcript.place import Words
from kensho_tui.ui.transcript.tail import TailPart

CARET = "▍"
QUEUED = "◌ queued: it starts when the answers before it are done"
KEPT = "the text so far is kept"
IN_MEMORY = "the text so far is in memory only, not saved yet"
UNSAVED = "! not saved yet: the answer is in memory only"
CANCELLED = "loading was cancelled"
"""How the host's error begins when a person ended the load."""
_ENDINGS = {
    "stopped": ("■ stopped", "warning", KEPT),
    "interrupted": ("■ interrupted", "warning", KEPT),
    "failed": ("✗ failed", "error", KEPT),
    "length": ("… cut at the token limit", "warning", ""),
    "context": ("… the context is full", "warning", "the start of the chat is left out"),
}

Said = tuple[tuple[str, str], ...]


class MessageItem:
    """A message as parts. Folded (one part, its height guessed) until somebody looks at it.

    `show` brings it up to date, `grow` adds streamed text.
    """

    def __init__(self, message: c.Message, words: Words, canvas: Canvas) -> None:
        self.message = message
        self.last = False
        self.canvas = canvas
        self.parts: list[Part] = []
        self._words = words
        self._folded = 0
        self._extent = Extent()
        self._cleaner = Cleaner()
        self._piece: c.Piece | None = None
        self._splitter: BlockSplitter | None = None
        self._streamed: list[str] = []
        self._cursor = 0  # characters of the stream that are in it
        self._head = HeadPart(message.role)
        self._foot = FootPart(message.role)
        self._tail: TailPart | None = None
        self.say(0.0)
        self.fold()

    # --- rows ---------------------------------------------------------------------------------------

    @property
    def height(self) -> int:
        return self._extent.total if self.parts else self._folded

    @property
    def live(self) -> bool:
        return self._splitter is not None

    def top(self, part: int) -> int:
        return self._extent.top(part)

    def find(self, row: int) -> tuple[int, int]:
        """The part that has `row` of the message, and which of its rows that is."""
        return self._extent.find(row)

    def draw(self, part: int) -> int:
        """The part's true height."""
        self.parts[part].rows(self.canvas)
        self._extent.set(part, self.parts[part].height)
        return self.parts[part].height

    def unfold(self) -> None:
        """Cut the text into parts, none of them drawn yet."""
        if not self.parts:
            role, text = self.message.role, printable(self.message.content)
            blocks = split(text) if role == "assistant" else []
            self._set_parts([self._head, *parts_of(role, text, blocks), self._foot])

    def fold(self) -> None:
        """Forget what was drawn; the height is kept."""
        if self.live:
            return
        known = self.height
        self.parts = []
        self._folded = known or estimate(self.message.content, self.canvas.body) + 2

    def resize(self, canvas: Canvas) -> None:
        """Another width or look: everything is drawn anew when it is looked at."""
        self.canvas = canvas
        for part in (*self.parts, self._head, self._foot):
            part.forget(canvas)
        self._folded = estimate(self.message.content, canvas.body) + 2
        self._extent = Extent(part.height for part in self.parts)

    def _set_parts(self, parts: list[Part]) -> None:
        self.parts = parts
        for part in parts:
            if not part.drawn:
                part.forget(self.canvas)
        self._extent = Extent(part.height for part in parts)

    # --- text ---------------------------------------------------------------------------------------

    def show(self, message: c.Message, *, live: bool, last: bool) -> bool:
        """The message as the host has it; while it is `live` its text comes from the stream alone.

        Returns whether anything of it looks different now.
        """
        if (message, last) == (self.message, self.last) and live == self.live:
            return False
        drawn = "".join(self._streamed) if self.live else printable(self.message.content)
        self.message, self.last = message, last
        if live and not self.live:
            self._begin()
        elif not live:
            self._piece = None
            self._end()
            if drawn != printable(message.content):
                self.parts, self._folded = [], 0
                self.fold()
        self.say(0.0)
        return True

    def _begin(self) -> None:
        """From now on text comes in pieces."""
        text = printable(self.message.content)
        self._splitter = BlockSplitter()
        self._cleaner = Cleaner()
        self._streamed = [text]
        self._cursor = len(self.message.content)
        blocks = self._splitter.feed(text)
        self._tail = TailPart(self.message.role, self._splitter.open)
        role = self.message.role
        self._set_parts([self._head, *(BlockPart(role, block) for block in blocks), self._tail, self._foot])

    def _end(self) -> None:
        """The text is whole: what was open is settled."""
        if self._splitter is not None and self._tail is not None:
            blocks = self._splitter.finish()
            role = self.message.role
            self._splitter, self._tail, self._streamed = None, None, []
            self._set_parts([*self.parts[:-2], *(BlockPart(role, block) for block in blocks), self._foot])

    def grow(self, piece: c.Piece, elapsed: float) -> int:
        """News of the stream: text, phase, or the end with the finished message.

        Returns the first row that changed.
        """
        if not self.live:
            self._begin()
        self._piece = piece
        # The message may have been shown with more text than there was when the stream was first asked for.
        known = max(self._cursor - (piece.cursor - len(piece.text)), 0)
        self._cursor = max(self._cursor, piece.cursor)
        text = self._cleaner.feed(piece.text[known:])
        if piece.result is not None:
            text += self._cleaner.flush()
            self._piece = None
        first = self._add(text)
        if piece.result is not None:
            self.message = replace(piece.result, content="".join(self._streamed))
            first = min(first, self.top(len(self.parts) - 2))
            self._end()
        return 0 if self.say(elapsed) else first

    def _add(self, text: str) -> int:
        if self._splitter is None or self._tail is None:
            return 0
        self._streamed.append(text)
        blocks = self._splitter.feed(text)
        at = len(self.parts) - 2
        first = self.top(at)
        if blocks:
            role = self.message.role
            new = [BlockPart(role, block) for block in blocks]
            for part in new:
                part.forget(self.canvas)
            self.parts[at:at] = new
            self._extent.insert(at, [part.height for part in new])
            at += len(new)
        self._tail.follow(self._splitter.open)
        changed = self._tail.grow(self.canvas)
        self._extent.set(at, self._tail.height)
        return first if blocks else first + changed

    # --- what it says of itself -----------------------------------------------------------------------

    @property
    def waiting(self) -> bool:
        """Whether a stream is followed that has not brought text yet. Until its turn nothing may have been
        heard of it.
        """
        if self._piece is None:
            return self.message.state == "queued" and self.message.stream is not None
        return self._piece.state == "waiting"

    def say(self, elapsed: float) -> bool:
        """Label, numbers and state, `elapsed` seconds of waiting; whether anything looks different."""
        mine = self.message.role == "user"
        name = "you" if mine else one_line(self.message.model or self.message.role, 40)
        head = self._head.say(name, fmt.meta(self.message, self._words.now()))
        foot = self._foot.say(self._state(elapsed))
        for part, changed in ((self._head, head), (self._foot, foot)):
            if changed:
                part.forget(self.canvas)
        if foot and self.parts:
            self.draw(len(self.parts) - 1)
        return head or foot

    def _state(self, elapsed: float) -> Said:
        message = self.message
        if message.role != "assistant":
            return ()
        if self._piece is not None:
            return self._live_line(self._piece, elapsed)
        if message.state == "queued":
            return self._queued()
        if message.state == "streaming":
            return ((CARET, "quiet"),)
        return (*self._ending(), *self._left_out())

    def _ending(self) -> Said:
        """How it ended, where it was not the model's own end."""
        message = self.message
        reason = message.stop_reason if message.state == "complete" else message.state
        if reason not in _ENDINGS:
            return ((UNSAVED, "warning"),) if message.unsaved else ()
        what, style, then = _ENDINGS[reason]
        if reason == "failed" and (message.error or "").startswith(CANCELLED):
            what, style = "■ the load was cancelled", "quiet"
        elif reason == "failed":
            what = f"{what}: {one_line(message.error or 'no reason given', 400)}"
        if then == KEPT and not message.content:
            then = ""
        elif message.unsaved:
            then = " · ".join(part for part in (IN_MEMORY, then if then != KEPT else "") if part)
        larger = "with a larger context " if cannot_fit(message) else ""
        go_on = f"{larger}{self._words.key('continue')} continues" if self.last else ""
        return _said(what, style, then, go_on)

    def _left_out(self) -> Said:
        count = self.message.trimmed
        if count <= 0:
            return ()
        messages = "message no longer fits" if count == 1 else "messages no longer fit"
        were = "was" if count == 1 else "were"
        said = f"… {count} earlier {messages} the context and {were} left out"
        return ((f" · {said}" if self._ending() else said, "quiet"),)

    def _queued(self) -> Said:
        """What it waits for before its turn, and what ends that."""
        bench = self._words.bench()
        if bench is None:
            return _said(QUEUED, "quiet", self._stops if self._piece is not None else "")
        said = f"◌ {fmt.waits_for(bench)} · {fmt.bench_stops(self._words.key)} · {self._stops} waiting"
        return ((said, "quiet"),)

    def _live_line(self, piece: c.Piece, elapsed: float) -> Said:
        """What is awaited, while nothing can be read yet."""
        if piece.phase.name == "decode":
            return ((CARET, "model"),)
        if piece.phase.name == "queued":
            return self._queued()
        style = "warning" if piece.phase.name == "stalled" else "model"
        load = self._words.load(self.message.model)
        said = fmt.phase_text(piece.phase, elapsed, load.share if load is not None else None)
        return _said(f"◔ {said}", style, self._stops)

    @property
    def _stops(self) -> str:
        return f"{self._words.key('stop')} stops"


def _said(what: str, style: str, *then: str) -> Said:
    return ((what, style), *((f" · {words}", "quiet") for words in then if words))
