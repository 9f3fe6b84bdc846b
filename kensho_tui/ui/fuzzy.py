"""Fuzzy matching of a few letters with short texts, in linear time (also for `eeee` in a long title)."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

START_POINTS = 2.0
RUN_POINTS = 2.0
GAP_POINTS = 0.1


@dataclass(frozen=True)
class Match:
    """How good it is (higher is better), and the indices of the characters that matched."""

    score: float
    at: tuple[int, ...]


class Query:
    """What was typed: words in any order, each of which must be found, its letters in order.

    Case and accents make no difference.
    """

    def __init__(self, text: str) -> None:
        self._words = [fold(word) for word in text.split()]

    def __bool__(self) -> bool:
        return bool(self._words)

    def match(self, text: str) -> Match | None:
        """The match with `text`; None: a word is not in it."""
        folded = fold(text)
        score = 0.0
        at: set[int] = set()
        for word in self._words:
            found = _find(word, folded)
            if found is None:
                return None
            score += _score(found, folded)
            at.update(found)
        return Match(score, tuple(sorted(at)))


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """`text` in lower case without accents, character for character (so that indices stay true)."""
    return text.lower() if text.isascii() else "".join(map(_fold_one, text))


def _fold_one(character: str) -> str:
    base, *marks = list(unicodedata.normalize("NFD", character))
    # Only what is written on top of a letter goes; Hangul falls apart into letters of their own.
    return (base if all(map(unicodedata.combining, marks)) else character).lower()[:1]


def _find(word: str, text: str) -> Sequence[int] | None:
    """Where the letters of `word` are: together, best at the start of a word, else as close as they come."""
    whole = text.find(word)
    at = whole
    while at >= 0:
        if _starts_word(at, text):
            return range(at, at + len(word))
        at = text.find(word, at + 1)
    return range(whole, whole + len(word)) if whole >= 0 else _scattered(word, text)


def _scattered(word: str, text: str) -> list[int] | None:
    """The first place where all letters have come, then back from its end, which brings them together."""
    at = -1
    for letter in word:
        at = text.find(letter, at + 1)
        if at < 0:
            return None
    found = []
    at += 1
    for letter in reversed(word):
        at = text.rfind(letter, 0, at)
        found.append(at)
    return found[::-1]


def _starts_word(at: int, text: str) -> bool:
    return at == 0 or not text[at - 1].isalnum()


def _score(found: Sequence[int], text: str) -> float:
    """Points for every letter; more at the start of a word and next to the one before; less for gaps."""
    score = 0.0
    for index, at in enumerate(found):
        score += 1.0
        if _starts_word(at, text):
            score += START_POINTS
        if index and found[index - 1] == at - 1:
            score += RUN_POINTS
    return score - GAP_POINTS * (found[-1] - found[0] + 1 - len(found))
