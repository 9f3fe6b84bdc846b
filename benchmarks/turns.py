"""TTFT of the tenth turn over the second, sampled at T 0.8, in several chats.

python benchmarks/turns.py [--chats 10]
"""

import statistics

from common import ask, home, option_parser, report

QUESTIONS = (
    "Tell me about the sea.", "And the ships on it?", "Which is the oldest?", "Who built it?", "Why?",
    "What did it carry?", "Where did it go?", "How long did it take?", "What was for dinner?", "And then?",
)  # fmt: skip


def chat(seed: int, tokens: int) -> list[dict[str, float]]:
    """The timings of each turn, with the prompt's cached share."""
    turns: list[dict[str, float]] = []
    where: list[str] = []
    for question in QUESTIONS:
        said = ask(*where, "--temperature", "0.8", "--seed", str(seed), "--max-tokens", str(tokens), question)
        where = ["--chat", str(said["conversation_id"])]
        timings, usage = said["timings"], said["usage"]
        if not isinstance(timings, dict) or not isinstance(usage, dict):
            raise TypeError("not the document of ask")
        turns.append(
            {"ttft_s": timings["ttft_s"], "cached": usage["cached_tokens"], "prompt": usage["prompt_tokens"]}
        )
    return turns


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--chats", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=80)
    arguments = parser.parse_args()
    with home():
        ask("--max-tokens", "1", "hello")
        chats = [chat(seed, arguments.tokens) for seed in range(arguments.chats)]
    ratios = [turns[9]["ttft_s"] / turns[1]["ttft_s"] for turns in chats]
    report(
        "TTFT of turn 10 over turn 2, T 0.8",
        median=statistics.median(ratios),
        worst=max(ratios),
        ratios=sorted(ratios),
        second_s=statistics.median(turns[1]["ttft_s"] for turns in chats),
        tenth_s=statistics.median(turns[9]["ttft_s"] for turns in chats),
        new_tokens_second=statistics.median(turns[1]["prompt"] - turns[1]["cached"] for turns in chats),
        new_tokens_tenth=statistics.median(turns[9]["prompt"] - turns[9]["cached"] for turns in chats),
    )


if __name__ == "__main__":
    main()
