"""CPU of the front end until its prompt is usable, over a bare Textual app with header, text area, footer.

Both run in a pseudo-terminal with the same size and variables; "usable" is a typed word on the screen. CPU is
the front end's own, user and system, without the host, which runs already and has one saved chat.

    python benchmarks/start.py [--rounds 7]
"""

import os
import signal
import statistics
import sys

from common import KENSHO, ask, home, median_ratio, option_parser, report

from tests.support.terminal import Terminal

BARE = """
from textual.app import App
from textual.widgets import Footer, Header, TextArea
class Bare(App):
    def compose(self):
        yield Header()
        yield TextArea()
        yield Footer()
Bare().run()
"""
WORD = "zqzqz"


def cpu_until_usable(command: tuple[str, ...], sign: str) -> float:
    """CPU seconds of `command` when `WORD`, typed as soon as `sign` is on the screen, stands there."""
    with Terminal(command, columns=120, lines=40) as terminal:
        terminal.wait_for(sign)
        terminal.send(WORD)
        terminal.wait_for(WORD)
        terminal.process.send_signal(signal.SIGKILL)
        # What a process used is told exactly at its end, and in steps of 10 ms before that.
        _, terminal.process.returncode, used = os.wait4(terminal.process.pid, 0)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    ours: list[float] = []
    bare: list[float] = []
    with home("preload = false\n"):
        ask("--max-tokens", "60", "What is a REST API?")
        for number in range(-1, arguments.rounds):
            found = cpu_until_usable((sys.executable, "-c", BARE), "palette")
            mine = cpu_until_usable(KENSHO, "› Ask anything")
            if number >= 0:
                bare.append(found)
                ours.append(mine)
    report(
        "front end CPU until the prompt is usable, over a bare Textual app",
        kensho_s=statistics.median(ours),
        bare_s=statistics.median(bare),
        ratio=statistics.median(ours) / statistics.median(bare),
        paired=median_ratio(ours, bare),
    )


if __name__ == "__main__":
    main()
