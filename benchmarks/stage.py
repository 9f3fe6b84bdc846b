"""A home with scripted workers, the app in a `Glass`, and one answer streamed at a known pace."""

import asyncio
import contextlib
import os
import random
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from common import KENSHO, percentile
from glass import Glass, Key
from material import TOKEN, marks_from

from kensho_tui.client.facade import Kensho
from kensho_tui.config.paths import Paths
from kensho_tui.core.contract import Prepare
from tests.support.home import Home
from tests.support.scripted_worker import Script
from tests.support.turns import script

READY = "› Ask anything"
CTRL_N, CTRL_R, CTRL_U, ESC, ENTER = "\x0e", "\x12", "\x15", "\x1b", "\r"
# After the text that is there already: what it set going has been drawn by then.
SETTLE_S = 2.0
# What the end of an answer draws belongs to the answer.
TAIL_S = 0.5
REST_S = 1.5
# The cursor stops blinking ten seconds after the last key: from then on an app at rest draws nothing.
STILL_S = 12.0
KEY_GAPS_S = (0.06, 0.10)
# Before the prompt is emptied, so that the last keys can be shown at all.
LINE_GAP_S = 0.6
PROMPT_LENGTH = 40
STOCK = {"KENSHO_DRAWING": "plain"}


@contextlib.contextmanager
def scripted_home(
    store: Callable[[Paths], Coroutine[object, object, None]] | None = None, settings: str = ""
) -> Iterator[Home]:
    """A home whose host runs with a scripted worker, loaded. `store` puts chats there before that."""
    with tempfile.TemporaryDirectory(prefix="kensho-") as folder:
        home = Home(Path(folder), os.environ.__setitem__)
        home.add_model("scripted")
        home.settings(f'model = "scripted"\ncache_answers = false\n{settings}')
        if store is not None:
            asyncio.run(store(home.paths))
        home.start_scripted_host()
        try:
            asyncio.run(_load_worker())
            yield home
        finally:
            home.close()


async def _load_worker() -> None:
    async with Kensho() as kensho:
        await kensho.prepare(Prepare())


@dataclass(frozen=True)
class Stream:
    """An answer: its first `head` tokens at once, the others at `rate` tokens a second."""

    name: str
    text: str
    head: int
    rate: float
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def prompt(self) -> str:
        """The prompt that makes the scripted worker stream it, and log when it sent what."""
        path = self.folder / f"{self.name}.md"
        path.write_text(self.text, encoding="utf-8")
        self.log.unlink(missing_ok=True)
        return script(
            file=str(path), piece=TOKEN, rate=self.rate, head=self.head, settle_s=SETTLE_S, log=str(self.log)
        )

    def pieces(self) -> list[str]:
        return Script(file=str(self.folder / f"{self.name}.md"), piece=TOKEN).pieces()

    def sent(self) -> list[float]:
        """When each piece was sent (so far)."""
        return [float(line) for line in self.log.read_text(encoding="utf-8").split()]

    def wait_begun(self) -> float:
        """When the measured part begins: the time of its first piece."""
        while not self.log.exists() or not self.log.stat().st_size:
            time.sleep(0.005)
        return self.sent()[0] + SETTLE_S

    def wait_sent(self) -> list[float]:
        """When each piece was sent, once all are."""
        while len(sent := self.sent()) < len(self.pieces()):
            time.sleep(0.1)
        return sent

    @property
    def seconds(self) -> float:
        """How long the measured part takes."""
        return (len(self.text) / TOKEN - self.head) / self.rate

    def marks(self) -> dict[str, float]:
        """When each mark of the measured part was sent whole."""
        sent, at = self.sent(), 0
        times: list[float] = []
        for piece, when in zip(self.pieces(), sent, strict=True):
            times += [when] * len(piece)
            at += len(piece)
        return {mark: times[end] for mark, end in marks_from(self.text, int(self.head * TOKEN)).items()}


def start_app(**options: object) -> Glass:
    """The app, ready for typing and at rest."""
    glass = Glass(KENSHO, **options)  # type: ignore[arg-type]
    glass.wait_for(READY)
    time.sleep(REST_S)
    return glass


def submit(glass: Glass, prompt: str) -> float:
    """When Enter was sent."""
    glass.paste(prompt)
    time.sleep(0.3)
    return glass.send(ENTER)


def submit_anew(glass: Glass, prompt: str) -> float:
    """In a new chat; when Enter was sent."""
    glass.send(CTRL_N)
    time.sleep(0.5)
    return submit(glass, prompt)


def open_sidebar(glass: Glass, title: str) -> bool:
    """Open the chat sidebar and go back to the prompt. False: there is none, a modal list came instead.

    `title` is of a chat that is only seen there.
    """
    glass.send(CTRL_R)
    glass.wait_for(title)
    glass.send(ESC)
    time.sleep(REST_S / 2)
    return title in glass.text()


def type_keys(glass: Glass, count: int) -> list[Key]:
    """Type letters at irregular intervals, emptying the prompt now and then; what each should show."""
    chance = random.Random(11)
    keys: list[Key] = []
    text = ""
    for number in range(count):
        if len(text) >= PROMPT_LENGTH:
            time.sleep(LINE_GAP_S)
            glass.send(CTRL_U)
            text = ""
            time.sleep(chance.uniform(*KEY_GAPS_S))
        # Each line begins with another letter, so that no line looks like the one before.
        letter = chr(97 + number // PROMPT_LENGTH % 26) if not text else chance.choice("etaoinshrdlu")
        text += letter
        keys.append(Key(glass.send(letter), text))
        time.sleep(chance.uniform(*KEY_GAPS_S))
    return keys


def typing_seconds(count: int) -> float:
    """How long `type_keys` takes at most."""
    lines = count // PROMPT_LENGTH
    return (count + lines) * KEY_GAPS_S[1] + lines * LINE_GAP_S


class Cpu:
    """User and system time of processes since the object was made, in steps of 10 ms."""

    def __init__(self, *pids: int) -> None:
        self._processes = [psutil.Process(pid) for pid in pids]
        self._before = self._now()

    def _now(self) -> list[float]:
        return [sum(process.cpu_times()[:2]) for process in self._processes]

    def used(self) -> list[float]:
        return [now - before for now, before in zip(self._now(), self._before, strict=True)]


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile and worst, in milliseconds."""
    return {
        "median_ms": percentile(seconds, 0.5) * 1e3,
        "p95_ms": percentile(seconds, 0.95) * 1e3,
        "worst_ms": max(seconds) * 1e3,
    }
