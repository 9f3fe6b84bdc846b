"""When an app under test has nothing left to do: asked of its loop, and then as Textual's pilot asks it.

Textual's own wait sleeps 20 ms at a time and looks whether the process used little of them: wrong on a busy
machine, where a process that is kept from running looks idle. The loop alone tells too little: a frame may
be due only later.
"""

import asyncio

from textual._wait import wait_for_idle

SOON_S = 0.02  # a timer that ends within it is waited for, as Textual's own wait would
QUIET_TURNS = 3  # of the loop with nothing to run: what a thread hands in arrives between two of them


async def wait_for_rest(min_sleep: float = 0, max_sleep: float = 1) -> None:
    """Return once the running loop has nothing to run now or soon, and the process is idle; each is waited
    for `max_sleep` s at the most.
    """
    await _loop_at_rest(max_sleep)
    await wait_for_idle(min_sleep, max_sleep)
    await _loop_at_rest(max_sleep)


async def _loop_at_rest(max_sleep: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + max_sleep
    quiet = 0
    while quiet < QUIET_TURNS and loop.time() < end:
        await asyncio.sleep(0)
        if loop._ready:
            quiet = 0
            continue
        quiet += 1
        due = min((timer.when() for timer in loop._scheduled if not timer.cancelled()), default=end)
        if due - loop.time() < SOON_S:
            quiet = 0
            await asyncio.sleep(max(0, due - loop.time()))
