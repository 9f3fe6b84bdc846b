"""The text that benchmarks read: plain words, always the same (pure)."""

_SOURCE = (
    "the old house by the river had a small garden where people from the town came to sit and talk about "
    "their work and the weather while children ran between trees and a dog looked at them with great "
    "interest because every day some new game began that nobody had seen before and all were happy to "
    "watch until the sun went down and it was time to walk home again along the quiet road"
)
_WORDS = _SOURCE.split()
TOKENS_A_WORD = 1.2
"""Where a tokenizer does not tell."""


def text(count: int) -> str:
    """So many words, in sentences of twelve."""
    words = [_WORDS[at * 7 % len(_WORDS)] for at in range(count)]
    sentences = (" ".join(words[at : at + 12]) for at in range(0, count, 12))
    return ". ".join(sentences)


class Scale:
    """How many words make a prompt of so many tokens: ``fixed`` are the template's, ``each`` a word's."""

    def __init__(self, shorter: tuple[int, int], longer: tuple[int, int]) -> None:
        """Of two prompts their words and tokens."""
        words, tokens = longer[0] - shorter[0], longer[1] - shorter[1]
        self.each = tokens / words if words > 0 and tokens > 0 else TOKENS_A_WORD
        self.fixed = max(shorter[1] - self.each * shorter[0], 0.0)

    def words(self, tokens: int) -> int:
        return max(round((tokens - self.fixed) / self.each), 1)
