"""What the KV cache holds: token ids with the text they stand for, matched against the next prompt by text.

An answer that is tokenised again gives other ids than were sampled in a quarter of the cases, and every token
behind the first difference would be evaluated once more. So a prompt that begins with the text of the ids
kept keeps the ids, and only the rest of it is tokenised.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

Tokenize = Callable[[bytes], list[int]]

_BLANK = b" \t\n\r"


class Token(NamedTuple):
    """What a token id stands for: the bytes shown, and those in a prompt (special tokens by their names).

    ``ends`` an answer; ``control`` tokens separate texts; ``special`` are they and all others that
    are found before the text between them is split.
    """

    shown: bytes
    written: bytes
    ends: bool
    control: bool
    special: bool


Look = Callable[[int], Token]


class Plan(NamedTuple):
    """Keep the first ``keep`` ids, then evaluate ``ids`` (at least one), which stand for ``pieces``."""

    keep: int
    ids: list[int]
    pieces: list[bytes]


class Restored(NamedTuple):
    """``plan`` goes on from a saved cache; None: it was not used, ``refused`` says what is wrong with it."""

    plan: Plan | None = None
    refused: str = ""


class KeptState(NamedTuple):
    """What `Kept` knows, to be saved: ``ends[n]`` is where in ``text`` the bytes of id n end."""

    ids: Sequence[int]
    ends: Sequence[int]
    text: bytes


class Kept:
    """Ids evaluated, in order, with the bytes of the prompt that each covers.

    ``pieces`` may be fewer than the ids: behind a token whose text could not be found in the prompt (a
    tokenizer that rewrites its input) only ids are compared.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self.ids: list[int] = []
        self._ends: list[int] = []
        self._text = bytearray()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def text(self) -> bytes:
        return bytes(self._text)

    @property
    def state(self) -> KeptState:
        return KeptState(tuple(self.ids), tuple(self._ends), self.text)

    def become(self, state: KeptState) -> None:
        """Hold what `state` tells, and nothing else."""
        self.ids = list(state.ids)
        self._ends = list(state.ends)
        self._text = bytearray(state.text)

    def append(self, token: int, piece: bytes) -> None:
        if len(self._ends) == len(self.ids):
            self._text += piece
            self._ends.append(len(self._text))
        self.ids.append(token)

    def extend(self, ids: Sequence[int], pieces: Sequence[bytes]) -> None:
        """Add `ids`; `pieces` may be fewer, then the text of the others is unknown."""
        known = len(self._ends) == len(self.ids)
        self.ids.extend(ids)
        if known:
            for piece in pieces[: len(ids)]:
                self._text += piece
                self._ends.append(len(self._text))

    def truncate(self, size: int) -> None:
        """Forget all ids from index `size` on."""
        del self.ids[size:], self._ends[size:]
        del self._text[self._end(len(self._ends)) :]

    def _end(self, count: int) -> int:
        return self._ends[count - 1] if count else 0

    def plan(self, prompt: bytes, tokenize: Tokenize) -> Plan:
        """How to get to `prompt` with the fewest tokens to evaluate; no ids for an empty prompt."""
        common = common_prefix(self._text, prompt)
        by_text = self._by_text(prompt, common, tokenize)
        if by_text is not None and common == len(self._text) and len(self._ends) == len(self.ids):
            return by_text
        whole = tokenize(prompt)
        same = 0
        for ours, theirs in zip(self.ids, whole, strict=False):
            if ours != theirs:
                break
            same += 1
        if by_text is not None and by_text.keep >= min(same, len(whole) - 1):
            return by_text
        pieces = align(whole, prompt, self._look, at_start=True)
        keep = max(0, min(same, len(whole) - 1))
        return Plan(keep, whole[keep:], pieces[keep:])

    def _by_text(self, prompt: bytes, common: int, tokenize: Tokenize) -> Plan | None:
        keep = self._boundary(common, len(prompt))
        if keep == 0:
            return None
        end = self._end(keep)
        if end == len(prompt):  # all of it is there: the last token is evaluated again for its logits
            last = keep - 1
            return Plan(last, [self.ids[last]], [bytes(self._text[self._end(last) : end])])
        rest = prompt[end:]
        ids = tokenize(rest)
        after_special = self._look(self.ids[keep - 1]).special
        pieces = align(ids, rest, self._look, at_start=after_special)
        if not ids or len(pieces) < len(ids):
            return None
        return Plan(keep, ids, pieces)

    def _boundary(self, common: int, size: int) -> int:
        """The number of ids to keep when `common` bytes agree with a prompt of `size` bytes.

        All ids, when all of their text agrees; the ids that make up the whole prompt; else as far as the
        last control token, because no token of the new text can reach across one.
        """
        count = bisect_right(self._ends, common)
        if common == len(self._text) or (common == size and self._end(count) == size):
            return count
        while count and not self._look(self.ids[count - 1]).control:
            count -= 1
        return count


def common_prefix(one: bytes | bytearray, other: bytes) -> int:
    """Number of bytes in which both begin alike."""
    low, high = 0, min(len(one), len(other))
    left, right = memoryview(one), memoryview(other)
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def align(ids: Sequence[int], text: bytes, look: Look, at_start: bool) -> list[bytes]:
    """The bytes of `text` that each of `ids` covers; fewer than `ids` when they stop agreeing.

    Tokenizers add a space before text that follows nothing or a special token, and drop white space beside
    special tokens: both are allowed for. `at_start` says whether `text` follows such a place.
    """
    covered: list[bytes] = []
    at = 0
    for token in ids:
        found = look(token)
        wanted = found.written
        if not text.startswith(wanted, at):
            if at_start and wanted[:1] == b" " and text.startswith(wanted[1:], at):
                wanted = wanted[1:]
            elif covered and (found.special or at_start):
                skipped = _blanks(text, at)
                if not skipped or not text.startswith(wanted, at + len(skipped)):
                    return covered
                covered[-1] += skipped
                at += len(skipped)
            else:
                return covered
        covered.append(wanted)
        at += len(wanted)
        at_start = found.special
    if at < len(text):
        if text[at:].strip(_BLANK) or not covered:
            return covered[:-1]
        covered[-1] += text[at:]
    return covered


def _blanks(text: bytes, at: int) -> bytes:
    end = at
    while end < len(text) and text[end] in _BLANK:
        end += 1
    return text[at:end]
