"""What drawing a stream costs, and how soon its text is on the glass.

The app runs in a pty of 120x40 with a real host and a scripted worker, which sends a fixed Markdown mix by
absolute deadlines: 400 tokens at once, two seconds of rest, then the measured part, 600 tokens at 50 tok/s
and 2,400 at 200 tok/s (both twelve seconds). Nothing is typed; the terminal answers `CSI 6n`.

* bytes_per_token: all bytes from the first measured token until half a second after the last one
  (`end_bytes`: those of that half second). Goal: at most 50; with a sidebar open at most 350.
* front_percent, host_percent: CPU of the front end and the host in the same time, over the stream's own
  seconds. Goals: front end at most 6 % at 50 tok/s and 10 % at 200, host 3 % and 5 %.
* glass_*: from the worker's send of a mark (one word in five) to the read of the chunk after which it
  stands on the emulated screen. Goal: p95 at most 150 ms.
* updates_s: frames a second that changed the transcript (writes closer than 10 ms count as one frame, so
  that it says nothing about `ask`). Goal: at least 8.
* first_token: from the worker's send of an answer's first token to the chunk that shows it, median over
  prompts. Goal: at most 60 ms.

`ask` is the floor of the same run: `kensho-tui ask` writes the same stream to the same pty as plain text.
`--stock` adds the app with KENSHO_DRAWING=plain, Textual's own drawing.

    python benchmarks/stream.py [--rounds 1] [--seconds 12] [--prompts 12] [--stock] [--mute]
"""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from common import KENSHO, option_parser, report
from glass import ANSWERS, MUTE, Answers, Bursts, Glass, Sightings, replayed
from material import mix, store_chat
from stage import (
    CTRL_N,
    STOCK,
    TAIL_S,
    Cpu,
    Stream,
    milliseconds,
    open_sidebar,
    scripted_home,
    start_app,
    submit,
)

from kensho_tui.config.paths import Paths
from tests.support.home import Home
from tests.support.turns import script

Figures = dict[str, float]

HEAD = 400
RATES = (50, 200)
# More chats than the empty screen lists: one of the first is only seen in the sidebar.
TITLES = tuple(f"Tide {number:02d}" for number in range(1, 13))


@dataclass(frozen=True)
class Case:
    """One way to draw one stream."""

    name: str
    rate: int
    front: str = "app"
    sidebar: bool = False
    env: Mapping[str, str] = field(default_factory=dict)


def cases(stock: bool) -> list[Case]:
    found = [Case(f"app_{rate}", rate) for rate in RATES]
    found.append(Case("app_50_sidebar", 50, sidebar=True))
    if stock:
        found += [Case(f"stock_{rate}", rate, env=STOCK) for rate in RATES]
    return found + [Case(f"ask_{rate}", rate, front="ask") for rate in RATES]


def measure(case: Case, home: Home, seconds: float, answers: Answers) -> Figures | None:
    """The figures of one case; None where there is no sidebar to open."""
    stream = Stream(case.name, mix(HEAD + int(case.rate * seconds)), HEAD, case.rate, home.root)
    if case.front == "ask":
        with Glass([*KENSHO, "ask", stream.prompt()], answers=answers) as glass:
            return watch(glass, stream, home)
    with start_app(answers=answers, env=case.env) as glass:
        glass.send(CTRL_N)
        if case.sidebar and not open_sidebar(glass, TITLES[2]):
            return None
        submit(glass, stream.prompt())
        return watch(glass, stream, home)


def watch(glass: Glass, stream: Stream, home: Home) -> Figures:
    begin = stream.wait_begun()
    time.sleep(begin - time.monotonic())
    cpu = Cpu(glass.process.pid, home.host_pid())
    time.sleep(begin + stream.seconds + TAIL_S - time.monotonic())
    front, host = cpu.used()
    sent = stream.wait_sent()
    time.sleep(TAIL_S)
    end, marks = sent[-1], stream.marks()
    sightings, bursts = Sightings(marks, begin), Bursts()
    for when, screen in replayed(glass.chunks):
        sightings.look(when, screen)
        bursts.look(when, screen)
    tokens = len(sent) - stream.head
    return {
        "tokens": tokens,
        "seconds": end - begin,
        "bytes_per_token": glass.bytes_between(begin, end + TAIL_S) / tokens,
        "end_bytes": glass.bytes_between(end, end + TAIL_S),
        "front_percent": 100 * front / (end - begin),
        "host_percent": 100 * host / (end - begin),
        **{
            f"glass_{name}": value
            for name, value in milliseconds([w - marks[m] for m, w in sightings.seen.items()]).items()
        },
        "marks": len(marks),
        "marks_unseen": len(sightings.missing),
        "updates_s": len(bursts.changes(begin, end)) / (end - begin),
    }


def first_tokens(home: Home, prompts: int) -> list[float]:
    """Seconds from the first token's sending to the glass, one per prompt."""
    sent: dict[str, float] = {}
    with start_app() as glass:
        glass.send(CTRL_N)
        for number in range(prompts):
            mark, path, log = f"first{number:03d}", home.root / f"{number}.md", home.root / f"{number}.log"
            path.write_text(f"{mark} and so on, a few words more", encoding="utf-8")
            submit(glass, script(file=str(path), piece=9, rate=50, prefill_s=0.4, log=str(log)))
            time.sleep(2.0)
            sent[mark] = float(log.read_text(encoding="utf-8").split()[0])
        sightings = Sightings(sent, 0.0)
        for when, screen in replayed(glass.chunks):
            sightings.look(when, screen)
    return [sightings.seen[mark] - when for mark, when in sent.items()]


async def store(paths: Paths) -> None:
    for title in TITLES:
        await store_chat(paths, title, 2, "Stored.")


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--stock", action="store_true", help="Textual's own drawing beside ours")
    parser.add_argument("--mute", action="store_true", help="a terminal that does not answer CSI 6n")
    arguments = parser.parse_args()
    answers = MUTE if arguments.mute else ANSWERS
    found: dict[str, list[Figures]] = {}
    missing: set[str] = set()
    with scripted_home(store) as home:
        for _ in range(arguments.rounds):
            for case in cases(arguments.stock):
                figures = measure(case, home, arguments.seconds, answers)
                if figures is None:
                    missing.add(case.name)
                else:
                    found.setdefault(case.name, []).append(figures)
        first = first_tokens(home, arguments.prompts)
    report(
        "a stream drawn: bytes per token, CPU in per cent of a core, text to glass",
        rounds=arguments.rounds,
        cases={
            name: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
            for name, rounds in found.items()
        },
        not_there=sorted(missing),
        first_token=milliseconds(first),
    )


if __name__ == "__main__":
    main()
