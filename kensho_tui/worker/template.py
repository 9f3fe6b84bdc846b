"""Chat templates: Jinja programs that came with a model file, so they are treated as a stranger's code.

They run in Jinja's immutable sandbox, in a thread with a deadline, and their output is bounded. One that
takes all memory all the same ends this process and no other. jinja2 is imported when the first template
is prepared, beside the loading of the model.
"""

import ctypes
import json
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from kensho_tui.core.errors import EngineError, LoadError
from kensho_tui.core.frames import Turn
from kensho_tui.core.text import one_line, valid

DEADLINE_S = 10.0
GRACE_S, AGAIN_S = 1.0, 0.1
MAX_SOURCE = 1 << 20
MAX_OUTPUT = 16 << 20
MAX_REPEAT = 1 << 20
FILE_HINT = "The template is part of the model file: try another file of this model, or another model"
OVERRIDE_HINT = "Correct the template set for this model, or clear it: then the model file's own is used"


class TemplateError(EngineError):
    """The template failed, or does not accept this conversation."""


class TemplateStuckError(EngineError):
    """Rendering could not be ended. Only the end of the process will."""


class TemplateAborted(Exception):
    """The person aborted while the template was rendered."""


class _Halt(BaseException):
    """Thrown into the rendering thread."""


class ChatTemplate:
    """The Jinja source of a model, with the texts of its BOS and EOS tokens. Its errors carry ``hint``."""

    def __init__(self, source: str, bos: str, eos: str, hint: str = FILE_HINT) -> None:
        self._hint = hint
        self._source = source
        self._tokens = {"bos_token": bos, "eos_token": eos}
        self._compiled: Any = None
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Import jinja2 and compile, in a thread: `render` waits for it where it must."""
        threading.Thread(target=self._try_compile, name="template", daemon=True).start()

    def _try_compile(self) -> None:
        try:
            self._compile()
        except Exception:  # noqa: S110  rendering compiles again and says what is wrong
            pass

    def _compile(self) -> Any:
        with self._lock:
            if self._compiled is None:
                if len(self._source) > MAX_SOURCE:
                    raise TemplateError("the model's chat template is larger than 1 MiB", hint=self._hint)
                self._compiled = _environment().from_string(self._source)
            return self._compiled

    def render(self, turns: tuple[Turn, ...], aborted: Callable[[], bool]) -> str:
        """The prompt of `turns` up to where the answer begins.

        A template that refuses (no system role, turns that do not alternate) is asked once more with system
        turns folded into the first prompt and neighbours of one role joined. Raises `TemplateError`,
        `TemplateStuckError`, `TemplateAborted`.
        """
        try:
            return self._bounded(turns, aborted)
        except TemplateError:
            folded = fold(turns)
            if folded == turns:
                raise
            return self._bounded(folded, aborted)

    def _bounded(self, turns: tuple[Turn, ...], aborted: Callable[[], bool]) -> str:
        outcome: list[str | BaseException] = []

        def work() -> None:
            try:
                outcome.append(self._rendered(turns))
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=work, name="render", daemon=True)
        thread.start()
        deadline = time.monotonic() + DEADLINE_S
        while thread.is_alive() and time.monotonic() < deadline and not aborted():
            thread.join(0.05)
        if thread.is_alive():
            _halt(thread, self._hint)
            if aborted():
                raise TemplateAborted
            raise TemplateError(
                f"the model's chat template ran longer than {DEADLINE_S:.0f} s", hint=self._hint
            )
        result = outcome[0]
        if isinstance(result, str):
            return result
        if isinstance(result, EngineError):
            raise result
        what = one_line(str(result)) or type(result).__name__
        raise TemplateError(f"the model's chat template failed: {what}", hint=self._hint) from None

    def _rendered(self, turns: tuple[Turn, ...]) -> str:
        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        parts, size = [], 0
        for part in self._compile().generate(
            messages=messages, add_generation_prompt=True, tools=None, documents=None, **self._tokens
        ):
            size += len(part)
            if size > MAX_OUTPUT:
                raise TemplateError("the model's chat template wrote more than 16 MiB", hint=self._hint)
            parts.append(part)
        return valid("".join(parts))


def check(source: str, aborted: Callable[[], bool]) -> None:
    """Raises `LoadError` unless the template `source` writes a prompt for a greeting; stops when aborted."""
    try:
        written = ChatTemplate(source, "<s>", "</s>").render((Turn("user", "Hello"),), aborted)
    except TemplateError as error:
        raise LoadError(error.message, hint=OVERRIDE_HINT) from None
    except TemplateAborted:
        return
    if "Hello" not in written:
        raise LoadError("the template set for this model leaves out what is asked", hint=OVERRIDE_HINT)


def fold(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """`turns` without system turns (their text opens the first prompt), roles alternating."""
    system = [turn.content for turn in turns if turn.role == "system"]
    folded: list[Turn] = []
    for turn in turns:
        if turn.role == "system":
            continue
        if turn.role == "user" and system:
            turn = Turn("user", "\n\n".join([*system, turn.content]))  # noqa: PLW2901
            system = []
        if folded and folded[-1].role == turn.role:
            folded[-1] = Turn(turn.role, f"{folded[-1].content}\n\n{turn.content}")
        else:
            folded.append(turn)
    return tuple(folded)


def _halt(thread: threading.Thread, hint: str) -> None:
    """End a rendering thread. Python code ends at its next step; a single long C call cannot be ended.

    Told again and again: an exception that meets a finaliser or a callback of the garbage collector is lost.
    """
    end = time.monotonic() + GRACE_S
    while thread.is_alive() and time.monotonic() < end:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_Halt))
        thread.join(AGAIN_S)
    if thread.is_alive():
        raise TemplateStuckError("the model's chat template does not end", hint=hint)


def _environment() -> Any:
    """A sandbox with what templates written for Hugging Face's transformers expect."""
    from jinja2 import ext, nodes, sandbox
    from jinja2.exceptions import SecurityError
    from jinja2.exceptions import TemplateError as JinjaError

    class Generation(ext.Extension):
        """``{% generation %}`` marks what a training run learns from; here it only groups."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body).set_lineno(line)

    class Sandbox(sandbox.ImmutableSandboxedEnvironment):
        """One multiplication or power can take all memory, or hold the interpreter for hours."""

        intercepted_binops = frozenset({"*", "**"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            sizes = [
                len(side) if isinstance(side, str | list | tuple) else abs(side) for side in (left, right)
            ]
            if operator == "**" and max(sizes) > 1024:
                raise SecurityError("a power that is too large")
            if operator == "*" and sizes[0] * sizes[1] > MAX_REPEAT and not _numbers(left, right):
                raise SecurityError("a repetition that is too long")
            return super().call_binop(context, operator, left, right)

    def raise_exception(message: str) -> None:
        raise JinjaError(str(message))

    def strftime_now(form: str) -> str:
        return datetime.now().astimezone().strftime(form)

    environment = Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[ext.loopcontrols, Generation])
    environment.filters["tojson"] = _to_json
    environment.globals.update(raise_exception=raise_exception, strftime_now=strftime_now)
    return environment


def _numbers(left: Any, right: Any) -> bool:
    return all(isinstance(side, int | float) and abs(side) < 1e100 for side in (left, right))


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as transformers writes it; Jinja's own filter would escape ``<``, ``>``, ``&`` for HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )
