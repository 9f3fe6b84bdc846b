"""Which turns of a long history are left out. Pure: tokens are counted by the caller.

A history that is cut by one turn more with every prompt has another beginning each time, and nothing of the
KV cache can be kept. So the cut moves in blocks: it stays where it is for several turns, then jumps.
"""

from collections.abc import Callable, Sequence

from kensho_tui.core.frames import Turn

Fits = Callable[[tuple[Turn, ...]], bool]


def without(turns: Sequence[Turn], first: int) -> tuple[Turn, ...]:
    """`turns` from index `first` on, and the system turns before it."""
    return tuple(turn for at, turn in enumerate(turns) if at >= first or turn.role == "system")


def cuts(turns: Sequence[Turn], costs: Sequence[int], limit: int, step: int) -> list[int]:
    """Indices at which the history may begin so that about `limit` tokens are left, mildest first.

    `costs` are the turns' tokens. The tokens dropped are rounded up to a multiple of `step`; a cut is always
    at a user turn, and the last user turn always stays.
    """
    users = [at for at, turn in enumerate(turns) if turn.role == "user"]
    step = max(step, 1)
    excess = sum(costs) - limit
    dropped = 0
    found = []
    for at, (turn, cost) in enumerate(zip(turns, costs, strict=True)):
        if turn.role == "user" and at > 0 and dropped >= _blocks(excess, step) * step:
            found.append(at)
            excess = dropped + 1  # the next one, should this not be enough, is a block further
        if turn.role != "system":
            dropped += cost
    if users and (not found or found[-1] != users[-1]):
        found.append(users[-1])
    return found


def _blocks(excess: int, step: int) -> int:
    return max(1, -(-excess // step))


def trim(
    turns: tuple[Turn, ...], costs: Callable[[], Sequence[int]], limit: int, step: int, fits: Fits
) -> tuple[Turn, ...] | None:
    """`turns` when they fit, else the mildest cut that does; None when not even the last prompt fits.

    `fits` decides with the real prompt; `costs` (asked for only when needed) guide where to look.
    """
    if fits(turns):
        return turns
    for first in cuts(turns, costs(), limit, step):
        rest = without(turns, first)
        if fits(rest):
            return rest
    return None
