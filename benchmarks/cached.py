"""A cached answer in the real app with SmolLM2: from Enter to its last words on the screen.

Once the model is asked, in a fresh host; then the same prompt again and again, each time in a new chat, and
once more after each of some restarts of host and app, where no model is loaded. Times are from the write() of
Enter to the read() of the chunk after which the emulated screen shows the end of the answer.

Beside them stands what the machine took for the least there is (`floor`): Enter to the first byte of the app,
which draws an empty prompt then. `host` is from the call to the reply of the same prompt, sent by a client
without a screen.

Goals: at most 30 ms, and at most a tenth of the first time.

    python benchmarks/cached.py [--rounds 20] [--restarts 5]
"""

import asyncio
import statistics
import time

from common import home, option_parser, report, stop_host
from glass import Glass, Replay
from stage import milliseconds, start_app, submit_anew

from kensho_tui.client.facade import Kensho
from kensho_tui.core.contract import Submit

PROMPT = "What is a REST API?"
SETTINGS = "preload = false\ncache_answers = true\n"
WHOLE = " tok/s"
"""Stands beside an answer that a model has just ended."""


async def answer() -> str:
    """The newest answer, once it has ended."""
    async with Kensho() as kensho:
        while True:
            await asyncio.sleep(0.5)
            if await kensho.chats() and (last := (await kensho.chat()).messages[-1]).state == "complete":
                return last.content


async def workers() -> int:
    async with Kensho() as kensho:
        return len((await kensho.status()).workers)


def shown(glass: Glass, since: float, words: str) -> float:
    """Seconds from `since` until `words` stood in the transcript."""
    screen = Replay()
    for when, data in list(glass.chunks):
        screen.feed(data)
        if when > since and any(words in row for row in screen.transcript()):
            return when - since
    raise RuntimeError(f"{words!r} was never shown:\n{glass.text()}")


def echoed(glass: Glass, since: float) -> float:
    """Seconds from `since` until the app wrote anything."""
    return next(when for when, _ in glass.chunks if when > since) - since


async def replies(rounds: int) -> list[float]:
    """Seconds from the call to the reply that brings the whole answer."""
    took = []
    async with Kensho() as kensho:
        for _ in range(rounds):
            await asyncio.sleep(0.2)
            began = time.monotonic()
            submitted = await kensho.submit(Submit(prompt=PROMPT, show=True))
            took.append(time.monotonic() - began)
            if submitted.shown is None or not submitted.shown.messages[-1].cached:
                raise RuntimeError("the reply brought no answer")
    return took


def restarted(words: str) -> float:
    """Seconds of the first one that a fresh app gets of a fresh host."""
    stop_host()
    with start_app() as glass:
        began = submit_anew(glass, PROMPT)
        time.sleep(1)
        return shown(glass, began, words)


def measure(rounds: int, restarts: int) -> dict[str, object]:
    """The first answer, the others, those after a restart, and the workers then."""
    with start_app() as glass:
        began = submit_anew(glass, PROMPT)
        words = asyncio.run(answer()).split()[-1]
        time.sleep(1)
        first = shown(glass, began, WHOLE)
        again, floor = [], []
        for _ in range(rounds):
            began = submit_anew(glass, PROMPT)
            time.sleep(1)
            again.append(shown(glass, began, words))
            floor.append(echoed(glass, began))
    host = asyncio.run(replies(rounds))
    after = [restarted(words) for _ in range(restarts)]
    return {
        "first_s": first,
        **milliseconds(again),
        "best_ms": min(again) * 1e3,
        "floor_ms": statistics.median(floor) * 1e3,
        "host_ms": statistics.median(host) * 1e3,
        "times_sooner": first / statistics.median(again),
        "after_restart_ms": statistics.median(after) * 1e3,
        "after_restart_worst_ms": max(after) * 1e3,
        "workers_after_restart": asyncio.run(workers()),
    }


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--restarts", type=int, default=5)
    arguments = parser.parse_args()
    with home(SETTINGS):
        found = measure(arguments.rounds, arguments.restarts)
    report("a cached answer, from Enter to its last words on the screen", **found)


if __name__ == "__main__":
    main()
