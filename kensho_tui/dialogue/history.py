"""What the model is told of a chat: its active path as turns (pure)."""

from collections.abc import Iterable

from kensho_tui.core.contract import Message
from kensho_tui.core.frames import Turn


def turns_for(path: Iterable[Message], system: str | None) -> tuple[Turn, ...]:
    """`path` (oldest first) as turns with alternating roles.

    An answer that was stopped before its first word leaves two prompts in a row, and many chat templates
    refuse that: neighbours of one role become one turn. The system prompt comes first, so that the
    prefix stays the same from turn to turn and the KV cache serves.
    """
    turns = [Turn("system", system)] if system else []
    for message in path:
        if not message.content:
            continue
        if turns and turns[-1].role == message.role:
            turns[-1] = Turn(message.role, f"{turns[-1].content}\n\n{message.content}")
        else:
            turns.append(Turn(message.role, message.content))
    return tuple(turns)


def can_resume(message: Message) -> bool:
    """Whether an answer can go on: it was cut short by anything but the model itself."""
    if message.role != "assistant" or message.stream is not None:
        return False
    if message.state in ("stopped", "failed", "interrupted"):
        return True
    return message.state == "complete" and message.stop_reason in ("length", "context")
