"""Length-prefixed msgpack frames: four bytes big-endian length, then one msgspec struct.

Unknown fields are ignored, oversized frames refused, a malformed frame is a `ProtocolError` that closes
the connection it came on and no other.
"""

import struct
from typing import Generic, TypeVar

import msgspec

from kensho_tui.core.errors import ProtocolError

MAX_FRAME = 32 * 1024 * 1024
HEADER = struct.Struct(">I")

_encoder = msgspec.msgpack.Encoder()
Frame = TypeVar("Frame")


def pack(value: object) -> msgspec.Raw:
    """`value` as the body of a frame."""
    return msgspec.Raw(_encoder.encode(value))


def encode(frame: object) -> bytes:
    """`frame` as bytes on the wire, header included."""
    payload = _encoder.encode(frame)
    if len(payload) > MAX_FRAME:
        raise ProtocolError(
            f"a message of {len(payload):,} bytes is larger than the {MAX_FRAME:,} the bus carries"
        )
    return HEADER.pack(len(payload)) + payload


def payload_size(header: bytes) -> int:
    """The payload's length in bytes, refused when it is above `MAX_FRAME`."""
    size: int = HEADER.unpack(header)[0]
    if size > MAX_FRAME:
        raise ProtocolError(f"a frame of {size:,} bytes was announced, the limit is {MAX_FRAME:,}")
    return size


class FrameDecoder(Generic[Frame]):
    """Turns payloads into frames of one union of structs."""

    def __init__(self, kinds: object) -> None:
        self._decoder = msgspec.msgpack.Decoder(kinds)

    def decode(self, payload: bytes) -> Frame:
        try:
            frame: Frame = self._decoder.decode(payload)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ProtocolError(f"a frame could not be understood: {error}") from None
        return frame
