"""CPU of app and host while nothing happens, an answer on the screen: per cent of one core.

python benchmarks/idle.py [--seconds 30]
"""

import time

import psutil
from common import KENSHO, ask, home, option_parser, report
from stage import STILL_S, Cpu

from tests.support.terminal import Terminal


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    arguments = parser.parse_args()
    with home() as folder:
        ask("--max-tokens", "80", "What is a REST API?")
        with Terminal(KENSHO, columns=120, lines=40) as terminal:
            terminal.wait_for("TTFT")
            time.sleep(STILL_S)
            watched = {
                "app": terminal.process.pid,
                **{
                    name: process.pid
                    for process in psutil.process_iter()
                    for name in ("host", "worker")
                    if f"kensho_tui.{name}" in process.cmdline()
                    and process.environ().get("KENSHO_HOME") == str(folder)
                },
            }
            cpu = Cpu(*watched.values())
            time.sleep(arguments.seconds)
            used = {
                f"{name}_percent": 100 * taken / arguments.seconds
                for name, taken in zip(watched, cpu.used(), strict=True)
            }
            terminal.kill()
    report("idle, an answer on the screen: per cent of a core", seconds=arguments.seconds, **used)


if __name__ == "__main__":
    main()
