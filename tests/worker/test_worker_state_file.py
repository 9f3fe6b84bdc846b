"""The file of a saved KV cache: whatever happened to it, only what was written comes back."""

import errno
import hashlib
import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.core.errors import DiskFullError, StorageError
from kensho_tui.worker import state_file
from kensho_tui.worker.kept import KeptState
from kensho_tui.worker.state_file import StateAborted, StateFile, StateRefused, write_state

KEPT = KeptState((1, 70_000, 3, 4), (2, 2, 6), b"ab\xff\x00cd")
PAYLOAD = random.Random(1).randbytes(3000)
KEY = "a key"
_FIXED = 40


def never() -> bool:
    return False


def write(path: Path, kept: KeptState = KEPT, payload: bytes = PAYLOAD, key: str = KEY) -> int:
    return write_state(path, key, kept, memoryview(payload), never)


def read(path: Path, key: str = KEY) -> tuple[KeptState, bytes]:
    with StateFile(path, key) as file:
        return file.kept, bytes(file.payload(never))


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.kv"


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several segments, so that several threads work, in a file of few bytes."""
    monkeypatch.setattr(state_file, "SEGMENT", 256)
    monkeypatch.setattr(state_file, "WRITE_STEP", 100)


@pytest.mark.usefixtures("small_segments")
def test_what_was_written_comes_back(path: Path) -> None:
    before = os.umask(0)
    try:
        size = write(path)
    finally:
        os.umask(before)
    assert path.stat().st_size == size
    assert path.stat().st_mode & 0o777 == 0o600
    assert read(path) == (KEPT, PAYLOAD)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=20)), max_size=30),
    st.binary(min_size=1, max_size=300),
    st.text(max_size=30),
)
def test_any_content_comes_back(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[int, bytes]], payload: bytes, key: str
) -> None:
    path = tmp_path_factory.mktemp("state") / "chat.kv"
    text, ends = b"", []
    for _, piece in pieces:
        text += piece
        ends.append(len(text))
    kept = KeptState(tuple(token for token, _ in pieces), tuple(ends), text)
    write(path, kept, payload, key)
    assert read(path, key) == (kept, payload)


@pytest.mark.usefixtures("small_segments")
def test_a_file_of_any_other_length_is_refused(path: Path) -> None:
    write(path)
    whole = path.read_bytes()
    lengths = {*range(0, len(whole), 37), *range(_FIXED + 80), *range(len(whole) - 80, len(whole))}
    files = open_files()
    for length in lengths:
        path.write_bytes(whole[:length])
        with pytest.raises(StateRefused):
            read(path)
    for more in (b"x", whole):
        path.write_bytes(whole + more)
        with pytest.raises(StateRefused):
            read(path)
    assert open_files() == files


@pytest.mark.usefixtures("small_segments")
def test_a_flipped_bit_anywhere_is_noticed(path: Path) -> None:
    write(path)
    whole = path.read_bytes()
    chosen = random.Random(2)
    places = {*range(0, 160), *range(len(whole) - 40, len(whole)), *chosen.sample(range(len(whole)), 100)}
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chosen.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(StateRefused):
            read(path)


@pytest.mark.usefixtures("small_segments")
def test_segments_that_changed_places_are_noticed(path: Path) -> None:
    write(path)
    whole = path.read_bytes()
    start = len(whole) - 32 - len(PAYLOAD)
    swapped = whole[start + 256 : start + 512] + whole[start : start + 256]
    path.write_bytes(whole[:start] + swapped + whole[start + 512 :])
    with pytest.raises(StateRefused, match="digest"):
        read(path)


def test_a_payload_of_another_file_is_noticed(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    write(one)
    write(other, KEPT._replace(ids=(1, 2, 3, 4)))
    ours, theirs = one.read_bytes(), other.read_bytes()
    one.write_bytes(ours[: len(ours) - len(PAYLOAD) - 32] + theirs[-len(PAYLOAD) - 32 :])
    with pytest.raises(StateRefused, match="digest"):
        read(one)


@pytest.mark.parametrize("key", ["another key", "a ke", "a key ", ""])
def test_another_key_is_refused(path: Path, key: str) -> None:
    write(path)
    with pytest.raises(StateRefused, match="another model, build or context"):
        read(path, key)


def sealed(fixed: bytes, rest: bytes) -> bytes:
    """A head whose digest is right, whatever it says."""
    return fixed + rest + hashlib.sha256(fixed + rest).digest()


LARGE = {
    "key": (1 << 31, 0, 0, 0, 1),
    "ids": (0, (1 << 32) - 1, 0, 0, 1),
    "ends": (0, 0, (1 << 32) - 1, 0, 1),
    "text": (0, 0, 0, (1 << 64) - 1, 1),
    "payload": (0, 0, 0, 0, (1 << 64) - 1),
    "no payload": (0, 0, 0, 0, 0),
}


@pytest.mark.parametrize("what", LARGE)
def test_absurd_lengths_are_refused_before_anything_is_read(path: Path, what: str) -> None:
    fixed = struct.pack("<8sIIIIQQ", state_file.MAGIC, state_file.VERSION, *LARGE[what])
    path.write_bytes(sealed(fixed, b"") + bytes(64))
    with pytest.raises(StateRefused, match="length"):
        read(path)


def test_a_sparse_file_as_large_as_it_says_is_refused(path: Path) -> None:
    sizes = state_file.Sizes(0, 0, 0, 0, 1 << 40)
    with path.open("wb") as file:
        file.write(struct.pack("<8sIIIIQQ", state_file.MAGIC, state_file.VERSION, *sizes))
        file.truncate(sizes.file)
    with pytest.raises(StateRefused, match="length"):
        read(path)


@pytest.mark.parametrize("ends", [(3, 2, 4), (1, 2), (5,)])
def test_a_text_that_its_tokens_do_not_cover_is_refused(path: Path, ends: tuple[int, ...]) -> None:
    write(path, KeptState((1, 2, 3), ends, b"abcd"))
    with pytest.raises(StateRefused, match="does not agree with its tokens"):
        read(path)


def test_what_is_no_file_of_ours_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "whole")
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "whole")
    (tmp_path / "foreign").write_bytes(b"GGUF" + bytes(500))
    newer = bytearray((tmp_path / "whole").read_bytes())
    newer[8] = 2
    (tmp_path / "newer").write_bytes(newer)
    os.mkfifo(tmp_path / "pipe")
    reasons = {
        "absent": "No such file",
        "empty": "cut off",
        "folder": "not a file",
        "link": "cannot be read",
        "foreign": "not a file of ours",
        "newer": "format 2",
        "pipe": "not a file",
    }
    for name, reason in reasons.items():
        with pytest.raises(StateRefused, match=reason) as refused:
            read(tmp_path / name)
        assert "\n" not in str(refused.value)


def test_a_file_that_shrinks_while_it_is_read_is_refused(path: Path) -> None:
    write(path)
    with StateFile(path, KEY) as file:
        os.truncate(path, path.stat().st_size - 40)
        with pytest.raises(StateRefused, match="cut off"):
            file.payload(never)


@pytest.mark.usefixtures("small_segments")
def test_reading_and_writing_can_be_aborted(path: Path) -> None:
    write(path)
    before = path.read_bytes()
    with StateFile(path, KEY) as file, pytest.raises(StateAborted):
        file.payload(lambda: True)
    for limit in (0, 3, 20):  # in the digests, then in the writing
        asked = [False] * limit

        def aborted(asked: list[bool] = asked) -> bool:
            return asked.pop() if asked else True

        with pytest.raises(StateAborted):
            write_state(path, KEY, KEPT, memoryview(PAYLOAD), aborted)
        assert path.read_bytes() == before
        assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("code", "error"),
    [(errno.ENOSPC, DiskFullError), (errno.EDQUOT, DiskFullError), (errno.EIO, StorageError)],
)
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_disk_that_fails_leaves_the_old_file_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception], call: str
) -> None:
    write(path)
    before = path.read_bytes()
    real: Callable[..., Any] = getattr(os, call)
    calls = iter(range(100))

    def failing(*arguments: Any) -> Any:
        if call == "write" and next(calls) < 2:
            return real(*arguments)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, failing)
    with pytest.raises(error, match="was not saved") as caught:
        write(path, payload=PAYLOAD * 2)
    monkeypatch.undo()
    assert (type(caught.value) is DiskFullError) == (error is DiskFullError)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_real_limit_of_the_system_is_a_full_disk_too(path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from kensho_tui.core.errors import DiskFullError\n"
        "from kensho_tui.worker.kept import KeptState\n"
        "from kensho_tui.worker.state_file import write_state\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "path, kept = Path(sys.argv[1]), KeptState((), (), b'')\n"
        "try: write_state(path, '', kept, memoryview(bytes(200_000)), lambda: False)\n"
        "except DiskFullError: sys.exit(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=60).returncode == 7
    assert list(path.parent.iterdir()) == []


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        write(tmp_path / "absent" / "chat.kv")
