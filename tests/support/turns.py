"""Small things that tests of turns share."""

import json

from kensho_tui.client.facade import Kensho
from kensho_tui.core.contract import Message, Piece, Submit, Submitted


def script(**fields: object) -> str:
    """A prompt that tells the scripted worker what to do."""
    return json.dumps(fields)


async def submit(kensho: Kensho, prompt: str, chat: str | None = None, **more: object) -> Submitted:
    return await kensho.submit(Submit(prompt=prompt, chat=chat, **more))  # type: ignore[arg-type]


async def read_to_end(kensho: Kensho, stream: str, cursor: int = 0) -> tuple[str, Message]:
    """All text from `cursor` on, and the finished message."""
    parts: list[str] = []
    piece: Piece | None = None
    async for piece in kensho.follow(stream, cursor):
        parts.append(piece.text)
    assert piece is not None and piece.result is not None
    return "".join(parts), piece.result


async def read_until(kensho: Kensho, stream: str, length: int) -> str:
    """The text once it has at least `length` characters, or the stream's end."""
    text = ""
    async for piece in kensho.follow(stream):
        text += piece.text
        if len(text) >= length:
            break
    return text


async def wait_for_phase(kensho: Kensho, stream: str, name: str) -> None:
    async for piece in kensho.follow(stream):
        assert piece.state != "ended", f"ended before {name}: {piece.result}"
        if piece.phase.name == name:
            return
