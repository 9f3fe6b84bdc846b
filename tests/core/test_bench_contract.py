"""What the objects about benchmarks say of themselves."""

from msgspec.structs import replace

from kensho_tui.core.bench_contract import BenchSettings

USUAL = BenchSettings(threads=1, threads_batch=8, batch=512, flash=True, kv_type="f16", gpu_layers=-1)


def test_settings_in_words() -> None:
    assert USUAL.words(gpu=False) == "1 thread, 8 prefill threads, batch 512, f16 KV"
    assert USUAL.words(gpu=True).endswith(", all layers on the GPU")
    other = replace(USUAL, threads=0, threads_batch=1, flash=False, gpu_layers=20)
    assert other.words(gpu=True) == (
        "auto threads, 1 prefill thread, batch 512, f16 KV, no flash attention, 20 layers on the GPU"
    )
