"""One-row widgets: what matters at the left, something quiet at the right."""

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

QUIET = "$foreground 55%"
GAP = 2
SEPARATOR = " · "


def quiet(text: str) -> Content:
    return Content.styled(text, QUIET)


def fitting(parts: Sequence[tuple[int, Content]], width: int, gap: int) -> list[Content]:
    """The parts that fit into `width` cells in their order; the highest numbers are dropped first."""
    kept = [part for part in parts if part[1]]
    while len(kept) > 1 and sum(p.cell_length for _, p in kept) + gap * (len(kept) - 1) > width:
        kept.remove(max(kept, key=lambda part: part[0]))
    return [content for _, content in kept]


def in_a_row(parts: Sequence[tuple[int, Content]], width: int) -> Content:
    """What of `parts` fits into `width` cells, with `SEPARATOR` between them."""
    return quiet(SEPARATOR).join(fitting(parts, width, len(SEPARATOR)))


def both_ends(left: Content, right: Content, width: int, gap: int = GAP) -> Content:
    """A row of `width` cells, `gap` of them between both at least; the left one is cut where they do not
    fit."""
    right = right.truncate(width, ellipsis=True)
    left = left.truncate(max(width - right.cell_length - (gap if right else 0), 0), ellipsis=True)
    return Content.assemble(left, " " * (width - left.cell_length - right.cell_length), right)


def key_row(keys: Sequence[tuple[str, str]], width: int) -> Content:
    """Keys and what they do, the most important first: as many as fit, without cutting one."""
    parts = [
        (rank, Content.assemble((key, "bold"), quiet(f" {does}"))) for rank, (key, does) in enumerate(keys)
    ]
    return in_a_row(parts, width)


def key_rows(keys: Sequence[tuple[str, str]], width: int) -> tuple[Content, Content]:
    """The same on two rows; the second is empty where one holds them all."""
    first = len(keys)
    while first > 1 and _key_cells(keys[:first]) > width:
        first -= 1
    return key_row(keys[:first], width), key_row(keys[first:], width)


def _key_cells(keys: Sequence[tuple[str, str]]) -> int:
    return sum(cell_len(f"{key} {does}") for key, does in keys) + len(SEPARATOR) * (len(keys) - 1)


SCREENS = ("Chat", "Models", "Metrics")


def where(place: str) -> Content:
    """The left end of a screen's first row: all screens, the one that is seen marked."""
    names = [(f"  ▸ {name}", "$primary") if name == place else quiet(f"  {name}") for name in SCREENS]
    return Content.assemble((" kensho", "bold"), *names)


class SplitLine(Widget):
    """A row with a left and a right end. When both do not fit, the left one is cut with an ellipsis."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    SplitLine { height: 1; width: 1fr; }
    """

    def __init__(
        self,
        left: Content | str = "",
        right: Content | str = "",
        *,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.left = _content(left)
        self.right = _content(right)

    def show(self, left: Content | str, right: Content | str = "") -> None:
        """Set both ends; draws only when something changed."""
        left, right = _content(left), _content(right)
        if not (left.is_same(self.left) and right.is_same(self.right)):
            self.left, self.right = left, right
            self.refresh()

    def render(self) -> Content:
        return both_ends(self.left, self.right, self.content_size.width)


class Notice(Static):
    """A line or two that come when there is something to say and go when it is over."""

    DEFAULT_CSS = """
    Notice { height: auto; max-height: 5; width: 1fr; display: none; }
    """

    _ends: Timer | None = None
    _news = False
    _said: object = None

    def say(
        self, what: str, then: str = "", style: str = QUIET, *, seconds: float = 6.0, news: bool = False
    ) -> Callable[[], None]:
        """Show `what`, and quietly what can be done, for `seconds` (0: until `say_nothing`). Returns what
        takes it back, while nothing else is shown.

        `news`: it is no answer to what somebody did, and so not over when they go on.
        """
        said = self._said = object()
        self._news = news
        if self._ends is not None:
            self._ends.stop()
        self.update(Content.assemble((what, style), quiet(f" · {then}" if then else "")))
        self.display = True
        self._ends = self.set_timer(seconds, self.say_nothing) if seconds else None

        def take_back() -> None:
            if self._said is said:
                self.say_nothing()

        return take_back

    def say_nothing(self) -> None:
        self.display = False

    @property
    def holds(self) -> bool:
        """Whether it shows what stays until somebody does something else: an error."""
        return bool(self.display) and self._ends is None and not self._news

    def give_way(self) -> None:
        """Somebody goes on: what was said of something they did is over."""
        if not self._news:
            self.say_nothing()

    def move_on(self) -> None:
        """Somebody does something else: what has no time of its own goes."""
        if self._ends is None and not self._news:
            self.say_nothing()


def _content(value: Content | str) -> Content:
    return Content(value) if isinstance(value, str) else value
