"""No host running: from the start of `kensho-tui ask` to its first text, over the bare way there.

The bare way: Python, ``import llama_cpp``, load, the same prefill, the first token. Both are fresh processes
that take turns; the page cache is warm for both.

    python benchmarks/first_token.py [--rounds 9]
"""

import statistics

import floor
from common import KENSHO, TEMPLATE, first_byte, home, median_ratio, option_parser, report, starter, stop_host

from kensho_tui.config.settings import Settings

PROMPT = "What is a REST API?"
TRAINED = 8192


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads-batch", type=int, default=2)
    arguments = parser.parse_args()
    model, prompt = starter(), TEMPLATE.format(PROMPT)
    context = min(Settings().context, TRAINED)
    ours: list[float] = []
    bare: list[float] = []
    with home():
        for number in range(-1, arguments.rounds):
            found = floor.run(model, 1, 1, prompt, threads_batch=arguments.threads_batch, context=context)[
                "first_s"
            ]
            took = first_byte([*KENSHO, "ask", "--temperature", "0", "--max-tokens", "4", PROMPT])
            stop_host()
            if number >= 0:  # the first round warms the page cache
                bare.append(found)
                ours.append(took)
    report(
        "no host running: start of `ask` to its first text, over the bare way",
        ask_s=statistics.median(ours),
        bare_s=statistics.median(bare),
        ratio=median_ratio(ours, bare),
        ratios=[a / b for a, b in zip(ours, bare, strict=True)],
    )


if __name__ == "__main__":
    main()
