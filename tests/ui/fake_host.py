"""A host in memory with the façade's methods, on the real hub and board. Tests say what is answered."""

import inspect
import itertools
from collections.abc import Callable

from msgspec.structs import replace

from kensho_tui.bus.board import FactBoard
from kensho_tui.bus.hub import Stream, StreamHub
from kensho_tui.core import contract as c
from kensho_tui.core.errors import HostGoneError, KenshoError, NotFoundError, UsageError

GIB = 1024**3
MODEL = "SmolLM2-135M-Instruct"
DATE = "2026-11-21T09:14:00+00:00"


def worker(state: c.WorkerState = "ready", phase: c.Phase | None = None) -> c.WorkerInfo:
    return c.WorkerInfo(pid=42, model=MODEL, state=state, phase=phase, context=8192)


def host_status(**changes: object) -> c.HostStatus:
    status = c.HostStatus(
        running=True,
        pid=41,
        version="0",
        front_ends=1,
        streams=0,
        downloads=0,
        workers=(worker(),),
        memory=c.Memory(kind="RAM", used=int(1.1 * GIB), total=24 * GIB),
    )
    return replace(status, **changes)


class FakeHost:
    """Chats, streams and facts without a process. `calls` has every request in order."""

    def __init__(self, *, models: bool = True) -> None:
        self.starting = ""
        self.told: Callable[[], None] = lambda: None
        self.differs: tuple[str, ...] = ()
        self.host_version = "0"
        self.connected = False
        self.calls: list[tuple[str, object]] = []
        self.fail: dict[str, KenshoError] = {}
        self.replies: dict[str, object] = {}
        self.status_now = host_status()
        self.models_now = (
            (c.ModelInfo(name=MODEL, path="/m.gguf", size=GIB // 10, source="starter", default=True),)
            if models
            else ()
        )
        self.chats_now: dict[str, c.Chat] = {}
        self.prompts_now: list[str] = []
        self.reachable = True
        self.cut_replies = False
        self.on_submit: Callable[[Stream], None] = lambda stream: None
        self.hub = StreamHub()
        self.board = FactBoard()
        self._ids = itertools.count(1)
        self.board.post(c.TOPIC_HOST, self.status_now)

    # --- the façade -----------------------------------------------------------------------------------

    def _called(self, name: str, request: object = None) -> None:
        self.calls.append((name, request))
        if not self.connected and name != "open":
            raise HostGoneError("the connection to the host was lost")
        if name in self.fail:
            raise self.fail.pop(name)

    def called(self, name: str) -> list[object]:
        return [request for call, request in self.calls if call == name]

    async def open(self) -> "FakeHost":
        if not self.connected:
            self.calls.append(("open", None))
            if not self.reachable:
                raise HostGoneError("nobody there")
            self.connected = True
        return self

    async def close(self) -> None:
        self.connected = False

    async def submit(self, request: c.Submit) -> c.Submitted:
        self._called("submit", request)
        chat = self.chats_now.get(request.chat or "") or self.add_chat(request.prompt[:40])
        parent = chat.messages[-1].id if chat.messages else None
        queued = any(message.stream for message in chat.messages)
        messages = chat.messages
        if request.anew is not None:  # its answer gives way to another one
            *messages, asked = messages[:-1]
            assert asked.id == request.anew
        else:
            asked = self.message("user", request.prompt, parent=parent)
        stream = self.hub.open(f"s{next(self._ids)}")
        answer = self.message(
            "assistant",
            "",
            parent=asked.id,
            state="queued" if queued else "streaming",
            stop_reason=None,
            stream=stream.id,
        )
        self.prompts_now.insert(0, request.prompt)
        self.put(chat.id, *messages, asked, answer)
        self.on_submit(stream)
        if self.cut_replies:
            self.vanish()
            raise HostGoneError("the connection to the host was lost")
        shown = self.chats_now[chat.id] if request.show else None
        return c.Submitted(chat=chat.id, message=answer.id, stream=stream.id, queued=queued, shown=shown)

    async def resume(self, message: str) -> c.Submitted:
        self._called("resume", message)
        chat = next(chat for chat in self.chats_now.values() if message in {m.id for m in chat.messages})
        stream = self.hub.open(f"s{next(self._ids)}", chat.messages[-1].content)
        self.change(message, state="streaming", stop_reason=None, error=None, stream=stream.id)
        self.on_submit(stream)
        return c.Submitted(chat=chat.id, message=message, stream=stream.id, queued=False)

    async def read(self, stream: str, cursor: int = 0, wait: float = 0.0) -> c.Piece:
        self._called("read", stream)
        piece = await self.hub.get(stream).read(cursor, wait)
        if not self.connected:
            raise HostGoneError("the connection to the host was lost")
        return piece

    async def abort(self, stream: str) -> None:
        self._called("abort", stream)
        self.end(self.hub.get(stream), state="stopped", stop_reason="abort")

    async def chats(self) -> tuple[c.ChatSummary, ...]:
        self._called("chats")
        return tuple(self.summary(chat) for chat in reversed(self.chats_now.values()))

    async def chat(self, chat: str | None = None, *, all_branches: bool = False) -> c.Chat:
        self._called("chat", chat)
        found = self.chats_now.get(chat) if chat else next(reversed(self.chats_now.values()), None)
        if found is None:
            raise NotFoundError("there is no such chat")
        return found

    async def prompts(self) -> tuple[str, ...]:
        self._called("prompts")
        return tuple(self.prompts_now)

    async def call(self, method: c.Method[c.Request, c.Answer], request: c.Request) -> c.Answer:
        """What `replies` holds for the method's name; called, and awaited, if it can be."""
        self._called(method.name, request)
        if method.name not in self.replies:
            raise UsageError(f"this host has no method {method.name!r}")
        reply = self.replies[method.name]
        answer = reply(request) if callable(reply) else reply
        if inspect.isawaitable(answer):
            answer = await answer
        assert isinstance(answer, method.answer), answer
        return answer

    async def prepare(self, request: c.Prepare) -> None:
        self._called("prepare", request)

    async def models(self) -> tuple[c.ModelInfo, ...]:
        self._called("models")
        return self.models_now

    async def watch(self, seen: dict[str, int], wait: float) -> dict[str, c.Fact]:
        self._called("watch", tuple(sorted(seen)))
        facts = (await self.board.watch(seen, wait)).facts
        if not self.connected:
            raise HostGoneError("the connection to the host was lost")
        return facts

    async def status(self) -> c.HostStatus:
        self._called("status")
        return self.status_now

    async def stop_host(self) -> None:
        self._called("stop_host")
        self.vanish()

    # --- what tests do --------------------------------------------------------------------------------

    def message(self, role: c.Role, content: str, **changes: object) -> c.Message:
        parent = changes.pop("parent", None)
        base = c.Message(
            id=f"m{next(self._ids)}",
            parent_id=parent if isinstance(parent, str) else None,
            role=role,
            state="complete",
            model=MODEL if role == "assistant" else None,
            content=content,
            stop_reason="end" if role == "assistant" else None,
            error=None,
            created=DATE,
        )
        return replace(base, **changes)

    def add_chat(self, title: str, *messages: c.Message, updated: str = DATE) -> c.Chat:
        number = next(self._ids)
        chat = c.Chat(
            id=f"c{number}", title=title, created=DATE, updated=updated, model=MODEL, messages=messages
        )
        self.chats_now[chat.id] = chat
        return chat

    def summary(self, chat: c.Chat) -> c.ChatSummary:
        last = chat.messages[-1] if chat.messages else None
        state: c.ChatState = "idle"
        if last is not None and last.state in ("streaming", "interrupted", "failed"):
            state = last.state
        return c.ChatSummary(
            id=chat.id,
            title=chat.title,
            created=chat.created,
            updated=chat.updated,
            model=chat.model,
            messages=len(chat.messages),
            state=state,
        )

    def put(self, chat: str, *messages: c.Message) -> None:
        """The chat's messages from now on, told to those who watch."""
        self.chats_now[chat] = replace(self.chats_now[chat], messages=messages)
        title = self.chats_now[chat].title
        streams = {message.id: message.stream for message in messages if message.stream}
        self.board.touch(c.chat_topic(chat), c.ChatFact(id=chat, title=title, streams=streams))
        self.board.touch(c.TOPIC_CHATS, c.ChatsFact())

    def change(self, message: str, **changes: object) -> None:
        for chat in list(self.chats_now.values()):
            if message in {m.id for m in chat.messages}:
                self.put(chat.id, *(replace(m, **changes) if m.id == message else m for m in chat.messages))

    def answer_of(self, stream: Stream) -> c.Message:
        messages = (m for chat in self.chats_now.values() for m in chat.messages)
        return next(message for message in messages if message.stream == stream.id)

    def end(self, stream: Stream, **changes: object) -> None:
        """The stream is over: saved first, then told."""
        answer = self.answer_of(stream)
        usage = c.Usage(prompt_tokens=stream.prompt_tokens, completion_tokens=stream.tokens)
        timings = c.Timings(ttft_s=0.034, decode_tok_s=148.0, total_s=1.0)
        done = {"state": "complete", "stop_reason": "end", "usage": usage, "timings": timings, **changes}
        self.change(answer.id, content=stream.text, stream=None, **done)
        stream.end(replace(answer, content="", stream=None, **done))

    def post_status(self, **changes: object) -> None:
        self.status_now = replace(self.status_now, **changes)
        self.board.post(c.TOPIC_HOST, self.status_now)

    def vanish(self) -> None:
        """The process is gone: every held call fails, answers under way become interrupted."""
        self.connected = False
        streams = [m.stream for chat in self.chats_now.values() for m in chat.messages if m.stream]
        for key in streams:
            stream = self.hub.get(key)
            answer = self.answer_of(stream)
            self.change(answer.id, state="interrupted", stop_reason=None, content=stream.text, stream=None)
            stream.set_phase(c.Phase(name="stalled", done=1))  # wakes whoever reads
        self.hub = StreamHub()
        self.board.touch(c.TOPIC_HOST, self.status_now)
