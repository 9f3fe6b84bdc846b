"""The README's pictures: the real app, the real host, the starter model. Run it after a change of the looks.

    python -m docs.pictures.make

It asks a few things with `kensho-tui ask` in a home of its own, opens the app there, and saves what it shows
as SVG beside this file. The second model is the one that comes with the `dev` extra.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.pilot import Pilot

from kensho_tui.client.facade import Kensho
from kensho_tui.config.paths import find_paths
from kensho_tui.config.settings import Settings
from kensho_tui.ui.app import KenshoApp
from tests.support.gemma import write_gemma

HERE = Path(__file__).parent
KENSHO = (sys.executable, "-m", "kensho_tui")
ASKED = (
    "Why is the sky blue? One sentence.",
    "Three tips for a talk",
    "What is a REST API? Two sentences.",
    "Write a short Python function that counts the words in a file.",
)
STARTER, GEMMA = "SmolLM2-135M-Instruct.Q4_1", "gemma-3-270m.Q4_K_M"
MEASURED = 6
"""So many times each of them is asked anew, for figures with a spread."""
LONG = (
    "things are to be said about a walk along the sea in winter, for somebody who has never seen it: what "
    "one hears and smells there, how cold it is, which birds stay, and why people come back every year."
)
# Fonts from another machine: a picture of a private app fetches nothing.
_FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)

Act = Callable[[Pilot[None], KenshoApp], Awaitable[None]]


async def streaming(pilot: Pilot[None], app: KenshoApp) -> None:
    """An answer under way, the chats beside it, the next prompt half typed."""
    await pilot.press("ctrl+r")
    await pilot.pause(0.5)
    await pilot.press("escape", *"Tell a long story about it.", "enter")
    await until(lambda: any(live.piece and live.piece.tokens > 90 for live in app.session.live.values()))
    await pilot.press(*"And")


async def new_chat(pilot: Pilot[None], app: KenshoApp) -> None:
    await pilot.press("ctrl+n")
    await pilot.pause(0.5)


async def models(pilot: Pilot[None], app: KenshoApp) -> None:
    """Two models, one of them loaded, the memory of the first in full."""
    await pilot.press("f3")
    await pilot.pause(2.0)


async def hub(pilot: Pilot[None], app: KenshoApp) -> None:
    """What could be fetched; nothing is asked of the network for that."""
    await pilot.press("f5")
    await pilot.pause(2.0)


async def metrics(pilot: Pilot[None], app: KenshoApp) -> None:
    """What the machine does while an answer comes, over what both models did."""
    await pilot.press(*"Tell a long story about the sea.", "enter", "f4")
    await until(lambda: any(live.piece and live.piece.tokens > 90 for live in app.session.live.values()))
    await pilot.pause(1.0)


async def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("waited in vain")
        await asyncio.sleep(0.05)


PICTURES: tuple[tuple[str, str, tuple[int, int], Act], ...] = (
    ("empty-light", "kensho-light", (80, 24), new_chat),
    ("models-dark", "kensho-dark", (110, 30), models),
    ("hub-dark", "kensho-dark", (110, 30), hub),
    ("streaming-dark", "kensho-dark", (120, 36), streaming),
    ("metrics-dark", "kensho-dark", (120, 32), metrics),
)


async def picture(name: str, theme: str, size: tuple[int, int], act: Act) -> None:
    app = KenshoApp(Kensho(find_paths(), front_end=True), find_paths(), Settings(theme=theme))
    app.chat_screen.prompt.cursor_blink = False
    async with app.run_test(size=size) as pilot:
        await until(lambda: app.session.link == "connected")
        await act(pilot, app)
        svg = _FONTS.sub("", app.export_screenshot(title="kensho-tui"))
        HERE.joinpath(f"{name}.svg").write_text(svg, encoding="utf-8")


def ask(prompt: str, *options: str) -> None:
    subprocess.run([*KENSHO, "ask", "--max-tokens", "160", *options, prompt], check=True)


def measure() -> None:
    """Both models answer a few times, to prompts that are long enough and begin differently."""
    for number in range(MEASURED):
        for model in (STARTER, GEMMA):
            ask(f"{number + 2} {LONG}", "--fresh", "--model", model)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="kensho-") as home:
        os.environ["KENSHO_HOME"] = home
        write_gemma(find_paths().ensure().models / f"{GEMMA}.gguf")
        try:
            for prompt in ASKED:
                ask(prompt, "--temperature", "0")
            for name, theme, size, act in PICTURES:
                if act is metrics:
                    measure()
                asyncio.run(picture(name, theme, size, act))
        finally:
            subprocess.run([*KENSHO, "host", "stop"], check=True)


if __name__ == "__main__":
    main()
