"""Tasks that somebody holds as long as they run: the event loop alone would forget them."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def start_in(tasks: "set[asyncio.Task[T]]", work: Coroutine[object, object, T]) -> "asyncio.Task[T]":
    """Run `work` as one of ``tasks``, until it has ended."""
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


async def ended(tasks: "Collection[asyncio.Task[Any]]") -> None:
    """Returns when each of ``tasks`` has ended, however it did."""
    if tasks:
        await asyncio.wait(tasks)
