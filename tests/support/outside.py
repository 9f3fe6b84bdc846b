"""A turn as a bystander with a clock sees it: when text came over the bus, and how many tokens that made."""

import time
from dataclasses import dataclass

from kensho_tui.client.facade import Kensho
from kensho_tui.core.contract import Message


@dataclass(frozen=True)
class Seen:
    """Seconds and tokens per second by the reader's clock; `result` with what the host says of itself."""

    ttft_s: float
    decode_tok_s: float
    result: Message

    @property
    def ttft_off_s(self) -> float:
        """By how much the reader's first text came later than the host's."""
        return self.ttft_s - (self.result.timings.ttft_s if self.result.timings else 0.0)

    @property
    def decode_off(self) -> float:
        """By which share the reader's speed differs from the host's."""
        said = self.result.timings.decode_tok_s if self.result.timings else 0.0
        return self.decode_tok_s / said - 1 if said else -1.0


async def watch(kensho: Kensho, stream: str, began: float) -> Seen:
    """Read `stream` to its end; `began`: monotonic seconds when its prompt was sent.

    A read that is held returns with the text of one token, or of some where the reader was slow. Either way
    so many tokens were there at that moment: the speed is the tokens after the first text by the time since.
    """
    arrivals: list[tuple[float, int]] = []
    async for piece in kensho.follow(stream):
        if piece.text:
            arrivals.append((time.monotonic(), piece.tokens))
    if piece.result is None or len(arrivals) < 2:
        raise RuntimeError("the answer was too short to be measured")
    (first, had), (last, has) = arrivals[0], arrivals[-1]
    return Seen(first - began, (has - had) / (last - first), piece.result)
