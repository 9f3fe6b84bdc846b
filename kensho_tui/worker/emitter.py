"""Sends an answer's text as chunks: what is ready when the pipe is free."""

from kensho_tui.core.frames import Chunk
from kensho_tui.worker.link import Link


class Emitter:
    """Chunks of generation ``id``; ``sequence`` counts those sent."""

    def __init__(self, link: Link, generation: str) -> None:
        self._link = link
        self._id = generation
        self._waiting = ""
        self._tokens = 0
        self.prompt_tokens = 0
        self.sequence = 0

    def emit(self, text: str, tokens: int) -> None:
        """Send `text` now if the pipe takes it, else with the next; `tokens` counts all so far."""
        self._waiting += text
        self._tokens = tokens
        if self._link.try_send(self._chunk()):
            self.sequence += 1
            self._waiting = ""

    def flush(self, text: str) -> None:
        """Send what waits and `text`, however long that takes."""
        self._waiting += text
        if self._waiting:
            self._link.send(self._chunk())
            self.sequence += 1
            self._waiting = ""

    def _chunk(self) -> Chunk:
        return Chunk(
            id=self._id,
            sequence=self.sequence,
            text=self._waiting,
            tokens=self._tokens,
            prompt_tokens=self.prompt_tokens,
        )
