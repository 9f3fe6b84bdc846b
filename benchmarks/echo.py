"""How soon a typed letter stands in the prompt while an answer streams at 50 tok/s.

A key every 60 to 100 ms, irregularly, at least 200 of them. The echo is the time from the write() of the
key to the read() of the chunk after which the prompt on the emulated screen shows it with all before it.
Four streams, each in an app of its own, in one run:

* prose: paragraphs with bold, 400 tokens on the screen before;
* fence: one open block of Python that grows beyond 4,000 tokens;
* list: one list that grows beyond 400 items;
* history: prose in a chat with 400 earlier messages.

Goal: p95 at most 40 ms in each. `idle` is the floor of the same run: the same keys with nothing streaming.
Keys that were never shown count as if shown when the recording ended (`never_shown`).

    python benchmarks/echo.py [--rounds 1] [--keys 200] [--stock]
"""

import time
from collections.abc import Mapping

import material
from common import option_parser, report
from glass import Echoes, replayed
from stage import (
    STOCK,
    TAIL_S,
    Stream,
    milliseconds,
    scripted_home,
    start_app,
    submit,
    type_keys,
    typing_seconds,
)

from kensho_tui.config.paths import Paths
from tests.support.home import Home

RATE = 50
HEAD = 400
FENCE_TOKENS = 4000
ITEMS = 400
EARLIER = 400
KINDS = ("idle", "prose", "fence", "list", "history")


def stream_of(kind: str, home: Home, keys: int) -> Stream:
    """The answer that is typed beside: it lasts as long as the typing."""
    more = int(RATE * (typing_seconds(keys) + 1))
    head = HEAD
    if kind == "fence":
        head = max(FENCE_TOKENS - more // 2, HEAD)
        text = material.fence(head + more)
    elif kind == "list":
        # The list reaches its 400 items while it is measured.
        head = max(int(len(material.items(ITEMS)) / material.TOKEN) - more // 2, HEAD)
        text = material.items(2 * ITEMS)[: int((head + more) * material.TOKEN)]
    else:
        text = material.prose(head + more)
    return Stream(kind, text, head, RATE, home.root)


def measure(kind: str, keys: int, env: Mapping[str, str]) -> tuple[list[float], int]:
    """Seconds of each echo, and how many keys never were shown."""
    with scripted_home(store if kind == "history" else None) as home, start_app(env=env) as glass:
        if kind != "idle":
            stream = stream_of(kind, home, keys)
            submit(glass, stream.prompt())
            time.sleep(stream.wait_begun() - time.monotonic())
        echoes = Echoes(type_keys(glass, keys))
        if kind != "idle" and len(stream.sent()) == len(stream.pieces()):
            raise RuntimeError(f"{kind}: the stream ended before the typing")
        time.sleep(TAIL_S)
        ended = time.monotonic()
        for when, screen in replayed(list(glass.chunks)):
            echoes.look(when, screen)
    return echoes.seconds, echoes.end(ended)


async def store(paths: Paths) -> None:
    await material.store_chat(paths, "A long talk", EARLIER, material.mix(120))


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--stock", action="store_true", help="with Textual's own drawing")
    arguments = parser.parse_args()
    taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
    never = dict.fromkeys(KINDS, 0)
    for _ in range(arguments.rounds):
        for kind in KINDS:
            seconds, lost = measure(kind, arguments.keys, STOCK if arguments.stock else {})
            taken[kind] += seconds
            never[kind] += lost
    report(
        f"from a key to its echo while {RATE} tok/s stream",
        drawing="stock" if arguments.stock else "own",
        cases={
            kind: {"keys": len(taken[kind]), "never_shown": never[kind], **milliseconds(taken[kind])}
            for kind in KINDS
        },
    )


if __name__ == "__main__":
    main()
