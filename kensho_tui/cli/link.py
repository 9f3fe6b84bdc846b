"""The commands' link to the host."""

import sys
from typing import TYPE_CHECKING

from kensho_tui.cli.drawn_line import DrawnLine, can_redraw
from kensho_tui.core.text import one_line

if TYPE_CHECKING:
    from kensho_tui.client.facade import Kensho
    from kensho_tui.client.launch import Launched


def link(*, warm: bool = False, launched: "Launched | None" = None) -> "Kensho":
    """To be entered. What keeps a host that starts from listening is seen on stderr, where somebody looks."""
    from kensho_tui.client.facade import Kensho

    kensho = Kensho(warm=warm, launched=launched)
    if can_redraw(sys.stderr):
        line = DrawnLine(sys.stderr)

        def told() -> None:
            line.draw(one_line(f"The host is {kensho.starting} …", line.columns) if kensho.starting else "")

        kensho.told = told
    return kensho
