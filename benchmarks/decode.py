"""Decode tok/s of `kensho-tui ask` through host and worker, over llama.cpp's bare loop, interleaved.

The speed is measured by the reader of `ask`'s stdout: characters per second are turned into tokens by the
answer's own count. Both sides decode the same number of tokens at the same thread count.

    python benchmarks/decode.py [--rounds 7] [--tokens 200] [--threads 1]
"""

import os
import statistics
import subprocess
import time

from common import KENSHO, PROMPT, TEMPLATE, ask, home, median_ratio, option_parser, report, starter
from floor import Floor


def stream_speed(tokens: int, seed: int) -> float:
    """Tokens per second between the first and the last read of what `ask` writes."""
    command = [
        *KENSHO,
        "ask",
        "--temperature",
        "0.8",
        "--seed",
        str(seed),
        "--max-tokens",
        str(tokens),
        PROMPT,
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    if process.stdout is None:
        raise RuntimeError("no stdout")
    reads: list[tuple[float, int]] = []
    while part := os.read(process.stdout.fileno(), 1 << 16):
        reads.append((time.perf_counter(), len(part)))
    process.wait()
    # The newline at the end comes with the process's end, not with a token.
    size = sum(length for _, length in reads[:-1])
    share = 1 - reads[0][1] / size
    return tokens * share / (reads[-2][0] - reads[0][0])


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1, help="what the host uses for decode here")
    arguments = parser.parse_args()
    floor = Floor(starter(), arguments.threads, arguments.tokens, TEMPLATE.format(PROMPT), 0.8)
    ours: list[float] = []
    reported: list[float] = []
    bare: list[float] = []
    try:
        with home(f"threads = {arguments.threads}\n"):
            for number in range(-1, arguments.rounds):
                speed = stream_speed(arguments.tokens, 42)
                found = floor.round()["decode_tok_s"]
                said = ask(
                    "--temperature", "0.8", "--seed", "42", "--max-tokens", str(arguments.tokens), PROMPT
                )
                timings = said["timings"]
                if number >= 0 and isinstance(timings, dict):
                    ours.append(speed)
                    bare.append(found)
                    reported.append(timings["decode_tok_s"])
    finally:
        floor.close()
    report(
        "decode tok/s read from `ask`, over the bare loop",
        ask_tok_s=statistics.median(ours),
        bare_tok_s=statistics.median(bare),
        reported_tok_s=statistics.median(reported),
        ratio=median_ratio(ours, bare),
        reported_ratio=median_ratio(reported, bare),
        ratios=[a / b for a, b in zip(ours, bare, strict=True)],
    )


if __name__ == "__main__":
    main()
