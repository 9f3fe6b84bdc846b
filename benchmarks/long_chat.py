"""A chat of 2,000 messages: how soon it is usable, and how soon a page is turned.

* open: the app shows a short chat; the list of chats is opened and filtered down to the long one. From the
  write() of Enter to the chunk after which the last word of its last message stands on the screen
  (`shown`), and on to the chunk after which a letter, typed as soon as that is seen, stands in the prompt
  (`usable`). A fresh app each round, the host stays. Goal for `usable`: median at most 300 ms. `short` is
  the floor of the same run: the same way into a chat of two messages.
* page: from the write() of PageUp to the last byte of the first frame that changed the transcript
  (`frame`), at least 40 presses, half a second apart. Goal: p95 at most 50 ms. `settled`: to the last byte
  of the last such frame before the next press. `unmoved`: presses after which nothing changed in time; they
  count as half a second.

    python benchmarks/long_chat.py [--rounds 5] [--presses 48] [--messages 2000] [--stock]
"""

import asyncio
import statistics
import time
from collections.abc import Mapping

from common import option_parser, percentile, report
from glass import Bursts, Echoes, Key, replayed
from material import mix, store_chat
from stage import CTRL_R, ENTER, STOCK, milliseconds, scripted_home, start_app

from kensho_tui.client.facade import Kensho
from kensho_tui.config.paths import Paths
from kensho_tui.core.contract import Submit

LONG, SHORT = "Lighthouse", "Windmill"
LAST_WORD = {LONG: "endoflong", SHORT: "endofshort"}
ANSWER_TOKENS = 120
PAGE_UP = "\x1b[5~"
PRESS_GAP_S = 0.5


async def store(paths: Paths, messages: int) -> None:
    """The app opens the last one at its start."""
    answer = mix(ANSWER_TOKENS)
    await store_chat(paths, LONG, messages, answer, f"{answer}\n\nThe last word is {LAST_WORD[LONG]}.")
    await store_chat(paths, SHORT, 2, answer, f"{answer}\n\nThe last word is {LAST_WORD[SHORT]}.")
    await store_chat(paths, "Breakwater", 2, "Nothing to see here.")


def opened(title: str, env: Mapping[str, str]) -> tuple[float, float]:
    """Seconds from Enter in the list of chats to the chat's last word, and to a letter typed then."""
    with start_app(env=env) as glass:
        glass.send(CTRL_R)
        glass.wait_for(title)
        glass.send(title)
        other = SHORT if title == LONG else LONG
        glass.wait_until(lambda: other not in glass.text(), "the list to be filtered")
        time.sleep(1.0)
        entered = glass.send(ENTER)
        shown = glass.wait_for(LAST_WORD[title])
        key = Key(glass.send("q"), "q")
        glass.wait_until(lambda: glass.screen().prompt()[1] == "q", "the letter")
        echoes = Echoes([key])
        for when, screen in replayed(list(glass.chunks)):
            echoes.look(when, screen)
    return shown - entered, key.when + echoes.seconds[0] - entered


async def make_newest(title: str) -> None:
    """Another turn in the chat, so that an app opens it at its start."""
    async with Kensho() as kensho:
        chat = next(found for found in await kensho.chats() if found.title == title)
        submitted = await kensho.submit(Submit(prompt="One more", chat=chat.id))
        async for _ in kensho.follow(submitted.stream):
            pass


def turned(presses: int, env: Mapping[str, str]) -> tuple[list[float], list[float], int]:
    """Seconds to the first frame after each press and to the last; how many presses changed nothing."""
    with start_app(env=env) as glass:
        glass.wait_for("One more")
        time.sleep(1.0)
        times = []
        for _ in range(presses):
            times.append(glass.send(PAGE_UP))
            time.sleep(PRESS_GAP_S)
        bursts = Bursts()
        for when, screen in replayed(list(glass.chunks)):
            bursts.look(when, screen)
    frames = [bursts.changes(at, at + PRESS_GAP_S) for at in times]
    first = [found[0].end - at if found else PRESS_GAP_S for at, found in zip(times, frames, strict=True)]
    last = [found[-1].end - at if found else PRESS_GAP_S for at, found in zip(times, frames, strict=True)]
    return first, last, sum(not found for found in frames)


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--presses", type=int, default=48)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--stock", action="store_true", help="with Textual's own drawing")
    arguments = parser.parse_args()
    env = STOCK if arguments.stock else {}
    found: dict[str, list[tuple[float, float]]] = {LONG: [], SHORT: []}
    with scripted_home(lambda paths: store(paths, arguments.messages)):
        for _ in range(arguments.rounds):
            for title, times in found.items():
                times.append(opened(title, env))
        asyncio.run(make_newest(LONG))
        first, last, unmoved = turned(arguments.presses, env)
    report(
        f"a chat of {arguments.messages} messages: opening it, turning its pages",
        drawing="stock" if arguments.stock else "own",
        open={
            name: {
                "shown_ms": statistics.median(shown for shown, _ in found[title]) * 1e3,
                "usable_ms": statistics.median(usable for _, usable in found[title]) * 1e3,
                "usable_worst_ms": percentile([usable for _, usable in found[title]], 1.0) * 1e3,
            }
            for name, title in (("long", LONG), ("short", SHORT))
        },
        page={
            "presses": arguments.presses,
            "unmoved": unmoved,
            **{f"frame_{name}": value for name, value in milliseconds(first).items()},
            **{f"settled_{name}": value for name, value in milliseconds(last).items()},
        },
    )


if __name__ == "__main__":
    main()
