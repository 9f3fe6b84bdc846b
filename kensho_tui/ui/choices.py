"""What pickers and the sidebar offer, as rows."""

from collections.abc import Iterable
from datetime import date, datetime

from kensho_tui.core import contract as c
from kensho_tui.core.text import one_line
from kensho_tui.ui import format as fmt
from kensho_tui.ui.choice_list import Choice
from kensho_tui.ui.lines import QUIET

MARKS = {
    "idle": ("·", QUIET),
    "streaming": ("◉", "$primary"),
    "interrupted": ("■", "$warning"),
    "failed": ("✗", "$error"),
}


def chat_choices(chats: Iterable[c.ChatSummary], today: date) -> list[Choice]:
    """Chats as they come (newest first), under the day each was last used, with the time."""
    rows = []
    for chat in chats:
        when = fmt.parse_date(chat.updated)
        mark, style = MARKS.get(chat.state, MARKS["idle"])
        rows.append(
            Choice(
                chat.id,
                one_line(chat.title, 200) or "untitled",
                detail=short_day(when, today) if when is not None else "",
                mark=mark,
                mark_style=style,
                group=day(when.date(), today) if when is not None else "Undated",
                under=when.strftime("%H:%M") if when is not None else "",
            )
        )
    return rows


def day(when: date, today: date) -> str:
    """``Today``, ``Yesterday``, ``Monday`` within a week, ``12 Nov``, ``3 Mar 2025``."""
    past = (today - when).days
    if past <= 1:
        return "Yesterday" if past == 1 else "Today"
    if past < 7:
        return when.strftime("%A")
    year = "" if when.year == today.year else f" {when.year}"
    return f"{when.day} {when.strftime('%b')}{year}"


def short_day(when: datetime, today: date) -> str:
    """The same in six cells: ``09:14``, ``Mon``, ``12 Nov``, ``2025``."""
    past = (today - when.date()).days
    if past < 1:
        return when.strftime("%H:%M")
    if past < 7:
        return when.strftime("%a")
    return f"{when.day} {when.strftime('%b')}" if when.year == today.year else str(when.year)


def theme_choices(names: Iterable[str], current: str) -> list[Choice]:
    """Our own themes first, then Textual's; the one in use is said."""
    ordered = sorted(names, key=lambda name: (not name.startswith("kensho"), name))
    return [Choice(name, name, "in use" if name == current else "") for name in ordered]
