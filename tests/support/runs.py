"""Runs of models, written to a database as turns write them."""

from collections.abc import Mapping

from kensho_tui.core.contract import State, StopReason, Timings, Usage
from kensho_tui.storage.chats import Chats, ModelIdentity, Outcome, Started, TurnRow
from kensho_tui.storage.database import Database

SETTINGS: dict[str, object] = {
    "context": 8192, "device": "CPU", "threads": 3, "gpu_layers": -1, "kv_type": "f16",
    "threads_batch": 4, "batch": 256, "flash": "on",
    "quantisation": "Q4_1", "active_weights": 10**8, "memory": 150 << 20, "memory_host": 0,
}  # fmt: skip
USAGE = Usage(prompt_tokens=100, cached_tokens=40, completion_tokens=50)
TIMINGS = Timings(
    queue_s=0.1, load_s=0.2, prefill_s=0.3, ttft_s=0.6, prompt_tok_s=200.0, decode_tok_s=30.0, total_s=2.5
)


async def run(
    chats: Chats,
    model: str = "tiny",
    *,
    settings: Mapping[str, object] = SETTINGS,
    usage: Usage = USAGE,
    timings: Timings = TIMINGS,
    state: State = "complete",
    stop_reason: StopReason | None = "end",
    from_cache: bool = False,
    chat: str | None = None,
) -> TurnRow:
    """One turn from its begin to its end."""
    row = await chats.begin_turn(chat, "question", model, None, "streaming")
    identity = ModelIdentity(f"/models/{model}.gguf", 1, 0.0)
    await chats.start_generation(row, Started(model, identity, settings, from_cache))
    await chats.finish(row, "answer", Outcome(state, stop_reason, usage=usage, timings=timings))
    return row


async def move(database: Database, row: TurnRow, date: str) -> None:
    """Let a run have begun at ``date``."""
    async with database.transaction("not moved") as work:
        await work.run(
            "UPDATE generations SET created = ?, day = substr(?, 1, 10) WHERE id = ?",
            (date, date, row.generation_id),
        )
