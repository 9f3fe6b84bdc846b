"""Workers as real processes, loaded with real models."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.worker_process import WorkerProcess


@pytest.fixture
def spawn() -> Iterator[Callable[[], WorkerProcess]]:
    """Starts workers that end with the test."""
    workers: list[WorkerProcess] = []

    def start() -> WorkerProcess:
        workers.append(WorkerProcess())
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


@pytest.fixture
def worker(spawn: Callable[[], WorkerProcess]) -> WorkerProcess:
    return spawn()


@pytest.fixture(scope="module")
def chat(smollm: Path) -> Iterator[WorkerProcess]:
    """A worker with SmolLM2 that the tests of a module share: it must be usable after each of them."""
    shared = WorkerProcess()
    shared.load(smollm, context=1024, threads=1, threads_batch=1)
    yield shared
    shared.close()
