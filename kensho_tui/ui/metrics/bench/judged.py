"""What a recommendation is worth: the same for the screen and for the command line. Pure."""

from kensho_tui.core.bench_contract import BareLoop, BenchRun, Recommendation

ONE_RUN = "one run each"
TOO_SLOW = "too slow"
"""Of a choice that was cut short before it had a speed."""
DRIFT = 0.75
"""Below so much of a speed of before, or the other way round, the machine has changed meanwhile."""


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


def by_then(run: BenchRun, loop: BareLoop) -> str:
    """What is to be said where the runs beside llama.cpp alone were plainly slower or faster than those with
    the same settings before them; empty: they were not.
    """
    one = run.recommended(loop.condition)
    if one is None:
        return ""
    times = (loop.prompt_here / one.prompt_tok_s, loop.decode_here / one.decode_tok_s)
    if min(times) < DRIFT:
        return "the machine was slower by then than for the figures above"
    return "the machine was faster by then than for the figures above" if max(times) > 1 / DRIFT else ""
