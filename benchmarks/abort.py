"""Stop during a long prefill: from the abort to the stopped row, to an idle worker, to the next prefill.

python benchmarks/abort.py [--rounds 7]
"""

import asyncio
import statistics
import time

from common import home, option_parser, report

from kensho_tui.client.facade import Kensho
from kensho_tui.core.contract import Submit

LONG = " ".join(f"The ship number {number} left the harbour at dawn." for number in range(400))


async def one_round(kensho: Kensho, number: int) -> dict[str, float]:
    """Seconds after the abort at which each thing was so."""
    submitted = await kensho.submit(Submit(prompt=f"{number}. {LONG}"))
    async for piece in kensho.follow(submitted.stream):
        if piece.phase.name == "prefill" and piece.phase.done > 0:
            break
    started = time.perf_counter()
    await kensho.abort(submitted.stream)
    result = None
    async for piece in kensho.follow(submitted.stream):
        result = piece.result
    if result is None or result.state != "stopped":
        raise RuntimeError(f"not stopped: {result}")
    stopped = time.perf_counter() - started
    while (await kensho.status()).workers[0].state != "ready":
        await asyncio.sleep(0.001)
    idle = time.perf_counter() - started
    following = await kensho.submit(Submit(prompt=f"{number}. {LONG}"))
    async for piece in kensho.follow(following.stream):
        if piece.phase.name == "prefill":
            break
    begun = time.perf_counter() - started
    await kensho.abort(following.stream)
    return {"stopped": stopped, "idle": idle, "next_prefill": begun}


async def measure(rounds: int) -> list[dict[str, float]]:
    async with Kensho() as kensho:
        await one_round(kensho, -1)
        return [await one_round(kensho, number) for number in range(rounds)]


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    with home():
        rounds = asyncio.run(measure(parser.parse_args().rounds))
    report(
        "seconds from an abort in a long prefill until …",
        **{f"{name}_median": statistics.median(r[name] for r in rounds) for name in rounds[0]},
        **{f"{name}_worst": max(r[name] for r in rounds) for name in rounds[0]},
    )


if __name__ == "__main__":
    main()
