import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.bus.codec import HEADER, MAX_FRAME, FrameDecoder, encode, payload_size
from kensho_tui.bus.reading import read_payload
from kensho_tui.core.errors import ProtocolError
from kensho_tui.core.frames import Chunk, Close, FromWorker, ToWorker

CHUNK = Chunk(id="a", sequence=3, text="héllo", tokens=4, prompt_tokens=9)


def _reader(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


async def test_frames_come_out_as_they_went_in() -> None:
    reader = _reader(encode(CHUNK) + encode(CHUNK))
    decoder: FrameDecoder[FromWorker] = FrameDecoder(FromWorker)
    for _ in range(2):
        payload = await read_payload(reader)
        assert payload is not None and decoder.decode(payload) == CHUNK
    assert await read_payload(reader) is None


async def test_an_end_inside_a_frame_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="inside a frame"):
        await read_payload(_reader(encode(CHUNK)[:-1]))


def test_oversized_frames_are_refused_on_both_sides() -> None:
    with pytest.raises(ProtocolError, match="was announced"):
        payload_size(HEADER.pack(MAX_FRAME + 1))
    with pytest.raises(ProtocolError, match="larger than"):
        encode(b"x" * (MAX_FRAME + 1))


def test_unknown_fields_are_ignored() -> None:
    payload = msgspec.msgpack.encode({"type": "close", "why": "a newer peer says more"})
    assert FrameDecoder[ToWorker](ToWorker).decode(payload) == Close()


@given(st.binary(max_size=200))
def test_garbage_is_a_protocol_error_and_nothing_else(payload: bytes) -> None:
    decoder: FrameDecoder[FromWorker] = FrameDecoder(FromWorker)
    try:
        decoder.decode(payload)
    except ProtocolError:
        pass


def test_deep_nesting_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        FrameDecoder[FromWorker](FromWorker).decode(b"\x91" * 100_000)
