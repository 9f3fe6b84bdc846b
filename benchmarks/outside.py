"""The figures that are shown, against a clock outside, with SmolLM2.

Goals: decode tok/s within 2 %, TTFT within 10 ms, a worker's RAM within 2 % of the system's own figure.

* bus: a client submits and reads; its clock against the message's `timings`.
* app: Enter in a pty, a client beside it reads the same stream, and the screen is searched for the figures at
  the end. TTFT is from the write() of Enter, which is before the host's; `glass` is when the first word stood
  on the emulated screen.
* pipe: `ask` through a pipe; tokens after the first by the time from the first byte to the last.

Which of the times is right: the host stamps text one hop before whoever reads it. So the reader is later by
what the bus and the scheduler take, never sooner; of a speed both ends are late, and the difference counts.
Medians are of the runs' own differences.

    python benchmarks/outside.py [--rounds 9] [--tokens 128]
"""

import asyncio
import json
import os
import re
import statistics
import subprocess
import time
from collections.abc import Sequence

import psutil
from cached import shown
from common import KENSHO, home, option_parser, report
from glass import Glass
from stage import start_app, submit_anew

from kensho_tui.client.facade import Kensho
from kensho_tui.core.contract import Message, Submit
from kensho_tui.core.model_contract import CHANGE, ChangeModel, Defaults
from kensho_tui.core.sample_contract import SAMPLES, ReadSamples
from kensho_tui.ui import format as fmt
from tests.support.outside import Seen, watch

MODEL = "SmolLM2-135M-Instruct.Q4_1"
# The worker's figure is a moment older than the system's.
SAMPLE_WAIT_S = 10.0


def prompt(number: int) -> str:
    return f"Tell a long story, number {number}, of the sea and a lighthouse."


async def over_bus(kensho: Kensho, number: int) -> Seen:
    began = time.monotonic()
    asked = await kensho.submit(Submit(prompt=prompt(number)))
    return await watch(kensho, asked.stream, began)


async def newest(kensho: Kensho, said: str) -> Message:
    """The answer to `said`, as soon as it is there."""
    while True:
        if await kensho.chats():
            messages = (await kensho.chat()).messages
            if len(messages) > 1 and messages[-2].content == said and messages[-1].stream:
                return messages[-1]
        await asyncio.sleep(0.001)


async def in_app(kensho: Kensho, glass: Glass, number: int) -> tuple[Seen, float, bool]:
    """What the client saw, seconds until a first word was drawn, and whether the screen tells the figures."""
    began = await asyncio.to_thread(submit_anew, glass, prompt(number))
    answer = await newest(kensho, prompt(number))
    seen = await watch(kensho, answer.stream or "", began)
    await asyncio.sleep(1)
    text, timings = glass.text(), seen.result.timings
    told = timings is not None and all(
        figure in text for figure in (fmt.speed(timings.decode_tok_s), f"TTFT {fmt.seconds(timings.ttft_s)}")
    )
    return seen, shown(glass, began, await first_word(kensho, number)), told


async def first_word(kensho: Kensho, number: int) -> str:
    """The first of the newest answer that is not in its prompt."""
    words = re.findall(r"\w+", (await kensho.chat()).messages[-1].content)
    return next(word for word in words if word not in prompt(number))


def through_pipe(number: int) -> float:
    """Tokens per second from the first to the last byte of `ask`, over those that the message tells; - 1."""
    ours, theirs = os.pipe()
    process = subprocess.Popen([*KENSHO, "ask", prompt(number)], stdout=theirs, stderr=subprocess.DEVNULL)
    os.close(theirs)
    times = []
    while os.read(ours, 1 << 16):
        times.append(time.monotonic())
    os.close(ours)
    process.wait()
    message = asyncio.run(last_message())
    if message.usage is None or message.timings is None:
        raise RuntimeError(f"the answer ended as {message.state}")
    # The newline after the text comes with the end, and is no token.
    ended = times[-2] if len(times) > 2 else times[-1]
    return (message.usage.completion_tokens - 1) / (ended - times[0]) / message.timings.decode_tok_s - 1


async def last_message() -> Message:
    async with Kensho() as kensho:
        return (await kensho.chat()).messages[-1]


async def memory(kensho: Kensho) -> float:
    """The worker's RAM as sampled over the system's figure; - 1."""
    worker = (await kensho.call(SAMPLES, ReadSamples(wait=SAMPLE_WAIT_S))).samples[-1].workers[0]
    return float(worker.ram / psutil.Process(worker.pid).memory_info().rss - 1)


def summary(runs: Sequence[Seen]) -> dict[str, float]:
    """Medians, and the worst by amount."""
    late = [one.ttft_off_s * 1e3 for one in runs]
    off = [one.decode_off * 100 for one in runs]
    return {
        "ttft_late_ms": statistics.median(late),
        "ttft_late_worst_ms": max(late, key=abs),
        "decode_off_percent": statistics.median(off),
        "decode_off_worst_percent": max(off, key=abs),
    }


async def measure(rounds: int, tokens: int) -> dict[str, object]:
    async with Kensho(front_end=True) as kensho:
        await kensho.call(CHANGE, ChangeModel(model=MODEL, defaults=Defaults(max_tokens=tokens)))
        await over_bus(kensho, 0)  # loads the model
        bus = [await over_bus(kensho, number) for number in range(1, rounds + 1)]
        with start_app() as glass:
            app = [await in_app(kensho, glass, number) for number in range(100, 100 + rounds)]
        return {
            "bus": summary(bus),
            "app": {
                **summary([seen for seen, _, _ in app]),
                "glass_ttft_ms": statistics.median(drawn for _, drawn, _ in app) * 1e3,
                "told_on_screen": sum(told for _, _, told in app),
            },
            "ram_off_percent": 100 * await memory(kensho),
        }


def in_metrics() -> dict[str, float]:
    """The medians of all these runs as `metrics --json` has them."""
    done = subprocess.run([*KENSHO, "metrics", "--json"], stdout=subprocess.PIPE, check=True)
    timings = [one["timings"] for one in json.loads(done.stdout)["generations"]]
    return {
        "ttft_ms": statistics.median(one["ttft_s"] for one in timings) * 1e3,
        "decode_tok_s": statistics.median(one["decode_tok_s"] for one in timings),
    }


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tokens", type=int, default=128)
    arguments = parser.parse_args()
    with home("preload = false\n"):
        found = asyncio.run(measure(arguments.rounds, arguments.tokens))
        pipe = [100 * through_pipe(number) for number in range(200, 200 + arguments.rounds)]
        report(
            "figures that are shown, and a clock outside",
            rounds=arguments.rounds,
            **found,
            pipe_decode_off_percent=statistics.median(pipe),
            in_metrics=in_metrics(),
        )


if __name__ == "__main__":
    main()
