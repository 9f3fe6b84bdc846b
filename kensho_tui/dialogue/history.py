"""What the model is told of a chat: its active path as turns (pure)."""

from collections.abc import Sequence

from kensho_tui.core.contract import Message
from kensho_tui.core.frames import Turn


def new_prompt(text: str) -> Message:
    """What is asked next, before it is kept."""
    return Message(
        id="",
        parent_id=None,
        role="user",
        state="complete",
        model=None,
        content=text,
        stop_reason=None,
        error=None,
        created="",
    )


def turns_for(path: Sequence[Message], system: str | None) -> tuple[Turn, ...]:
    """`path` (oldest first, up to the prompt to answer) as turns with alternating roles.

    A prompt whose answer never got to its first word is left out: many chat templates refuse two prompts
    in a row, and whoever asks again means the new one. The system prompt comes first, so that the prefix
    stays the same from turn to turn and the KV cache serves.
    """
    answered = [
        message
        for message, following in zip(path, [*path[1:], None], strict=True)
        if message.content and (following is None or following.content)
    ]
    spoken = tuple(Turn(message.role, message.content) for message in answered)
    return (Turn("system", system), *spoken) if system else spoken
