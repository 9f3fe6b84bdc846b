"""The list of benchmarks, as a terminal of 80 columns has it."""

from datetime import UTC, datetime

from msgspec.structs import replace

from kensho_tui.cli.bench_tables import listed
from kensho_tui.core.bench_contract import BenchRun, BenchSettings, Recommendation

SETTINGS = BenchSettings(threads=2, threads_batch=2, batch=256, flash=True, kv_type="f16", gpu_layers=-1)
STOPPED = BenchRun(
    id="1",
    model="SmolLM2-135M-Instruct",
    quantisation="Q4_1",
    state="stopped",
    created="2026-11-21T10:00:00.000Z",
)
WHOLE = replace(
    STOPPED,
    quantisation="Q8_0",
    state="complete",
    applied="shared",
    recommendations=(
        Recommendation(
            condition="quiet", settings=SETTINGS, prompt_tok_s=1400.0, decode_tok_s=148.2, gain=0.1
        ),
        Recommendation(
            condition="shared", settings=SETTINGS, prompt_tok_s=1200.0, decode_tok_s=140.0, gain=0.1
        ),
    ),
)


def test_what_was_stopped_says_so_in_a_narrow_terminal() -> None:
    title, stopped, whole, *legend = listed(
        [STOPPED, WHOLE], 80, now=datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    )
    assert all(len(line) <= 80 for line in (title, stopped, whole, *legend))
    assert "stopped" in stopped and "Q4_1" in stopped
    for word in ("complete", "Q8_0", "1,400 / 148.2", "1,200 / 140.0"):
        assert word in whole
    assert "STATE" in title and legend[0].startswith("Prompt / decode tok/s")
