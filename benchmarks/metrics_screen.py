"""CPU of the app with the metrics screen open, beside the chat at rest: per cent of one core.

python benchmarks/metrics_screen.py [--seconds 20]

A real host that samples once a second, with a scripted worker and no GPU (``bare``), and with eight scripted
GPUs whose figures change with every sample (``eight``). ``chat``: the app at rest, nobody typing, nothing
sampled. ``metrics``: the screen open, in a terminal of 120x40. ``host``: what the host takes meanwhile. Goal:
at most 3 % for the screen.
"""

import argparse
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from common import option_parser, report
from stage import STILL_S, Cpu, scripted_home, start_app

from kensho_tui.hardware import nvml
from kensho_tui.host.main import run
from tests.support.nvml import Card, ScriptedNvml
from tests.support.scripted_host import SCRIPTED_WORKER

CARDS = 8
GIB = 1 << 30
F4 = "\x1bOS"


class Busy(ScriptedNvml):
    """Cards of which every figure is another one each second."""

    def _swing(self, handle: int) -> int:
        return int(time.monotonic() * 7 + 13 * handle) % 97

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        return SimpleNamespace(gpu=self._swing(handle), memory=0)

    def nvmlDeviceGetMemoryInfo(self, handle: int, version: int | None = None) -> Any:
        self._card(handle).used = self._swing(handle) * GIB // 2
        return super().nvmlDeviceGetMemoryInfo(handle, version)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        return 70_000 + 5_000 * self._swing(handle)


def host(ready: int) -> int:
    """The scripted host with eight GPUs, in this process."""
    session = nvml.Nvml(Busy(*(Card() for _ in range(CARDS))))
    nvml.session = lambda: session  # type: ignore[assignment]
    return run(ready, None, SCRIPTED_WORKER)


@contextlib.contextmanager
def cards_in_the_host() -> Iterator[None]:
    """Hosts that are started meanwhile have them."""
    popen = subprocess.Popen

    def started(command: Any, **options: Any) -> Any:
        if "tests.support.scripted_host" in command:
            command = [sys.executable, __file__, "--host", command[-1]]
        return popen(command, **options)

    subprocess.Popen = started  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        subprocess.Popen = popen  # type: ignore[misc]


def measure(seconds: float, sign: str) -> dict[str, float]:
    """Per cent of a core in each state; `sign` is seen when the screen shows what it should."""
    with scripted_home() as home, start_app() as glass:
        found = {}
        for name in ("chat", "metrics"):
            if name == "metrics":
                glass.send(F4)
                glass.wait_for(sign)
            time.sleep(STILL_S)
            cpu = Cpu(glass.process.pid, home.host_pid())
            time.sleep(seconds)
            app, behind = cpu.used()
            found[name] = 100 * app / seconds
            found[f"{name}_host"] = 100 * behind / seconds
        return found


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--host", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.host is not None:
        sys.exit(host(arguments.host))
    bare = measure(arguments.seconds, "CPU")
    with cards_in_the_host():
        eight = measure(arguments.seconds, f"GPU ×{CARDS}")
    report(
        "the metrics screen: per cent of a core",
        seconds=arguments.seconds,
        **{f"bare_{name}": value for name, value in bare.items()},
        **{f"eight_{name}": value for name, value in eight.items()},
    )


if __name__ == "__main__":
    main()
