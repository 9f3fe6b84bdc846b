"""Decode tok/s of the starter while the app draws it: over the bare loop, and over other thread counts.

For each number of decode threads from 1 to the usable cores there is a host of its own (`threads` in its
settings) with the starter loaded, and one that chooses by itself as the default is; each with the app in a
pty of 120x40 that answers `CSI 6n`. Beside them stands the bare loop of floor.py. They take turns, one
decodes while the others rest, in another order each round; the first round warms up. In the app each answer
is a new chat, sent by keys and stopped with Esc after about `--tokens` tokens (or 20 seconds); its speed is
the worker's own figure for that answer.

* over_bare: the app's decode speed with `--threads` over the bare loop's with as many, round by round,
  median. Goal: at least 0.95.
* over_best: the median of the default over the best of the medians at all fixed numbers, all of them
  measured while the app draws. Goal: at least 0.85.

    python benchmarks/drawn_decode.py [--rounds 5] [--tokens 400] [--threads 1] [--stock]
"""

import asyncio
import contextlib
import statistics
import time
from collections.abc import Iterator, Mapping

from common import PROMPT, TEMPLATE, home, median_ratio, option_parser, report, starter
from floor import Floor
from glass import Glass
from stage import CTRL_N, ESC, READY, STOCK, start_app

from kensho_tui.client.facade import Kensho
from kensho_tui.config.paths import Paths, find_paths
from kensho_tui.core.contract import Message
from kensho_tui.hardware.cpu import usable_cores

AUTO, BARE = 0, -1  # besides numbers of threads
TEMPERATURE = 0.8
CALM_S = 1.0
ASK_S = 0.25
ANSWER_S = 20.0


class Drawn:
    """A host that decodes with so many threads (0: as it chooses), and an app that draws what it says."""

    def __init__(self, paths: Paths, glass: Glass) -> None:
        self._paths = paths
        self._glass = glass

    def round(self, tokens: int) -> dict[str, float]:
        """One answer of about `tokens` tokens: how many there were, and the worker's tokens per second."""
        self._glass.send(CTRL_N)
        time.sleep(CALM_S)
        self._glass.send(PROMPT)
        self._glass.wait_for("never arrived")
        self._glass.send("\r")
        asyncio.run(self._wait_tokens(tokens))
        self._glass.send(ESC)
        answer = asyncio.run(self._wait_end())
        if answer.usage is None or answer.timings is None:
            raise RuntimeError(f"no figures: {answer}")
        self._glass.wait_for(READY)
        time.sleep(CALM_S)
        return {"tokens": answer.usage.completion_tokens, "decode_tok_s": answer.timings.decode_tok_s}

    async def _wait_tokens(self, tokens: int) -> None:
        """Until the answer has so many tokens, or took very long. Asking is seldom: the host is measured."""
        async with Kensho(self._paths) as kensho:
            while not await kensho.chats() or (stream := (await self._last(kensho)).stream) is None:
                await asyncio.sleep(0.05)
            deadline = time.monotonic() + ANSWER_S
            while time.monotonic() < deadline:
                piece = await kensho.read(stream)
                if piece.state == "ended" or piece.tokens >= tokens:
                    break
                await asyncio.sleep(ASK_S)

    async def _wait_end(self) -> Message:
        async with Kensho(self._paths) as kensho:
            while (answer := await self._last(kensho)).stream is not None:
                await asyncio.sleep(0.05)
        return answer

    @staticmethod
    async def _last(kensho: Kensho) -> Message:
        return (await kensho.chat(None)).messages[-1]


@contextlib.contextmanager
def drawn(threads: int, env: Mapping[str, str]) -> Iterator[Drawn]:
    with home(f"threads = {threads}\n"), start_app(env=env) as glass:
        yield Drawn(find_paths(), glass)


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--threads", type=int, default=1, help="of the bare loop, and of the app beside it")
    parser.add_argument("--stock", action="store_true", help="with Textual's own drawing")
    arguments = parser.parse_args()
    counts = list(range(1, usable_cores() + 1))
    apps: dict[int, list[dict[str, float]]] = {threads: [] for threads in [AUTO, *counts]}
    bare: list[float] = []
    with contextlib.ExitStack() as stack:
        env = STOCK if arguments.stock else {}
        stages = {threads: stack.enter_context(drawn(threads, env)) for threads in apps}
        prompt = TEMPLATE.format(PROMPT)
        floor = Floor(starter(), arguments.threads, arguments.tokens, prompt, TEMPERATURE)
        stack.callback(floor.close)
        for number in range(-1, arguments.rounds):
            order = [BARE, *apps]
            turn = number % len(order)
            for threads in order[turn:] + order[:turn]:
                if threads == BARE:
                    bare.append(floor.round()["decode_tok_s"])
                else:
                    apps[threads].append(stages[threads].round(arguments.tokens))
    speeds = {threads: [one["decode_tok_s"] for one in found[1:]] for threads, found in apps.items()}
    medians = {threads: statistics.median(found) for threads, found in speeds.items()}
    report(
        "decode tok/s of the starter while the app draws it",
        drawing="stock" if arguments.stock else "own",
        bare_tok_s=statistics.median(bare[1:]),
        drawn_tok_s={threads or "default": speed for threads, speed in medians.items()},
        over_bare=median_ratio(speeds[arguments.threads], bare[1:]),
        over_best=medians[AUTO] / max(medians[threads] for threads in counts),
        bare_each=bare[1:],
        drawn_each={threads or "default": found for threads, found in speeds.items()},
    )


if __name__ == "__main__":
    main()
