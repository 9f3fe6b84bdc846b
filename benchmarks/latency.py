"""From the worker's send to the return of a held `read`, as `ask` uses it.

The worker is the tests' scripted one: its text is the monotonic clock at the moment of sending.

    python benchmarks/latency.py [--chunks 2000] [--rate 100]
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from common import home, option_parser, percentile, report

from kensho_tui.client.facade import Kensho
from kensho_tui.core.contract import Submit

REPOSITORY = Path(__file__).resolve().parents[1]


async def measure(chunks: int, rate: float) -> list[float]:
    """Seconds from send to return, one per piece."""
    taken: list[float] = []
    async with Kensho() as kensho:
        prompt = json.dumps({"stamp": chunks, "rate": rate})
        submitted = await kensho.submit(Submit(prompt=prompt))
        async for piece in kensho.follow(submitted.stream):
            now = time.monotonic()
            taken.extend(now - float(line) for line in piece.text.split())
    return taken


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--chunks", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=100)
    arguments = parser.parse_args()
    with home() as folder:
        ready, told = os.pipe()
        host = subprocess.Popen(
            [sys.executable, "-m", "tests.support.scripted_host", str(told)], pass_fds=[told], cwd=REPOSITORY
        )
        os.close(told)
        os.read(ready, 100)
        folder.joinpath("data", "models", "scripted.gguf").write_bytes(b"GGUF")
        taken = asyncio.run(measure(arguments.chunks, arguments.rate))
        host.terminate()
        host.wait()
    report(
        "worker emits -> a held read returns it, milliseconds",
        pieces=len(taken),
        median_ms=statistics.median(taken) * 1e3,
        p95_ms=percentile(taken, 0.95) * 1e3,
        worst_ms=max(taken) * 1e3,
    )


if __name__ == "__main__":
    main()
