"""Fetching a model: how fast beside curl, what it costs, and whether the app stays quick.

The hub is a process of its own on this machine, limited to 50 MB/s in all (`tests/support/loopback_hub.py`).

* throughput: seconds from the wish to the installed, verified model, and of curl for the same file onto the
  same disk, in turns; the medians and the median of the ratios. Hashing, checking and fsync are in ours. A
  small model before warms the host up. Goal: at least 0.9 of curl's.
* CPU of the host (curl's beside it) meanwhile: seconds per GB, and per cent of one core.
* echo: from a key to its letter in the prompt (see echo.py) beside a stream of 50 tok/s, without and with
  four downloads at once. Goal: p95 at most 40 ms.

    python benchmarks/download.py [--rounds 3] [--megabytes 250] [--keys 200] [--rate 50e6]
"""

import asyncio
import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from common import home, option_parser, report
from echo import RATE, stream_of
from glass import Echoes, replayed
from stage import TAIL_S, Cpu, milliseconds, scripted_home, start_app, submit, type_keys, typing_seconds

from kensho_tui.client.facade import Kensho
from kensho_tui.core.contract import Empty
from kensho_tui.core.hub_contract import LIST_DOWNLOADS, START_DOWNLOAD, StartDownload

REPOSITORY = Path(__file__).resolve().parents[1]
REPO = "benchmarks/models"
MB = 1_000_000
WARM_BYTES = 2 * MB
AT_ONCE = 4
LOOK_S = 0.005


def name_of(number: int) -> str:
    return f"model-{number}-Q4_K_M.gguf"


@contextlib.contextmanager
def hub(sizes: Sequence[int], rate: float) -> Iterator[str]:
    """The address of a hub with files of these sizes; the environment names it as the one to ask."""
    files = (f"--file={REPO}/{name_of(number)}={size}" for number, size in enumerate(sizes))
    command = [sys.executable, "-m", "tests.support.loopback_hub", f"--rate={rate}", "--redirect", *files]
    with (
        tempfile.TemporaryDirectory() as cache,
        subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdout is not None and process.stdin is not None  # noqa: S101 - for the types
        address = process.stdout.readline().strip()
        os.environ |= {"HF_ENDPOINT": address, "HF_HOME": cache}
        os.environ.pop("HF_TOKEN", None)
        yield address
        process.stdin.close()


async def fetch(kensho: Kensho, number: int) -> Path:
    """Returns when the model is installed."""
    asked = await kensho.call(START_DOWNLOAD, StartDownload(what=f"{REPO}/{name_of(number)}"))
    path = kensho.paths.models / REPO / name_of(number)
    while not path.exists():
        await asyncio.sleep(LOOK_S)
    done = (await kensho.call(LIST_DOWNLOADS, Empty())).downloads
    failed = [one.error for one in done if one.id == asked.id and one.error]
    if failed:
        raise RuntimeError(failed[0])
    return path


async def ours(kensho: Kensho, number: int) -> tuple[float, float]:
    """Seconds, and CPU seconds of the host."""
    cpu = Cpu((await kensho.status()).pid)
    began = time.perf_counter()
    path = await fetch(kensho, number)
    took, used = time.perf_counter() - began, cpu.used()[0]
    path.unlink()
    return took, used


def curl(address: str, number: int, folder: Path) -> tuple[float, float]:
    """Seconds, and CPU seconds of curl."""
    path = folder / "by-curl.gguf"
    url = f"{address}/{REPO}/resolve/main/{name_of(number)}"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(["curl", "-sSfL", "-o", str(path), url], check=True)
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    path.unlink()
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def throughput(address: str, rounds: int, folder: Path) -> dict[str, list[tuple[float, float]]]:
    """(seconds, CPU seconds) of each way and round."""
    taken: dict[str, list[tuple[float, float]]] = {"ours": [], "curl": []}
    async with Kensho() as kensho:
        await fetch(kensho, 0)
        for number in range(1, rounds + 1):
            for way in ("ours", "curl") if number % 2 else ("curl", "ours"):
                if way == "curl":
                    taken[way].append(await asyncio.to_thread(curl, address, number, folder))
                else:
                    taken[way].append(await ours(kensho, number))
    return taken


def told(taken: list[tuple[float, float]], size: int) -> dict[str, float]:
    seconds = [each[0] for each in taken]
    return {
        "mb_per_s": size / MB / statistics.median(seconds),
        "cpu_s_per_gb": statistics.median(each[1] for each in taken) / size * 1e9,
        "cpu_percent_of_a_core": statistics.median(100 * cpu / took for took, cpu in taken),
    }


async def start(numbers: Sequence[int]) -> None:
    async with Kensho() as kensho:
        for number in numbers:
            await kensho.call(START_DOWNLOAD, StartDownload(what=f"{REPO}/{name_of(number)}"))


async def running() -> int:
    async with Kensho() as kensho:
        told = (await kensho.call(LIST_DOWNLOADS, Empty())).downloads
        return sum(one.state == "running" and one.rate > 0 for one in told)


def echoes(keys: int, downloads: Sequence[int]) -> dict[str, float]:
    """Echo of keys beside a stream and these downloads, which last longer than the typing."""
    with scripted_home(settings=f"downloads = {AT_ONCE}\n") as place, start_app() as glass:
        asyncio.run(start(downloads))
        stream = stream_of("prose", place, keys)
        submit(glass, stream.prompt())
        time.sleep(max(stream.wait_begun() - time.monotonic(), 0))
        cpu, began = Cpu(place.host_pid()), time.monotonic()
        seen = Echoes(type_keys(glass, keys))
        used = 100 * cpu.used()[0] / (time.monotonic() - began)
        ended = time.monotonic() + TAIL_S
        if len(stream.sent()) == len(stream.pieces()) or asyncio.run(running()) < len(downloads):
            raise RuntimeError("the stream or a download ended before the typing")
        time.sleep(max(ended - time.monotonic(), 0))
        for when, screen in replayed(list(glass.chunks)):
            seen.look(when, screen)
    lost = seen.end(ended)
    found = {"keys": len(seen.seconds), "never_shown": lost, "host_cpu_percent": used}
    return {**found, **milliseconds(seen.seconds)}


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=250, help="size of the model that is fetched")
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50e6, help="bytes per second")
    arguments = parser.parse_args()
    size = arguments.megabytes * MB
    with hub([WARM_BYTES, *[size] * arguments.rounds], arguments.rate) as address, home() as folder:
        taken = asyncio.run(throughput(address, arguments.rounds, folder))
    ratios = [curls[0] / mine[0] for mine, curls in zip(taken["ours"], taken["curl"], strict=True)]
    # Their share of the rate, for longer than all that is typed.
    large = int(arguments.rate / AT_ONCE * (typing_seconds(arguments.keys) + 15))
    with hub([large] * AT_ONCE, arguments.rate):
        beside = {
            "stream": echoes(arguments.keys, ()),
            "stream_and_downloads": echoes(arguments.keys, range(AT_ONCE)),
        }
    report(
        f"fetching {arguments.megabytes} MB from a hub limited to {arguments.rate / MB:.0f} MB/s",
        ours=told(taken["ours"], size),
        curl=told(taken["curl"], size),
        ratio=statistics.median(ratios),
        ratios=ratios,
        echo={"tokens_per_s": RATE, "downloads": AT_ONCE, **beside},
    )


if __name__ == "__main__":
    main()
