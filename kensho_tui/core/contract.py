"""The front link: request and reply of every bus method, and the facts that can be watched.

Sizes are bytes, times seconds, speeds tokens per second, dates ISO 8601 in UTC. Unknown fields are
ignored on both sides, so that fields may be added without a new protocol version.
"""

from typing import Generic, Literal, TypeVar

from msgspec import Raw, Struct

from kensho_tui.core.model_info import Footprint as Footprint
from kensho_tui.core.model_info import ModelInfo as ModelInfo
from kensho_tui.core.model_info import ModelList as ModelList
from kensho_tui.core.model_info import Remedy as Remedy
from kensho_tui.core.model_info import Verdict as Verdict

PROTOCOL = 1

Role = Literal["system", "user", "assistant"]
State = Literal["queued", "streaming", "complete", "stopped", "failed", "interrupted"]
StopReason = Literal["end", "stop_sequence", "length", "context", "abort", "error"]
ChatState = Literal["idle", "streaming", "interrupted", "failed"]
PhaseName = Literal[
    "queued",
    "unloading",
    "waiting",
    "starting",
    "reading",
    "loading",
    "warming",
    "prefill",
    "decode",
    "stalled",
]
WorkerState = Literal["starting", "loading", "ready", "busy", "closing"]

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Method(Generic[Request, Answer]):
    """The name of a bus method with the types of its request and its reply."""

    def __init__(self, name: str, request: type[Request], answer: type[Answer]) -> None:
        self.name = name
        self.request = request
        self.answer = answer


class Empty(Struct, frozen=True):
    """A request or a reply that says nothing more."""


# --- what a turn is made of -------------------------------------------------------------------------


class Sampling(Struct, frozen=True, kw_only=True):
    """How tokens are chosen. ``temperature`` 0 is greedy; ``seed`` None draws one and keeps it."""

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    seed: int | None = None
    max_tokens: int = 2048
    stop: tuple[str, ...] = ()


class Usage(Struct, frozen=True, kw_only=True):
    """Token counts; ``cached_tokens`` of the prompt were still in the KV cache."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


class Timings(Struct, frozen=True, kw_only=True):
    """Seconds and tokens per second, as docs/architecture.md defines them.

    ``ttft_s`` = queue + load + prefill (first decode included), seen by the host; ``load_s`` is 0 for a
    resident model; ``prompt_tok_s`` = (prompt - cached) / prefill_s; ``decode_tok_s`` =
    (completion - 1) / (last - first token).
    """

    queue_s: float = 0.0
    load_s: float = 0.0
    prefill_s: float = 0.0
    ttft_s: float = 0.0
    prompt_tok_s: float = 0.0
    decode_tok_s: float = 0.0
    total_s: float = 0.0


class Phase(Struct, frozen=True, kw_only=True):
    """What a stream waits for, and how far that is: ``done`` of ``total`` (bytes or tokens; 0 unknown).

    ``note`` says more: the model that is unloaded, what is tried again and why.
    """

    name: PhaseName
    done: int = 0
    total: int = 0
    note: str = ""

    @property
    def fraction(self) -> float | None:
        return min(self.done / self.total, 1.0) if self.total > 0 else None


class Message(Struct, frozen=True, kw_only=True):
    """One node of a chat's message tree. ``stream`` names the live stream while there is one.

    ``trimmed`` messages of the history no longer fit the context and were not told to the model. ``cached``:
    the text is that of an earlier answer to the same question. ``unsaved``: its end is in the host's memory
    alone, until the database takes it.
    """

    id: str
    parent_id: str | None
    role: Role
    state: State
    model: str | None
    content: str
    stop_reason: StopReason | None
    error: str | None
    created: str
    usage: Usage | None = None
    timings: Timings | None = None
    trimmed: int = 0
    stream: str | None = None
    cached: bool = False
    unsaved: bool = False

    @property
    def resumable(self) -> bool:
        """Whether this answer can go on: it was cut short by anything but the model itself."""
        if self.role != "assistant" or self.stream is not None:
            return False
        cut = self.state == "complete" and self.stop_reason in ("length", "context")
        return cut or self.state in ("stopped", "failed", "interrupted")


class ChatSummary(Struct, frozen=True, kw_only=True):
    id: str
    title: str
    created: str
    updated: str
    model: str | None
    messages: int
    state: ChatState


class Chat(Struct, frozen=True, kw_only=True):
    """A chat with the messages of its active path in order (or of every branch, oldest first)."""

    id: str
    title: str
    created: str
    updated: str
    model: str | None
    messages: tuple[Message, ...]


# --- requests and replies ---------------------------------------------------------------------------


class Submit(Struct, frozen=True, kw_only=True):
    """A prompt for ``chat`` (None: a new one). ``attached``: the turn ends with the connection.

    ``given`` names the fields of ``sampling`` set by hand: the model's own defaults fill the others.
    ``fresh``: no earlier answer will do. ``anew``: the message that ``prompt`` is, the last of its chat; it
    gets another answer beside the one it has. ``show``: the reply brings the chat along.
    """

    prompt: str
    chat: str | None = None
    model: str | None = None
    system: str | None = None
    sampling: Sampling = Sampling()
    given: tuple[str, ...] = ()
    attached: bool = False
    fresh: bool = False
    anew: str | None = None
    show: bool = False


class Resume(Struct, frozen=True, kw_only=True):
    """Go on with an answer that was stopped, failed, interrupted or cut at a limit."""

    message: str
    sampling: Sampling = Sampling()
    given: tuple[str, ...] = ()


class Submitted(Struct, frozen=True, kw_only=True):
    """``shown``: the chat as it stood then, if asked for and not very long: an answer that was there already
    is in it.
    """

    chat: str
    message: str
    stream: str
    queued: bool
    shown: Chat | None = None


class Read(Struct, frozen=True, kw_only=True):
    """Text of ``stream`` from character ``cursor`` on; held up to ``wait`` seconds when there is none."""

    stream: str
    cursor: int = 0
    wait: float = 0.0


class Piece(Struct, frozen=True, kw_only=True):
    """``text`` since the cursor asked for, the next ``cursor``, and where the stream stands.

    ``result`` is the finished message (without its content) once ``state`` is "ended".
    ``tokens`` counts the completion tokens so far, ``prompt_tokens`` the prompt's (0 until known).
    """

    text: str
    cursor: int
    state: Literal["waiting", "streaming", "ended"]
    phase: Phase
    tokens: int = 0
    prompt_tokens: int = 0
    result: Message | None = None


class StreamRef(Struct, frozen=True):
    stream: str


class ListChats(Struct, frozen=True, kw_only=True):
    limit: int = 1000


class ChatList(Struct, frozen=True):
    chats: tuple[ChatSummary, ...]


class ShowChat(Struct, frozen=True, kw_only=True):
    """``chat`` is an id or a unique prefix of one; None asks for the last one used."""

    chat: str | None = None
    all: bool = False


class ListPrompts(Struct, frozen=True, kw_only=True):
    limit: int = 200


class PromptList(Struct, frozen=True):
    """Prompts sent before, newest first, without repetitions."""

    prompts: tuple[str, ...]


class Prepare(Struct, frozen=True, kw_only=True):
    """Load the model that ``chat`` would use, so that loading hides behind typing.

    ``switch``: a person chose ``model``: others may be unloaded for it as its verdict said. ``anyway``: they
    also chose to try although it does not fit.
    """

    chat: str | None = None
    model: str | None = None
    switch: bool = False
    anyway: bool = False


class Stop(Struct, frozen=True):
    """End the host in an orderly way: answers under way are kept as interrupted."""


class Watch(Struct, frozen=True, kw_only=True):
    """Facts newer than the versions seen, by topic; held up to ``wait`` seconds while there are none."""

    seen: dict[str, int]
    wait: float = 0.0


class Fact(Struct, frozen=True):
    version: int
    body: Raw


class Facts(Struct, frozen=True):
    facts: dict[str, Fact]


# --- facts ------------------------------------------------------------------------------------------


class WorkerInfo(Struct, frozen=True, kw_only=True):
    pid: int
    model: str
    state: WorkerState
    phase: Phase | None = None
    context: int = 0
    has_template: bool = True
    device: str = "CPU"
    pinned: bool = False
    bench: bool = False
    """A benchmark has it: it is ``busy`` to its end, also while it is set up anew."""
    footprint: Footprint | None = None
    elapsed_s: float = 0.0
    expected_s: float = 0.0
    """While it loads: since when, and how long it took last time (0: not known)."""


class Memory(Struct, frozen=True, kw_only=True):
    """Memory that models live in: VRAM where llama.cpp uses a GPU, else RAM."""

    kind: Literal["RAM", "VRAM"]
    used: int
    total: int


class BenchNow(Struct, frozen=True, kw_only=True):
    """The benchmark under way; turns wait for its end. ``left_s``: how long still, None: not known yet."""

    model: str
    left_s: float | None = None


class HostStatus(Struct, frozen=True, kw_only=True):
    """Topic ``host``, and the reply to ``host.status``."""

    running: bool
    pid: int
    version: str
    front_ends: int
    streams: int
    downloads: int
    workers: tuple[WorkerInfo, ...]
    memory: Memory | None = None
    notices: tuple[str, ...] = ()
    bench: BenchNow | None = None


class ChatFact(Struct, frozen=True, kw_only=True):
    """Topic ``chat:<id>``: it changed; ``streams`` maps message ids to live streams."""

    id: str
    title: str
    streams: dict[str, str]


class ChatsFact(Struct, frozen=True):
    """Topic ``chats``: the list of chats changed."""


class ModelsFact(Struct, frozen=True):
    """Topic ``models``: the list of models changed."""


SUBMIT = Method("dialogue.submit", Submit, Submitted)
RESUME = Method("dialogue.resume", Resume, Submitted)
READ = Method("stream.read", Read, Piece)
ABORT = Method("stream.abort", StreamRef, Empty)
LIST_CHATS = Method("chats.list", ListChats, ChatList)
SHOW_CHAT = Method("chats.show", ShowChat, Chat)
LIST_PROMPTS = Method("chats.prompts", ListPrompts, PromptList)
PREPARE = Method("models.prepare", Prepare, Empty)
LIST_MODELS = Method("models.list", Empty, ModelList)
WATCH = Method("facts.watch", Watch, Facts)
STATUS = Method("host.status", Empty, HostStatus)
STOP = Method("host.stop", Stop, Empty)

TOPIC_HOST = "host"
TOPIC_CHATS = "chats"
TOPIC_MODELS = "models"


def chat_topic(chat: str) -> str:
    return f"chat:{chat}"
