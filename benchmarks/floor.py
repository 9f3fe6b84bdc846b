"""The floor: what llama.cpp itself needs, in a loop with nothing around it.

As a script, one bare run in a fresh process: Python, ``import llama_cpp``, load, prefill, decode. Prints one
JSON document, or one line per round when rounds are asked for on stdin (a line each, ended by end of file).

    python benchmarks/floor.py --model M.gguf --prompt "..." --tokens 128 --threads 1 [--temperature 0.8]

Times are seconds since the process was started (``first_s``) or since the round began, speeds tokens per
second. `Floor` and `run` are for the other benchmarks.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SEED = 42


class Floor:
    """A bare process that stays loaded and decodes one round per `round` call."""

    def __init__(self, model: Path, threads: int, tokens: int, prompt: str, temperature: float = 0.0) -> None:
        self._process = subprocess.Popen(
            [*_command(model, threads, tokens, prompt, temperature), "--rounds"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def round(self) -> dict[str, float]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the bare process has no pipes")
        stdin.write("\n")
        stdin.flush()
        found: dict[str, float] = json.loads(stdout.readline())
        return found

    def close(self) -> None:
        self._process.communicate()


def run(
    model: Path, threads: int, tokens: int, prompt: str, *, threads_batch: int = 0, context: int = 2048
) -> dict[str, float]:
    """One greedy round in a fresh process; ``first_s`` is the time from its start to its first token."""
    more = ["--threads-batch", str(threads_batch), "--context", str(context)]
    started = time.time()
    done = subprocess.run(
        [*_command(model, threads, tokens, prompt, 0.0), *more, "--started", repr(started)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _command(model: Path, threads: int, tokens: int, prompt: str, temperature: float) -> list[str]:
    return [
        sys.executable, "-P", __file__, "--model", str(model), "--threads", str(threads),
        "--tokens", str(tokens), "--prompt", prompt, "--temperature", str(temperature),
    ]  # fmt: skip


class Bare:
    """llama.cpp's calls and nothing else. The context has the worker's settings."""

    def __init__(self, model: str, threads: int, threads_batch: int, context: int) -> None:
        import llama_cpp as lib

        self.lib: Any = lib
        self._log = lib.llama_log_callback(lambda *_: None)
        lib.llama_log_set(self._log, None)
        lib.llama_backend_init()
        pointer = lib.llama_model_load_from_file(os.fsencode(model), lib.llama_model_default_params())
        params = lib.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = context, 256, 256
        params.n_outputs_max = 1
        params.n_threads, params.n_threads_batch = threads, threads_batch
        params.swa_full = False
        self.vocab = lib.llama_model_get_vocab(pointer)
        self.ctx = lib.llama_init_from_model(pointer, params)

    def tokenize(self, text: bytes) -> list[int]:
        buffer = (self.lib.llama_token * (len(text) + 16))()
        count = self.lib.llama_tokenize(self.vocab, text, len(text), buffer, len(buffer), True, True)
        return list(buffer[:count])

    def sampler(self, temperature: float) -> Any:
        lib = self.lib
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        steps = [lib.llama_sampler_init_greedy()]
        if temperature > 0:
            steps = [
                lib.llama_sampler_init_top_k(40),
                lib.llama_sampler_init_top_p(0.95, 1),
                lib.llama_sampler_init_min_p(0.05, 1),
                lib.llama_sampler_init_temp(temperature),
                lib.llama_sampler_init_dist(SEED),
            ]
        for step in steps:
            lib.llama_sampler_chain_add(chain, step)
        return chain

    def round(self, prompt: list[int], tokens: int, temperature: float) -> dict[str, float]:
        """Prefill from an empty cache, then decode up to `tokens`."""
        lib, ctx = self.lib, self.ctx
        lib.llama_memory_clear(lib.llama_get_memory(ctx), False)
        chain = self.sampler(temperature)
        started = time.perf_counter()
        for at in range(0, len(prompt), 256):
            part = (lib.llama_token * len(prompt[at : at + 256]))(*prompt[at : at + 256])
            if lib.llama_decode(ctx, lib.llama_batch_get_one(part, len(part))):
                raise RuntimeError("llama_decode failed")
        slot = (lib.llama_token * 1)()
        batch = lib.llama_batch_get_one(slot, 1)
        sample, decode, clock = lib.llama_sampler_sample, lib.llama_decode, time.perf_counter
        ends, vocab = lib.llama_vocab_is_eog, self.vocab
        token = sample(chain, ctx, -1)
        first = last = clock()
        wall, count = time.time(), 1
        while count < tokens and not ends(vocab, token):
            slot[0] = token
            decode(ctx, batch)
            token = sample(chain, ctx, -1)
            last = clock()
            count += 1
        lib.llama_sampler_free(chain)
        return {
            "prefill_s": first - started,
            "first_at": wall,
            "tokens": count,
            "decode_tok_s": (count - 1) / (last - first) if count > 1 else 0.0,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--threads-batch", type=int, default=0, help="as --threads when 0")
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--started", type=float, help="time.time() at the start of this process")
    parser.add_argument("--rounds", action="store_true", help="one round per line of stdin")
    arguments = parser.parse_args()
    started = arguments.started or time.time()
    bare = Bare(
        arguments.model, arguments.threads, arguments.threads_batch or arguments.threads, arguments.context
    )
    prompt = bare.tokenize(arguments.prompt.encode())
    bare.round(prompt[:1], 2, 0.0) if arguments.rounds else None
    for _ in sys.stdin if arguments.rounds else [""]:
        found = bare.round(prompt, arguments.tokens, arguments.temperature)
        found["first_s"] = found.pop("first_at") - started
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
