"""CPU of app and host while nothing happens, an answer on the screen: per cent of one core.

python benchmarks/idle.py [--seconds 30]
"""

import argparse
import sys
import time
from pathlib import Path

import psutil
from common import KENSHO, ask, home, report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.support.terminal import Terminal

SETTLE_S = 12.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    arguments = parser.parse_args()
    with home() as folder:
        ask("--max-tokens", "80", "What is a REST API?")
        with Terminal(KENSHO, columns=120, lines=40) as terminal:
            terminal.wait_for("TTFT")
            time.sleep(SETTLE_S)  # the cursor stops blinking ten seconds after the last key
            watched = {
                "app": psutil.Process(terminal.process.pid),
                **{
                    name: process
                    for process in psutil.process_iter()
                    for name in ("host", "worker")
                    if f"kensho_tui.{name}" in process.cmdline()
                    and process.environ().get("KENSHO_HOME") == str(folder)
                },
            }
            before = {name: process.cpu_times() for name, process in watched.items()}
            time.sleep(arguments.seconds)
            used = {
                f"{name}_percent": 100
                * (sum(process.cpu_times()[:2]) - sum(before[name][:2]))
                / arguments.seconds
                for name, process in watched.items()
            }
            terminal.kill()
    report("idle, an answer on the screen: per cent of a core", seconds=arguments.seconds, **used)


if __name__ == "__main__":
    main()
