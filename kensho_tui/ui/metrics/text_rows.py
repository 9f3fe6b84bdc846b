"""Lines of text that are drawn again only where they changed."""

from collections.abc import Sequence

from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget


class TextRows(Widget):
    """As high as it has rows; what is wider than it is cut."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    TextRows { width: 1fr; height: auto; }
    """

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._rows: list[Content] = []
        self.styles.height = 0

    def show(self, rows: Sequence[Content]) -> None:
        before, self._rows = self._rows, list(rows)
        if len(before) != len(rows):
            self.styles.height = len(rows)
            self.refresh()
            return
        width = self.size.width
        changed = [
            Region(0, at, width, 1)
            for at, (old, new) in enumerate(zip(before, rows, strict=True))
            if not new.is_same(old)
        ]
        if changed:
            self.refresh(*changed)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.content_size.width
        row = self._rows[y] if y < len(self._rows) else Content()
        row = row.truncate(width, ellipsis=True)
        return Visual.to_strips(self, row, width, 1, self.visual_style, pad=True)[0]
