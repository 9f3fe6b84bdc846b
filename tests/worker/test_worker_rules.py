"""Small decisions of the worker, each a pure function or a part that needs no model."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from kensho_tui.bus.codec import HEADER, encode
from kensho_tui.core.errors import EngineError, LoadError, ProtocolError
from kensho_tui.core.frames import Beat, Chunk, Close, Load
from kensho_tui.worker import llama, reading
from kensho_tui.worker.emitter import Emitter
from kensho_tui.worker.link import Link
from kensho_tui.worker.log import LlamaLog
from kensho_tui.worker.prefill import SMALLEST, Measured, chunk_size, may_keep
from kensho_tui.worker.reading import CANCELLED, ReadAhead, parts
from kensho_tui.worker.sampling import pick_seed


@pytest.mark.parametrize(
    ("rate", "largest", "expected"),
    [
        (0, 256, 64),
        (50, 256, 64),
        (250, 256, 64),
        (500, 256, 128),
        (5000, 256, 256),
        (1e6, 512, 512),
        (9e9, 20, 20),
    ],
)
def test_chunk_size(rate: float, largest: int, expected: int) -> None:
    assert chunk_size(rate, largest) == expected


def test_the_speed_is_of_large_chunks_where_there_were_any() -> None:
    measured = Measured()
    assert measured.speed == 0
    measured.add(10, 1.0)
    assert measured.speed == 10
    measured.add(SMALLEST, 0.5)
    measured.add(SMALLEST * 3, 1.5)
    measured.add(1, 60.0)
    assert measured.speed == SMALLEST * 2


@pytest.mark.parametrize(
    ("keep", "held", "positions", "n_swa", "chunked", "expected"),
    [
        (0, 10, (0, 9), 0, False, False),
        (5, 10, (0, 9), 0, False, True),
        (10, 10, (0, 9), 512, False, True),
        (1500, 1500, (988, 1499), 512, False, True),
        (1499, 1500, (988, 1499), 512, False, False),
        (1400, 2000, (700, 1999), 512, False, True),
        (5, 10, (-1, -1), 0, False, False),
        (11, 11, (0, 9), 0, False, False),
        (5, 10, (9, 9), 0, False, False),
        (10, 10, (9, 9), 0, False, True),
        (5, 10, (0, 9), 512, True, False),
        (10, 10, (0, 9), 512, True, True),
    ],
)
def test_sliding_window_guard(
    keep: int, held: int, positions: tuple[int, int], n_swa: int, chunked: bool, expected: bool
) -> None:
    assert may_keep(keep, held, positions, n_swa, chunked) is expected


def test_seeds() -> None:
    assert pick_seed(7) == 7
    assert pick_seed(0xFFFFFFFF) != 0xFFFFFFFF
    assert pick_seed(-1) == 0xFFFFFFFE
    assert len({pick_seed(None) for _ in range(20)}) > 1


# --- the link ---------------------------------------------------------------------------------------


@pytest.fixture
def pair() -> Iterator[tuple[Link, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)
        yield Link(ours), theirs


def chunk(text: str) -> Chunk:
    return Chunk(id="g", sequence=0, text=text, tokens=1, prompt_tokens=1)


def test_a_full_pipe_takes_whole_frames_or_nothing(pair: tuple[Link, socket.socket]) -> None:
    link, peer = pair
    sent = [chunk(f"{number}" * 50_000) for number in range(9)]
    taken = [frame for frame in sent * 9 if link.try_send(frame)]
    assert 0 < len(taken) < 81
    expected = b"".join(map(encode, taken))
    received = bytearray()
    while len(received) < len(expected):
        received += peer.recv(1 << 20)
        link.try_send(Beat(busy=True))
    assert received.startswith(expected)


def test_text_waits_for_a_free_pipe_and_then_goes_as_one_chunk(pair: tuple[Link, socket.socket]) -> None:
    link, peer = pair
    while link.try_send(chunk("x" * 30_000)):
        pass
    emitter = Emitter(link, "g")
    for number, text in enumerate(("a", "b", "c"), start=1):
        emitter.emit(text, number)
    assert emitter.sequence == 0
    emitter_done = threading.Thread(target=emitter.flush, args=("d",))
    emitter_done.start()
    last = encode(Chunk(id="g", sequence=0, text="abcd", tokens=3, prompt_tokens=0))
    received = bytearray()
    while not received.endswith(last):
        received += peer.recv(1 << 20)
    emitter_done.join()
    assert emitter.sequence == 1


def test_send_waits_and_keeps_the_order(pair: tuple[Link, socket.socket]) -> None:
    link, peer = pair
    count = 0
    while link.try_send(chunk("x" * 30_000)):
        count += 1
    waiting = threading.Thread(target=link.send, args=(Beat(busy=False),))
    waiting.start()
    expected = encode(chunk("x" * 30_000)) * count + encode(Beat(busy=False))
    received = bytearray()
    while len(received) < len(expected):
        received += peer.recv(1 << 20)
    waiting.join()
    assert received == expected


def test_receive(pair: tuple[Link, socket.socket]) -> None:
    link, peer = pair
    peer.sendall(encode(Load(path="x")) + encode(Close()))
    assert link.receive() == Load(path="x")
    assert link.receive() == Close()
    peer.close()
    assert link.receive() is None


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff\xff", HEADER.pack(3) + b"abc", encode(Beat(busy=True)), b"\0\0"]
)
def test_what_is_no_frame_is_refused(pair: tuple[Link, socket.socket], data: bytes) -> None:
    link, peer = pair
    peer.sendall(data)
    peer.shutdown(socket.SHUT_WR)
    with pytest.raises(ProtocolError):
        link.receive()


# --- reading ahead ----------------------------------------------------------------------------------


def test_parts_of_a_split_model() -> None:
    assert parts(Path("/m/a.gguf")) == [Path("/m/a.gguf")]
    split = parts(Path("/m/a-00001-of-00003.gguf"))
    assert [path.name for path in split] == [f"a-0000{number}-of-00003.gguf" for number in (1, 2, 3)]


def test_reading_reports_bytes(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"x" * 2500)
    seen: list[tuple[int, int]] = []
    ReadAhead(str(path), lambda done, total: seen.append((done, total)), lambda: False, step=1000).wait()
    assert seen == [(0, 2500), (1000, 2500), (2000, 2500), (2500, 2500)]


def test_reading_can_be_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"x" * 5000)
    seen: list[int] = []
    with pytest.raises(LoadError, match=CANCELLED):
        ReadAhead(str(path), lambda done, _: seen.append(done), lambda: len(seen) > 2, step=1000).wait()
    assert seen == [0, 1000, 2000]


def test_a_load_follows_a_prefetch_from_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"x" * 2500)
    prefetch = ReadAhead(str(path), step=1000)
    prefetch.wait()
    seen: list[tuple[int, int]] = []
    assert prefetch.follow(lambda done, total: seen.append((done, total)), lambda: False)
    prefetch.wait()
    assert seen == [(2500, 2500)]


def test_a_load_does_not_follow_what_was_read_long_ago(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"x" * 2500)
    prefetch = ReadAhead(str(path))
    prefetch.wait()
    monkeypatch.setattr(reading, "FRESH_S", -1.0)
    assert not prefetch.follow(lambda *_: None, lambda: False)


@pytest.mark.parametrize("change", ["replaced", "longer", "gone"])
def test_a_load_does_not_follow_the_reading_of_another_file(tmp_path: Path, change: str) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"x" * 2500)
    prefetch = ReadAhead(str(path))
    prefetch.wait()
    if change == "longer":
        path.write_bytes(b"x" * 2501)
    elif change == "replaced":
        (tmp_path / "new").write_bytes(b"y" * 2500)
        (tmp_path / "new").replace(path)
    else:
        path.unlink()
    assert not prefetch.follow(lambda *_: None, lambda: False)


def test_a_prefetch_that_was_stopped_or_failed_is_not_followed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    failed = ReadAhead(str(tmp_path / "pipe"))
    with pytest.raises(LoadError, match="is not a file"):
        failed.wait()
    assert not failed.follow(lambda *_: None, lambda: False)
    (tmp_path / "model").write_bytes(b"x" * 50_000)
    began, told = threading.Event(), threading.Event()

    def report(done: int, _total: int) -> None:
        if done:
            began.set()
            told.wait(10)

    stopped = ReadAhead(str(tmp_path / "model"), report, step=10)
    began.wait(10)
    stopped.stop()
    told.set()
    with pytest.raises(LoadError, match=CANCELLED):
        stopped.wait()
    assert not stopped.follow(lambda *_: None, lambda: False)


# --- the library ------------------------------------------------------------------------------------


def test_another_struct_layout_is_noticed() -> None:
    context = SimpleNamespace(**(llama._CONTEXT_DEFAULTS | {"swa_full": False}))
    model = SimpleNamespace(**llama._MODEL_DEFAULTS)
    lib = SimpleNamespace(
        llama_context_default_params=lambda: context, llama_model_default_params=lambda: model
    )
    with pytest.raises(EngineError, match="swa_full is False") as caught:
        llama.check_abi(lib)
    assert "pip install" in caught.value.hint


def test_the_log_names_the_cause(capfd: pytest.CaptureFixture[str]) -> None:
    lib = SimpleNamespace(llama_log_callback=lambda function: function, llama_log_set=lambda *_: None)
    log = LlamaLog(lib)
    assert log.reason() == ""
    log._line(2, b"info\n", None)
    log._line(1, b"debug\n", None)
    log._line(4, b"llama_model_load: error loading model: tensor 'x' is cut\n", None)
    log._line(4, b"llama_model_load_from_file_impl: failed to load model\n", None)
    assert log.reason() == "tensor 'x' is cut"
    assert "debug" not in capfd.readouterr().err
    log.clear()
    assert log.reason() == ""
