"""Who is at the other end of a Unix socket."""

import os
import socket
import struct

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: struct ucred of Linux


def same_user(link: socket.socket) -> bool:
    """Whether the peer is a process of ours; where the system does not tell, file modes must do."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    uid: int = _CREDENTIALS.unpack(link.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))[1]
    return uid == os.getuid()
