"""From the bytes of tokens to text that may be shown: whole characters, and nothing of a stop sequence."""

import codecs
from collections.abc import Callable, Iterable


class TextStream:
    """Feeds on the bytes of one token at a time and gives the text that is certain.

    A token may cut a character, so bytes wait for the rest of theirs; bytes that are no UTF-8 become U+FFFD.
    Text waits only while it could be the start of a stop sequence. Once ``stopped`` is true, the text given
    ended right before the stop sequence.
    """

    def __init__(self, stop: Iterable[str] = ()) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._stop = tuple(sequence for sequence in stop if sequence)
        self._longest = max(map(len, self._stop), default=0)
        self._held = ""
        self.stopped = False
        # ``feed(data)`` gives the text that became certain with `data`. Without stop sequences it is the
        # decoder itself, so that the common case costs one C call per token.
        self.feed: Callable[[bytes], str] = self._feed if self._stop else self._decode

    def _feed(self, data: bytes) -> str:
        return self._release(self._decode(data))

    def finish(self, *, complete: bool) -> str:
        """The text still held back. A cut character at the end is dropped when the answer is not
        ``complete``: continuing it will say the character again."""
        return self._finish(self._decode(b"", True) if complete else "")

    def _finish(self, last: str) -> str:
        if self.stopped:
            return ""
        text = self._release(last) if self._stop else last
        held, self._held = self._held, ""
        return text if self.stopped else text + held

    def _release(self, text: str) -> str:
        if self.stopped or not text:
            return ""
        text = self._held + text
        found = [at for at in (text.find(sequence) for sequence in self._stop) if at >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        hold = self._possible_start(text)
        self._held = text[len(text) - hold :]
        return text[: len(text) - hold]

    def _possible_start(self, text: str) -> int:
        """Length of the longest end of `text` with which a stop sequence begins."""
        for size in range(min(self._longest - 1, len(text)), 0, -1):
            end = text[-size:]
            if any(sequence.startswith(end) for sequence in self._stop):
                return size
        return 0
