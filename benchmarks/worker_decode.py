"""Decode speed of the worker, read from its socket, over llama.cpp's bare loop at the same thread count.

Both processes stay loaded and take turns with the same prompt, settings and number of tokens, so that a
shared machine's ups and downs meet both. The order within a pair changes every time.

    python benchmarks/worker_decode.py [--model M.gguf] [--rounds 9] [--tokens 200] [--threads 1]

Prints one JSON document: medians in tokens per second, and the median of the ratios pair by pair.
"""

import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TypeVar

from common import PROMPT, TEMPLATE, median_ratio, option_parser, report, starter
from floor import SEED, Floor

from kensho_tui.bus.codec import HEADER, FrameDecoder, encode, payload_size
from kensho_tui.core.contract import Sampling
from kensho_tui.core.frames import Chunk, End, Error, FromWorker, Generate, Load, Loaded, Turn

Frame = TypeVar("Frame")


class Worker:
    """A worker and the reading end of its socket."""

    def __init__(self, model: Path, threads: int) -> None:
        self._sock, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "kensho_tui.worker", "--fd", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        self._decoder: FrameDecoder[FromWorker] = FrameDecoder(FromWorker)
        self._file = self._sock.makefile("rb")
        self.send(Load(path=str(model), context=2048, threads=threads, threads_batch=threads))
        self.until(Loaded)

    def send(self, frame: object) -> None:
        self._sock.sendall(encode(frame))

    def next(self) -> FromWorker:
        return self._decoder.decode(self._file.read(payload_size(self._file.read(HEADER.size))))

    def until(self, kind: type[Frame]) -> Frame:
        """The next frame of this kind; those before it are dropped."""
        while not isinstance(frame := self.next(), kind):
            if isinstance(frame, Error):
                raise SystemExit(frame.message)
        return frame

    def round(self, tokens: int, temperature: float, number: int) -> dict[str, float]:
        """One answer. ``read_tok_s`` is measured by the reader of the socket, chunk by chunk."""
        sampling = Sampling(temperature=temperature, seed=SEED, max_tokens=tokens)
        # Another beginning each time, so that the prompt is evaluated as the bare loop evaluates it.
        turns = (Turn("system", f"{number}"), Turn("user", PROMPT))
        self.send(Generate(id=str(number), turns=turns, sampling=sampling))
        arrivals: list[tuple[float, int]] = []
        while not isinstance(frame := self.next(), End):
            if isinstance(frame, Chunk):
                arrivals.append((time.perf_counter(), frame.tokens))
        (first, before), (last, after) = arrivals[0], arrivals[-1]
        return {
            "tokens": frame.usage.completion_tokens,
            "decode_tok_s": (frame.usage.completion_tokens - 1) / frame.decode_s,
            "read_tok_s": (after - before) / (last - first),
        }

    def close(self) -> None:
        self._file.close()
        self._sock.close()
        self._process.wait()


def main() -> None:
    parser = option_parser(__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--temperature", type=float, default=0.8)
    arguments = parser.parse_args()
    model = arguments.model or starter()
    worker = Worker(model, arguments.threads)
    floor = Floor(model, arguments.threads, arguments.tokens, TEMPLATE.format(PROMPT), arguments.temperature)
    pairs: list[tuple[dict[str, float], dict[str, float]]] = []
    try:
        for number in range(-1, arguments.rounds):
            ours = worker.round(arguments.tokens, arguments.temperature, number) if number % 2 else None
            bare = floor.round()
            ours = ours or worker.round(arguments.tokens, arguments.temperature, number)
            if number >= 0:  # the first pair warms up
                pairs.append((ours, bare))
    finally:
        worker.close()
        floor.close()
    read, decoded = [ours["read_tok_s"] for ours, _ in pairs], [bare["decode_tok_s"] for _, bare in pairs]
    report(
        "decode tok/s of the worker, read from its socket, over the bare loop",
        threads=arguments.threads,
        rounds=len(pairs),
        worker_tok_s=statistics.median(read),
        bare_tok_s=statistics.median(decoded),
        ratio=median_ratio(read, decoded),
        ratios=[ours / bare for ours, bare in zip(read, decoded, strict=True)],
        tokens=sorted({pair[side]["tokens"] for pair in pairs for side in (0, 1)}),
    )


if __name__ == "__main__":
    main()
