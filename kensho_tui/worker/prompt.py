"""From turns to the bytes of a prompt."""

from collections.abc import Callable

from kensho_tui.core.frames import Turn
from kensho_tui.core.text import valid
from kensho_tui.worker.template import ChatTemplate


class PromptWriter:
    """Writes prompts for one model. ``bos`` is the text its tokenizer puts in front, or empty."""

    def __init__(self, template: ChatTemplate | None, bos: str) -> None:
        self._template = template
        self._bos = bos

    def write(self, turns: tuple[Turn, ...], prefix: str, aborted: Callable[[], bool]) -> bytes:
        """The prompt of `turns`, and `prefix`, the part of the answer that stands already."""
        text = plain(turns) if self._template is None else self._template.render(turns, aborted)
        if not text.startswith(self._bos):
            text = self._bos + text
        return (text + valid(prefix)).encode()


def plain(turns: tuple[Turn, ...]) -> str:
    """`turns` as text for a base model, which has no turns but only goes on with a text.

    An answer follows its prompt directly, because it was written as the prompt's continuation; everything
    else begins after a blank line.
    """
    parts: list[str] = []
    before = None
    for turn in turns:
        if parts and not (turn.role == "assistant" and before == "user"):
            parts.append("\n\n")
        parts.append(turn.content)
        before = turn.role
    return "".join(parts)
