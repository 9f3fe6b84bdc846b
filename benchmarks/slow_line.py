"""A line of 2 KB/s while an answer streams at 50 tok/s: is typing still prompt, and is the last frame right?

The reader of the pty brings bytes no faster than the line, in steps of 10 ms, and answers `CSI 6n` only
when it has come to it, as a terminal at the far end would. The app starts at full speed; the line becomes
slow before the stream begins. The stream is the fixed Markdown mix of stream.py, the keys are those of
echo.py.

* echo p95: from the write() of a key until its chunk is through the line. Goal: at most 300 ms. Keys that
  were never shown count as if shown when the recording ended.
* last_frame_right: the transcript on the emulated screen, once nothing changes any more, has the same text
  as that of a fresh app which opens the same chat at full speed. Goal: true. `rows_of_another_scrollbar` and
  `cells_styled_otherwise` tell what else differs. `drained`: it came to rest within `--drain` seconds.

    python benchmarks/slow_line.py [--keys 200] [--bytes-per-s 2000] [--drain 40] [--mute] [--stock]
"""

import time

from common import option_parser, report
from glass import ANSWERS, HEADER_ROWS, MUTE, Echoes, Glass, Replay, replayed
from material import mix
from stage import STOCK, Stream, milliseconds, scripted_home, start_app, submit, type_keys, typing_seconds

RATE = 50
HEAD = 400
# The screen is at rest when for so long its transcript was the same and hardly anything came but the cursor.
REST_S = 3.0
REST_BYTES = 2000
SHOWN_ROWS = 6


def come_to_rest(glass: Glass, seconds: float) -> bool:
    """Wait until the screen is at rest; False when it was not after `seconds`."""
    deadline = time.monotonic() + seconds
    since, before = time.monotonic(), glass.screen().transcript()
    while (now := time.monotonic()) < deadline:
        time.sleep(0.2)
        rows = glass.screen().transcript()
        if rows != before or glass.bytes_between(now - REST_S, now) > REST_BYTES:
            since, before = now, rows
        elif now - since > REST_S:
            return True
    return False


def differences(ours: Replay, fresh: Replay) -> dict[str, object]:
    """How the transcripts differ: rows of another text (ours, then the fresh one's), where only the
    scrollbar is another one, and cells of equal rows in other colours or weight."""
    rows = range(HEADER_ROWS, max(ours.prompt()[0], fresh.prompt()[0]))
    unlike = [y for y in rows if ours.rows[y] != fresh.rows[y]]
    wrong = [y for y in unlike if text_of(ours.rows[y]) != text_of(fresh.rows[y])]
    same = (y for y in rows if y not in unlike)
    return {
        "last_frame_right": not wrong,
        "rows_wrong": len(wrong),
        "rows": [screen.rows[y].rstrip() for y in wrong for screen in (ours, fresh)][:SHOWN_ROWS],
        "rows_of_another_scrollbar": len(unlike) - len(wrong),
        "cells_styled_otherwise": sum(
            a != b for y in same for a, b in zip(ours.styles(y), fresh.styles(y), strict=True)
        ),
    }


def text_of(row: str) -> str:
    """A row without the scrollbar in its last columns."""
    return row.rstrip(" ▁▂▃▄▅▆▇█")


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--bytes-per-s", type=float, default=2000)
    parser.add_argument("--drain", type=float, default=40)
    parser.add_argument("--mute", action="store_true", help="a terminal that does not answer CSI 6n")
    parser.add_argument("--stock", action="store_true", help="with Textual's own drawing")
    arguments = parser.parse_args()
    tokens = HEAD + int(RATE * (typing_seconds(arguments.keys) + 1))
    with scripted_home() as home:
        stream = Stream("slow", mix(tokens), HEAD, RATE, home.root)
        env = STOCK if arguments.stock else {}
        with start_app(answers=MUTE if arguments.mute else ANSWERS, env=env) as glass:
            submit(glass, stream.prompt())
            begin = stream.wait_begun()
            # What the head set going is drawn at full speed.
            time.sleep(begin - 0.5 - time.monotonic())
            glass.throttle(arguments.bytes_per_s)
            time.sleep(begin - time.monotonic())
            echoes = Echoes(type_keys(glass, arguments.keys))
            end = stream.wait_sent()[-1]
            drained = come_to_rest(glass, arguments.drain)
            chunks = list(glass.chunks)
        for when, screen in replayed(chunks):
            echoes.look(when, screen)
        never = echoes.end(chunks[-1][0])
        with start_app() as fresh:
            come_to_rest(fresh, arguments.drain)
            differ = differences(screen, fresh.screen())
    report(
        f"a line of {arguments.bytes_per_s:.0f} bytes a second while {RATE} tok/s stream",
        drawing="stock" if arguments.stock else "own",
        echo={"keys": len(echoes.seconds), "never_shown": never, **milliseconds(echoes.seconds)},
        line_used=sum(len(data) for when, data in chunks if begin <= when <= end)
        / (arguments.bytes_per_s * (end - begin)),
        drained=drained,
        **differ,
    )


if __name__ == "__main__":
    main()
