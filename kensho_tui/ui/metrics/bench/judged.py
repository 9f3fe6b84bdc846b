"""What a recommendation is worth: the same for the screen and for the command line. Pure."""

from kensho_tui.core.bench_contract import BareLoop, BenchRun, Recommendation

ONE_RUN = "one run each"
TOO_SLOW = "too slow"
"""Of a choice that was cut short before it had a speed."""
SLOWER = 0.75
"""Below so much of the speed it had before, the machine and not the choice is another."""


def time_saved(gain: float) -> int:
    """Per cent of a turn's time that a recommendation saves; below nothing where it takes longer."""
    return round((1 - 1 / gain) * 100) if gain > 0 else 0


def rests_on_one(run: BenchRun, one: Recommendation) -> bool:
    """Whether its settings went through no more than one whole turn: chance may have chosen them."""
    counts = [
        min(point.prompt.count, point.decode.count)
        for point in run.points
        if point.condition == one.condition
        and point.settings == one.settings
        and point.prompt is not None
        and point.decode is not None
    ]
    return bool(counts) and max(counts) == 1


def slower_then(run: BenchRun, loop: BareLoop) -> bool:
    """Whether the same settings were plainly faster before they were held against llama.cpp alone."""
    one = run.recommended(loop.condition)
    return one is not None and (
        loop.prompt_here < SLOWER * one.prompt_tok_s or loop.decode_here < SLOWER * one.decode_tok_s
    )
