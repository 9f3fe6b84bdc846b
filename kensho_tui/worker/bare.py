"""``python -m kensho_tui.worker.bare``: llama.cpp's own calls in a loop, to hold a worker's speed against.

On stdin lines of JSON: first ``{"load": {…}, "text": …}`` with a `core.frames.Load`, answered with
``{"context": tokens}`` once the model is warm, then any number of
``{"threads": …, "prompt": tokens, "answer": tokens}``, each answered with
``{"prompt_tok_s": …, "decode_tok_s": …}``. What goes wrong is ``{"message": …}``.

Ends with its stdin, whatever it does then: the pipe closes with the host, and a large model must not stay in
memory for as long as it takes to load or to measure.
"""

import json
import os
import sys
import threading
import time
from queue import SimpleQueue
from typing import Any, NoReturn

import msgspec

from kensho_tui.core.errors import KenshoError, LoadError
from kensho_tui.core.frames import Load
from kensho_tui.worker import llama
from kensho_tui.worker.log import LlamaLog
from kensho_tui.worker.model import context_params, model_params

MAX_LINE = 1 << 20


def main() -> NoReturn:
    lines: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    # Drivers may print what they like to stdout: it is no answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    bare: Bare | None = None
    while True:
        try:
            asked = json.loads(lines.get())
            if bare is None:
                bare = Bare(msgspec.convert(asked["load"], Load), asked["text"])
                said: dict[str, Any] = {"context": bare.context}
            else:
                said = bare.run(asked["threads"], asked["prompt"], asked["answer"])
        except KenshoError as error:
            said = {"message": error.message}
        except (ValueError, KeyError, TypeError) as error:
            said = {"message": f"no request: {error}"}
        print(json.dumps(said), file=answers, flush=True)


def _listen(lines: "SimpleQueue[str]") -> NoReturn:
    for line in iter(lambda: sys.stdin.readline(MAX_LINE), ""):
        lines.put(line)
    os._exit(0)  # llama.cpp's own end costs time and gives nothing back that the system does not


class Bare:
    """A model with one context and nothing around it. ``text`` is what is read, again and again."""

    def __init__(self, load: Load, text: str) -> None:
        lib = self._lib = llama.import_bindings()
        self._log = LlamaLog(lib, quiet=True)
        lib.llama_backend_init()
        model = lib.llama_model_load_from_file(os.fsencode(load.path), model_params(lib, load))
        if not model:
            raise LoadError(f"llama.cpp alone could not load it: {self._log.reason() or 'no reason given'}")
        self._vocab = lib.llama_model_get_vocab(model)
        self._ctx = lib.llama_init_from_model(model, context_params(lib, model, load))
        if not self._ctx:
            raise LoadError(f"llama.cpp alone made no context: {self._log.reason() or 'no reason given'}")
        self.context = int(lib.llama_n_ctx(self._ctx))
        self._batch = int(lib.llama_n_batch(self._ctx))
        self._threads_batch = load.threads_batch
        self._ids = self._tokens(text)
        self.run(load.threads, 8, 2)

    def _tokens(self, text: str) -> list[int]:
        lib, data = self._lib, text.encode()
        room = len(data) + 16
        buffer = (lib.llama_token * room)()
        count = lib.llama_tokenize(self._vocab, data, len(data), buffer, room, True, True)
        if count <= 0:
            raise LoadError("llama.cpp alone could not split the text into tokens")
        return list(buffer[:count])

    def run(self, threads: int, prompt: int, answer: int) -> dict[str, float]:
        """Read ``prompt`` tokens into an empty cache, then write ``answer``; tokens per second of both."""
        lib, ctx = self._lib, self._ctx
        lib.llama_set_n_threads(ctx, threads, self._threads_batch)
        lib.llama_memory_clear(lib.llama_get_memory(ctx), False)
        ids = (self._ids * (prompt // len(self._ids) + 1))[:prompt]
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_greedy())
        sample, decode, clock = lib.llama_sampler_sample, lib.llama_decode, time.perf_counter
        started = clock()
        for at in range(0, prompt, self._batch):
            part = ids[at : at + self._batch]
            array = (lib.llama_token * len(part))(*part)
            if decode(ctx, lib.llama_batch_get_one(array, len(part))):
                raise LoadError("llama.cpp alone could not read the prompt")
        slot = (lib.llama_token * 1)(sample(chain, ctx, -1))
        first = last = clock()
        single = lib.llama_batch_get_one(slot, 1)
        for _ in range(answer - 1):
            if decode(ctx, single):
                raise LoadError("llama.cpp alone could not write on")
            slot[0] = sample(chain, ctx, -1)
            last = clock()
        lib.llama_sampler_free(chain)
        return {
            "prompt_tok_s": prompt / (first - started),
            "decode_tok_s": (answer - 1) / (last - first) if last > first else 0.0,
        }


if __name__ == "__main__":
    main()
