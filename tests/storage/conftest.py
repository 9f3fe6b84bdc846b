"""An open database in a folder of its own, and what tests of this room share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kensho_tui.storage.chats import Chats
from kensho_tui.storage.database import Database, open_database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kensho.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    opened = await open_database(path)
    assert opened.notices == ()
    yield opened.database
    await opened.database.close()


@pytest.fixture
def chats(database: Database) -> Chats:
    return Chats(database)
