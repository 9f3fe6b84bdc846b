"""Reading frames from an asyncio stream; apart from the codec, for workers have no event loop."""

import asyncio

from kensho_tui.bus.codec import HEADER, payload_size
from kensho_tui.core.errors import ProtocolError


async def read_payload(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame's payload, or None when the peer closed between two frames."""
    try:
        header = await reader.readexactly(HEADER.size)
        return await reader.readexactly(payload_size(header))
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise ProtocolError("the connection ended inside a frame") from None
        return None
    except ConnectionError:
        return None
