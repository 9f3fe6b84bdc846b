"""Scenes for tests: random changes, a differ that draws them, and a model of what should stand there."""

from collections.abc import Callable
from dataclasses import dataclass, field
from unicodedata import category

from hypothesis import strategies as st
from rich.cells import split_graphemes

from kensho_tui.ui.drawing.cells import Piece, is_odd_text
from kensho_tui.ui.drawing.differ import Frame, FrameDiffer
from kensho_tui.ui.drawing.sgr import PLAIN, Look
from tests.drawing.emulators import Cell, Emulator, attributes_of, codes_of

CLUSTERS = [
    *"abc xyz",
    " ",
    " ",
    "  ",
    "é",
    "─",
    "┃",
    "世",
    "界",
    "한",
    "✅",
    "e\u0301",
    "नि",
    "👩\u200d💻",
    "🇩🇪",
]
CLUSTERS += ["❤\ufe0f", "👍🏽", "\u00ad", "\u0301", "\u200b", "\x1b", "\x07", "\x9b", "\ue0b0", "\U0001fae9"]
REGULAR = [cluster for cluster in CLUSTERS if not is_odd_text(cluster) and cluster.isprintable()]
COLOURS = ["", "38;2;1;2;3", "38;2;200;100;50", "38;5;77", "31", "97"]
GROUNDS = ["", "48;2;9;8;7", "48;5;20", "44"]

looks = st.builds(
    Look,
    st.sampled_from([0, 0, 0, 1, 2, 3, 4, 9, 64, 256, 513, 8]),
    st.sampled_from(COLOURS),
    st.sampled_from(GROUNDS),
)


def pieces_of(clusters: list[str]) -> st.SearchStrategy[list[Piece]]:
    text = st.lists(st.sampled_from(clusters), max_size=8).map("".join)
    return st.lists(st.tuples(text, looks), max_size=4)


def short(clusters: list[str]) -> st.SearchStrategy[list[Piece]]:
    return st.tuples(st.sampled_from(clusters), looks).map(lambda piece: [piece])


pieces = st.one_of(pieces_of(REGULAR), pieces_of(CLUSTERS), short(REGULAR), short(CLUSTERS))


def laid_out(pieces: list[Piece]) -> list[tuple[str, Look]]:
    """Clusters and the columns they go on over, as Rich measures them."""
    cells: list[tuple[str, Look]] = []
    for text, look in pieces:
        clean = "".join(char for char in text if category(char) != "Cc")
        for first, last, width in split_graphemes(clean)[0]:
            if width:
                cells += [(clean[first:last], look), *[("", look)] * (width - 1)]
            elif any(cluster for cluster, _ in cells):
                head = max(at for at, (cluster, _) in enumerate(cells) if cluster)
                cells[head] = (cells[head][0] + clean[first:last], cells[head][1])
    return cells


@dataclass
class Model:
    """What should stand on the screen, by simple rules of its own."""

    width: int
    height: int
    rows: list[list[tuple[str, Look]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = [[(" ", PLAIN)] * self.width for _ in range(self.height)]

    def put(self, x: int, y: int, pieces: list[Piece]) -> None:
        row, new = self.rows[y], laid_out(pieces)
        room = self.width - x
        if new[room:] and not new[room][0]:
            while not new[room - 1][0]:
                room -= 1
                new[room] = (" ", new[room][1])
            new[room - 1] = (" ", new[room - 1][1])
        for at, cell in enumerate(new[: self.width - x], x):
            self._cut(row, at)
            row[at] = cell

    def _cut(self, row: list[tuple[str, Look]], x: int) -> None:
        """Blank the whole of the cluster that column `x` is a part of."""
        first, last = x, x + 1
        while row[first][0] == "" and first:
            first -= 1
        while last < self.width and row[last][0] == "":
            last += 1
        for at in range(first, last):
            row[at] = (" ", row[at][1])

    def odd(self, y: int) -> bool:
        return is_odd_text("".join(cluster for cluster, _ in self.rows[y]))

    def cells(self, y: int) -> list[Cell]:
        return [(cluster, attributes_of(look)) for cluster, look in self.rows[y]]


class Scene:
    """A differ, a terminal of a `kind` that shows its frames, and the model of what was wanted."""

    def __init__(self, kind: Callable[[int, int], Emulator], width: int, height: int) -> None:
        self.kind = kind
        self.cursor = (0, 0)
        self.resize(width, height)
        self.differ = FrameDiffer(width, height)
        self.repaint([[]] * height)

    def resize(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.terminal = self.kind(width, height)
        self.terminal.spoil()
        self.model = Model(width, height)

    def repaint(self, rows: list[list[Piece]]) -> None:
        self.model = Model(self.width, self.height)
        for y, row in enumerate(rows[: self.height]):
            self.model.put(0, y, row)
        for y in range(self.height):
            self.differ.put_row(y, rows[y] if y < len(rows) else [])

    def scroll(self, top: int, bottom: int, by: int, coming_in: list[Piece]) -> None:
        """Move the rows top..bottom up by `by`; the rows that come in are `coming_in`."""
        old = list(self.model.rows)
        for y in range(top, bottom):
            self.model.rows[y] = list(old[y + by]) if top <= y + by < bottom else [(" ", PLAIN)] * self.width
            if not top <= y + by < bottom:
                self.model.put(0, y, coming_in)
            # Clusters apart: written as one piece, their marks and joiners would join them.
            self.differ.put_row(y, [(cluster, look) for cluster, look in self.model.rows[y] if cluster])

    def frame(self, budget: int | None = None) -> Frame:
        frame = self.differ.frame(self.cursor, budget)
        self.terminal.feed(frame.text)
        return frame

    def check(self) -> None:
        for y in range(self.height):
            expected = self.in_sequence(y) if self.model.odd(y) else self.model.cells(y)
            assert self.terminal.cells(y) == expected, f"row {y}"
        assert (self.terminal.cursor.x, self.terminal.cursor.y) == self.cursor

    def in_sequence(self, y: int) -> list[Cell]:
        """What the terminal makes of a row written as a whole, whatever stood there."""
        terminal, row = self.kind(self.width, 1), self.model.rows[y]
        terminal.feed(f"{plainly(row[-1][1])}\x1b[2K" + "".join(plainly(look) + text for text, look in row))
        return terminal.cells(0)


def lines(*texts: str) -> list[list[Piece]]:
    return [[(text, PLAIN)] for text in texts]


@st.composite
def steps(draw: st.DrawFn) -> tuple[str, list[object]]:
    what = draw(st.sampled_from(["repaint", "part", "part", "scroll", "scroll", "forget", "resize", "state"]))
    number = st.integers(0, 30)
    return what, [draw(number), draw(number), draw(number), draw(st.lists(pieces, min_size=1, max_size=8))]


def plainly(look: Look) -> str:
    return f"\x1b[{codes_of(look)}m"


def act(scene: Scene, what: str, one: int, two: int, three: int, rows: list[list[Piece]]) -> None:
    if what == "repaint":
        scene.repaint(rows)
    elif what == "part":
        for offset, row in enumerate(rows[:3]):
            x, y = one % scene.width, (two + offset) % scene.height
            scene.model.put(x, y, row)
            scene.differ.put(x, y, row)
    elif what == "scroll":
        top, bottom = sorted((one % (scene.height + 1), two % (scene.height + 1)))
        scene.scroll(top, bottom, three % 5 - 2, rows[0])
    elif what == "forget":
        scene.terminal.spoil()
        scene.differ.forget()
    elif what == "state":
        scene.terminal.feed("\x1b[0;5;32m\x1b[2;2H")
        scene.differ.forget_state()
    else:
        scene.resize(3 + one, 1 + two % 8)
        scene.differ.resize(scene.width, scene.height)
        scene.repaint(rows)
    scene.cursor = (one % scene.width, two % scene.height)


Change = tuple[list[tuple[str, list[object]]], int | None]
"""Steps, and the budget of the frame that draws them."""

sizes = st.tuples(st.integers(3, 16), st.integers(1, 8))
changes = st.lists(
    st.tuples(st.lists(steps(), min_size=1, max_size=3), st.sampled_from([None, None, 1, 40])), max_size=6
)


def play(scene: Scene, frames: list[Change]) -> None:
    """Draw all frames and check what stands there after each."""
    for some, budget in frames:
        for what, arguments in some:
            act(scene, what, *arguments)  # type: ignore[arg-type]
        for _ in range(scene.height + 2):
            if (frame := scene.frame(budget)).complete:
                break
        assert frame.complete
        scene.check()
        assert scene.frame().text == ""
