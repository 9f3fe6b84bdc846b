"""The same frames in tmux: text, colours and attributes as it keeps them."""

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.drawing.capture import Pane, attributes_of
from tests.drawing.emulators import codes_of
from tests.drawing.scenes import Change, Scene, changes, play, sizes
from tests.support.home import Home
from tests.support.terminal import READY
from tests.support.tmux import Tmux
from tests.support.turns import script

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


@pytest.fixture(scope="module")
def pane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pane]:
    pane = Pane(tmp_path_factory.mktemp("tmux"))
    yield pane
    pane.close()


class TmuxScene(Scene):
    """Rows that terminals measure differently are not compared; those around them are."""

    terminal: Pane  # type: ignore[assignment]

    def check(self) -> None:
        rows = self.terminal.rows()
        for y, row in enumerate(self.model.rows):
            if not self.model.odd(y):
                wanted = [(char, attributes_of(codes_of(look))) for char, look in row if char]
                missing = [(" ", attributes_of("0"))] * (len(wanted) - len(rows[y]))
                assert rows[y] + missing == wanted, f"row {y}"
        assert self.terminal.position == self.cursor


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(sizes, changes)
def test_tmux_shows_what_is_wanted(pane: Pane, size: tuple[int, int], frames: list[Change]) -> None:
    play(TmuxScene(pane.fresh, *size), frames)  # type: ignore[arg-type]


def wait_same(one: Tmux, other: Tmux, seconds: float = 30) -> None:
    """Cursors blink, and numbers come when they come."""
    deadline = time.monotonic() + seconds
    while (first := one.capture()) != (second := other.capture()):
        assert time.monotonic() < deadline, [
            pair for pair in zip(first, second, strict=True) if len({*pair}) > 1
        ]
        time.sleep(0.03)


def test_the_app_in_tmux_looks_the_same_drawn_either_way(scripted: Home, tmp_path: Path) -> None:
    text = (
        "A **bold** start, `code`, *more* and wide: 世界 ✅.\n\n* one\n* two é\n\n```python\nx = 1\n```\n\n"
    )
    app = f"{sys.executable} -m kensho_tui"
    panes = []
    try:
        for name, how in (("differ", ""), ("plain", "KENSHO_DRAWING=plain ")):
            (tmp_path / name).mkdir()
            panes.append(tmux := Tmux(tmp_path / name, 80, 24))
            tmux.start(how + app)
            tmux.wait_for(READY if name == "differ" else "You said: hello")
            if name == "differ":
                tmux("send-keys", "hello", "Enter")
                tmux.wait_for("You said: hello")
        differ, plain = panes
        differ("send-keys", "-l", script(text=text * 6, piece=4, rate=200))
        differ("send-keys", "Enter")
        for tmux in panes:
            tmux.wait_for("x = 1")
            tmux.wait_for("tok/s")
        wait_same(differ, plain)
        for key in ("PageUp", "C-p", "Escape", "F1", "Escape"):
            for tmux in panes:
                tmux("send-keys", key)
            time.sleep(0.3)
            wait_same(differ, plain)
        for tmux in panes:
            tmux("resize-window", "-x", "70", "-y", "20")
        time.sleep(0.3)
        wait_same(differ, plain)
    finally:
        for tmux in panes:
            tmux.close()
