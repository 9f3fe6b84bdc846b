"""``kensho-tui ask``: one prompt, the answer on stdout as it comes."""

import argparse
import contextlib
import signal
import sys
from typing import TYPE_CHECKING

from kensho_tui.cli.drawn_line import DrawnLine, can_redraw
from kensho_tui.cli.link import link
from kensho_tui.cli.output import print_json, print_notices
from kensho_tui.cli.prompt import read_prompt
from kensho_tui.cli.reference import model_reference
from kensho_tui.core.errors import EXIT_INTERRUPTED, EngineError, KenshoError, UsageError
from kensho_tui.core.text import Cleaner, valid

if TYPE_CHECKING:
    import asyncio

    from kensho_tui.client.facade import Kensho
    from kensho_tui.client.launch import Launched
    from kensho_tui.core.contract import BenchNow, Message, Phase, Submit, Submitted

WATCH_S = 20.0


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("ask", help="ask once; the answer is saved as a chat")
    parser.add_argument(
        "prompt", nargs="?", metavar="PROMPT", help="what to ask; piped text is attached to it"
    )
    parser.add_argument("-m", "--model", help="a name, a unique part of one, or a path to a GGUF file")
    parser.add_argument("--system", metavar="S", help="system prompt of the new chat")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--chat", metavar="ID", help="go on in this chat (an id or a unique prefix)")
    where.add_argument("--continue", dest="last", action="store_true", help="go on in the last chat")
    parser.add_argument("--max-tokens", type=_positive, metavar="N", help="longest answer in tokens")
    parser.add_argument("--temperature", type=_temperature, metavar="T", help="0 is greedy, 0.7 the default")
    parser.add_argument("--seed", type=_seed, metavar="N", help="the same seed gives the same answer")
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="a new answer, though there is a cached one; --temperature and --seed mean that, too",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    parser.set_defaults(run=run)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a whole number") from None


def _positive(text: str) -> int:
    number = _number(text)
    if not 1 <= number <= 10_000_000:
        raise argparse.ArgumentTypeError("must be between 1 and 10,000,000")
    return number


def _temperature(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError("must be a number") from None
    if not 0 <= number <= 10:
        raise argparse.ArgumentTypeError("must be between 0 and 10")
    return number


def _seed(text: str) -> int:
    number = _number(text)
    if not 0 <= number < 1 << 32:
        raise argparse.ArgumentTypeError("must be between 0 and 4294967295")
    return number


def run(options: argparse.Namespace) -> int:
    prompt = read_prompt(options.prompt)
    if options.system and (options.chat or options.last):
        raise UsageError("--system belongs to a new chat", hint="Leave out --chat and --continue")
    launched = _launch_early()
    import asyncio

    try:
        return asyncio.run(_ask(options, prompt, launched))
    except asyncio.CancelledError:
        return EXIT_INTERRUPTED


def _launch_early() -> "Launched | None":
    """Where no host runs, let it start while this process still imports what it needs to talk to it."""
    from kensho_tui.client.launch import launch_host, listening
    from kensho_tui.config.paths import find_paths

    return None if listening(find_paths().socket) else launch_host(warm=True)


async def _ask(options: argparse.Namespace, prompt: str, launched: "Launched | None") -> int:
    import asyncio

    async with link(warm=True, launched=launched) as kensho:
        asking = asyncio.gather(print_notices(kensho), return_exceptions=True)
        chat = (await kensho.chat(None)).id if options.last else options.chat
        submitted = await kensho.submit(_request(options, prompt, chat))
        interrupted = _stop_on_interrupt(kensho, submitted)
        writer = _Writer(quiet=options.json)
        watching = writer.told_why(kensho) if submitted.queued else None
        async for piece in kensho.follow(submitted.stream):
            writer.phase(piece.phase, piece.state == "waiting")
            writer.text(piece.text)
        writer.close()
        if watching is not None:
            watching.cancel()
        await asking
        result = piece.result
        if result is None:
            raise KenshoError("the answer ended without a result")
        if options.json:
            print_json(_document(result, writer.whole, submitted))
        _tell_trimmed(result)
        if result.cached:
            print("kensho-tui: cached answer; --fresh asks the model again", file=sys.stderr)
        return _exit_code(result, interrupted.is_set(), submitted)


def _request(options: argparse.Namespace, prompt: str, chat: str | None) -> "Submit":
    from kensho_tui.core.contract import Sampling, Submit

    given = {
        name: value
        for name in ("max_tokens", "temperature", "seed")
        if (value := getattr(options, name)) is not None
    }
    return Submit(
        prompt=valid(prompt),
        chat=chat,
        model=model_reference(options.model) if options.model is not None else None,
        system=valid(options.system) if options.system else None,
        sampling=Sampling(**given),
        given=tuple(given),
        attached=True,
        fresh=options.fresh,
    )


def _stop_on_interrupt(kensho: "Kensho", submitted: "Submitted") -> "asyncio.Event":
    """The first Ctrl+C stops the answer and keeps it, a second one leaves at once."""
    import asyncio

    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    tasks = []

    def stop() -> None:
        if interrupted.is_set() and main is not None:
            main.cancel()
        interrupted.set()
        tasks.append(loop.create_task(kensho.abort(submitted.stream)))

    loop.add_signal_handler(signal.SIGINT, stop)
    return interrupted


def _document(result: "Message", text: str, submitted: "Submitted") -> dict[str, object]:
    return {
        "text": text,
        "model": result.model,
        "stop_reason": result.stop_reason,
        "from_cache": result.cached,
        "trimmed": result.trimmed,
        "conversation_id": submitted.chat,
        "message_id": submitted.message,
        "usage": result.usage,
        "timings": result.timings,
    }


def _tell_trimmed(result: "Message") -> None:
    """What the model was not told is never left unsaid."""
    if result.trimmed:
        left = "message" if result.trimmed == 1 else "messages"
        print(
            f"kensho-tui: the first {result.trimmed} {left} of this chat no longer fit the model's context: "
            "left out",
            file=sys.stderr,
        )


def _where(result: "Message", submitted: "Submitted") -> str:
    """What became of the text that came."""
    if result.unsaved:
        return "is in the host's memory only, not saved yet (kensho-tui host status)"
    return f"is kept in chat {submitted.chat}"


def _exit_code(result: "Message", interrupted: bool, submitted: "Submitted") -> int:
    where = _where(result, submitted)
    if interrupted:
        print(f"\nkensho-tui: stopped; what came {where}", file=sys.stderr)
        return EXIT_INTERRUPTED
    if result.state == "failed":
        raise EngineError(result.error or "the engine failed")
    if result.state != "complete":
        raise KenshoError(
            f"the answer was {result.state}; what came {where}",
            hint=f"See it with: kensho-tui show {submitted.chat}",
        )
    if result.stop_reason in ("length", "context"):
        limit = "the longest answer allowed" if result.stop_reason == "length" else "the model's context"
        print(f"\nkensho-tui: cut at {limit}; it {where}", file=sys.stderr)
    elif result.unsaved:
        print(f"\nkensho-tui: the answer {where}", file=sys.stderr)
    return 0


class _Writer:
    """Text to stdout as it comes, progress to stderr where somebody looks."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._parts: list[str] = []
        self._cleaner = Cleaner() if sys.stdout.isatty() else None
        self._line = DrawnLine(sys.stderr) if can_redraw(sys.stderr) else None
        self._phase: Phase | None = None
        self._bench: BenchNow | None = None

    @property
    def whole(self) -> str:
        return "".join(self._parts)

    def phase(self, phase: "Phase", waiting: bool) -> None:
        self._phase = phase if waiting else None
        self._show()

    def told_why(self, kensho: "Kensho") -> "asyncio.Task[None] | None":
        """Show what an answer that is queued waits for, as the host says it, until this is cancelled."""
        import asyncio

        from kensho_tui.core.contract import Phase

        self.phase(Phase(name="queued"), True)
        return asyncio.get_running_loop().create_task(self._follow_bench(kensho)) if self._line else None

    async def _follow_bench(self, kensho: "Kensho") -> None:
        import msgspec

        from kensho_tui.core.contract import TOPIC_HOST, HostStatus

        seen = 0
        with contextlib.suppress(KenshoError):  # whoever follows the answer meets it, too
            while True:
                facts = await kensho.watch({TOPIC_HOST: seen}, WATCH_S)
                if TOPIC_HOST in facts:
                    seen = facts[TOPIC_HOST].version
                    self._bench = msgspec.msgpack.decode(facts[TOPIC_HOST].body, type=HostStatus).bench
                    self._show()

    def _show(self) -> None:
        if self._line is not None:
            self._line.draw(self._said(self._line.columns))

    def _said(self, columns: int) -> str:
        phase = self._phase
        if phase is None:
            return ""
        if phase.name == "queued" and self._bench is not None:
            from kensho_tui.cli.benchmark import waiting

            return waiting(self._bench, columns)
        fraction = phase.fraction
        return f"{phase.name} {fraction:.0%}" if fraction is not None else phase.name

    def text(self, text: str) -> None:
        if not text:
            return
        self._parts.append(text)
        if not self._quiet:
            sys.stdout.write(self._cleaner.feed(text) if self._cleaner is not None else text)
            sys.stdout.flush()

    def close(self) -> None:
        if self._line is not None:
            self._line.draw("")
        if not self._quiet and self._parts and not self._parts[-1].endswith("\n"):
            sys.stdout.write("\n")
            sys.stdout.flush()
