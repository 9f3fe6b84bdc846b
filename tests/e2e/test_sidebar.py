"""The sidebar in a real terminal, where a slow line brings many keys in one go."""

import pytest

from tests.support.home import Home
from tests.support.terminal import Terminal

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40)])
def test_open_search_choose_and_type_in_one_write(scripted: Home, columns: int, lines: int) -> None:
    for title in ("Trip to Kyoto", "Rust lifetimes", "Why is the sky blue?"):
        assert scripted.run("ask", title).returncode == 0
    with Terminal(columns=columns, lines=lines) as terminal:
        terminal.wait_for("You said: Why is the sky blue")
        terminal.send("\x12trio\x7fp\rand Osakb\x7fa?")
        terminal.wait_for("› and Osaka\\?")
        terminal.wait_for("You said: Trip to Kyoto")
        terminal.send("\r")
        terminal.wait_for("You said: and Osaka")
        assert "Trip to Kyoto" in terminal.text().splitlines()[0]
        terminal.send("\x1bOQ")  # F2
        terminal.wait_for("Enter open")
        terminal.send("\x1bOQ")
        terminal.wait_gone("Chats ")
        terminal.send("\x11")
        assert terminal.wait_end() == 0
