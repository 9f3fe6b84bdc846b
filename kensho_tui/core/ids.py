"""Identifiers of chats, messages, generations and streams."""

import os


def new_id() -> str:
    """A random 12-digit hexadecimal id (48 bits): short enough to type a unique prefix of."""
    return os.urandom(6).hex()
