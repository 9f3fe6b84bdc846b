"""What pickers offer, as rows."""

from collections.abc import Iterable
from datetime import datetime

from kensho_tui.core import contract as c
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.picker import Choice

MARKS = {"idle": "·", "streaming": "◉", "interrupted": "■", "failed": "✗"}
STATES = {"idle": "", "streaming": "answering", "interrupted": "interrupted", "failed": "failed"}


def chat_choices(chats: Iterable[c.ChatSummary], now: datetime) -> list[Choice]:
    """Chats as they come (newest first): title, then state, model and when it was last used."""
    rows = []
    for chat in chats:
        words = (
            STATES.get(chat.state, ""),
            one_line(chat.model or "", 24),
            f"{fmt.ago(chat.updated, now):>12}",
        )
        detail = "  ".join(word for word in words if word)
        rows.append(
            Choice(chat.id, one_line(chat.title, 200) or "untitled", detail, MARKS.get(chat.state, "·"))
        )
    return rows


def theme_choices(names: Iterable[str], current: str) -> list[Choice]:
    """Our own themes first, then Textual's; the one in use is marked."""
    ordered = sorted(names, key=lambda name: (not name.startswith("kensho"), name))
    return [
        Choice(name, name, "in use" if name == current else "", "●" if name == current else "·")
        for name in ordered
    ]
