"""A stream that is followed, and what of it is remembered."""

from kensho_tui.core import contract as c

LEAST_S = 0.5
"""Over a shorter time no speed is said."""


class Live:
    """A stream being followed: what came last, when following began, and when the first text was seen
    at how many tokens (monotonic seconds)."""

    def __init__(self, stream: str, since: float) -> None:
        self.stream = stream
        self.since = since
        self.piece: c.Piece | None = None
        self.first_at: float | None = None
        self.first_tokens = 0

    def take(self, piece: c.Piece, now: float) -> None:
        self.piece = piece
        if self.first_at is None and piece.state == "streaming":
            self.first_at, self.first_tokens = now, piece.tokens

    def tok_s(self, now: float) -> float:
        """Tokens written in a second since the first text; 0 until that is half a second ago."""
        if self.piece is None or self.first_at is None or now - self.first_at <= LEAST_S:
            return 0.0
        return (self.piece.tokens - self.first_tokens) / (now - self.first_at)


def resumable(messages: tuple[c.Message, ...]) -> c.Message | None:
    """The answer that `continue` goes on with: the last message, when it is one that was cut."""
    return messages[-1] if messages and messages[-1].resumable else None


def cannot_fit(message: c.Message) -> bool:
    """Whether its prompt had no room in the context, so that going on helps only with a larger one."""
    return message.state == "failed" and message.stop_reason == "context"
