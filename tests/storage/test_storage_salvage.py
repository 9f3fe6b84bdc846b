"""Salvage: whatever is done to a file with known chats, what is whole in it is found, and nothing else."""

import asyncio
import errno
import itertools
import os
import random
import shutil
import sqlite3
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho_tui.core.errors import DatabaseNewerError, DiskFullError
from kensho_tui.storage import opening
from kensho_tui.storage.chats import Chats, ModelIdentity, Outcome, Started
from kensho_tui.storage.database import open_database
from kensho_tui.storage.dates import now
from kensho_tui.storage.files import beside, family
from kensho_tui.storage.migrations import MIGRATIONS
from kensho_tui.storage.opening import prepare
from kensho_tui.storage.pages import _checksum, open_pages
from kensho_tui.storage.responses import Response, Responses
from kensho_tui.storage.salvage import CUT, SAVING, salvage

PAGE = 4096
EXAMPLES = 40
CHATS, TURNS = 12, 12
STARTED = Started(model="tiny", identity=ModelIdentity("/m/tiny.gguf", 7, 1.0), settings={"context": 64})


def text_of(chooser: random.Random, number: int) -> str:
    """Short ones, ones of several pages, and ones of many bytes for each character."""
    words = chooser.choice((f"word{number}", "längliche Wörter", "文章は続く"))
    return f"{number}: " + " ".join([words] * chooser.choice((3, 30, 90, 900)))


class Known:
    """A sound database; its messages by id with chat and text, and the pages that hold each.

    ``active``: texts of the active path, by chat. No dataclass: hypothesis would write all of it.
    """

    def __init__(self, path: Path, active: dict[str, list[str]]) -> None:
        self.path = path
        self.active = active
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute("SELECT id, chat_id, content FROM messages").fetchall()
        self.messages = {row[0]: (row[1], row[2]) for row in rows}
        self.pages = pages_of(path)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    path = tmp_path_factory.mktemp("known") / "kensho.db"
    return Known(path, asyncio.run(write(path)))


async def write(path: Path) -> dict[str, list[str]]:
    """Chats with answers, some of which are kept to be given again; returns their texts."""
    database = (await open_database(path)).database
    chats, chooser = Chats(database), random.Random(5)
    responses = Responses(database, 1 << 30, 1e9)
    ids: list[str | None] = [None] * CHATS
    for turn, place in itertools.product(range(TURNS), range(CHATS)):
        number = turn * CHATS + place
        row = await chats.begin_turn(
            ids[place], text_of(chooser, number), "tiny", "be kind" if turn == 3 else None, "streaming"
        )
        ids[place] = row.chat_id
        await chats.start_generation(row, STARTED)
        await chats.finish(row, text_of(chooser, 10_000 + number), Outcome("complete", "end"))
        if number % 9 == 0:
            answer = Response("kept answer", "end", 1, 2, "/m/tiny.gguf")
            await responses.put(f"key{number}", answer, row.chat_id, 1.0)
    active = {str(chat): [message.content for message in await chats.path(str(chat))] for chat in ids}
    await database.close()
    return active


def pages_of(path: Path) -> dict[str, frozenset[int]]:
    """Where each message lies, as SQLite sees it: its leaf and all its overflow pages."""
    with closing(sqlite3.connect(path)) as connection:
        leaves = connection.execute(
            "SELECT path, pageno FROM dbstat WHERE name = 'messages' AND pagetype != 'internal'"
        ).fetchall()
        numbers = connection.execute("SELECT number, id FROM messages ORDER BY number").fetchall()
    cells: dict[str, set[int]] = {}
    counts: dict[str, int] = {}
    with open_pages(path) as pages:
        for where, page in leaves:
            if "+" in where:
                cells.setdefault(where.split("+")[0], set()).add(page)
            else:
                content = pages.read(page) or b""
                counts[where] = int.from_bytes(content[3:5], "big")
                for cell in range(counts[where]):
                    cells.setdefault(f"{where}{cell:03x}", set()).add(page)
    in_order = [cells[where] for where in sorted(cells)]
    assert len(in_order) == len(numbers)
    return {identity: frozenset(pages) for (_, identity), pages in zip(numbers, in_order, strict=True)}


def damaged(known: Known, folder: Path, pages: set[int], content: Callable[[], bytes]) -> Path:
    path = folder / "kensho.db"
    for part in folder.iterdir():
        part.unlink()
    shutil.copy(known.path, path)
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(content())
    return path


def check_sound(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    return connection


def check_texts(known: Known, path: Path, pages: set[int]) -> int:
    """Whole texts are there, others are the beginning of what was. Returns how many are whole."""
    with closing(check_sound(path)) as connection:
        found = {
            row[0]: row[1:]
            for row in connection.execute("SELECT id, chat_id, content, error, parent_id FROM messages")
        }
        heads = connection.execute("SELECT id, head FROM chats").fetchall()
    assert found.keys() <= known.messages.keys()
    whole = 0
    for identity, (chat, text) in known.messages.items():
        intact = not known.pages[identity] & pages
        if intact:
            assert identity in found
        if identity in found:
            assert found[identity][0] == chat
            assert known.messages[identity][1].startswith(found[identity][1])
            assert (found[identity][1] == text) == (found[identity][2] is None)
            whole += found[identity][1] == text
            assert found[identity][2] in (None, CUT)
            assert intact <= (found[identity][1] == text)
    for chat, head in heads:  # a chain from the head reaches every message of the (unbranched) chat
        walked, at = [], head
        while at is not None:
            walked.append(at)
            at = found[at][3]
        assert sorted(walked) == sorted(key for key, value in found.items() if value[0] == chat)
    return whole


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1 << 32),
    part=st.integers(1, 100),
    kind=st.sampled_from(("noise", "zeros", "ones", "leaf of noise")),
)
def test_random_pages_of_noise(known: Known, tmp_path: Path, seed: int, part: int, kind: str) -> None:
    last = known.path.stat().st_size // PAGE
    chooser = random.Random(seed)
    pages = set(chooser.sample(range(1, last + 1), max(1, last * part // 300)))
    content = {
        "noise": lambda: chooser.randbytes(PAGE),
        "zeros": lambda: bytes(PAGE),
        "ones": lambda: b"\xff" * PAGE,
        "leaf of noise": lambda: b"\x0d\0\0\0\x09\0" + chooser.randbytes(PAGE - 6),
    }[kind]
    path = damaged(known, tmp_path, pages, content)
    told = prepare(path, MIGRATIONS)
    if told or kind != "zeros":  # SQLite takes zeros at the end of a text for the text
        assert told
        check_texts(known, path, pages)
        assert prepare(path, MIGRATIONS) == ()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1 << 32),
    count=st.integers(1, 40),
    how=st.sampled_from(("bytes", "sectors", "swapped", "repeated", "shifted", "cut")),
)
def test_any_other_damage_is_survived(known: Known, tmp_path: Path, seed: int, count: int, how: str) -> None:
    path = damaged(known, tmp_path, set(), bytes)
    chooser, content = random.Random(seed), bytearray(known.path.read_bytes())
    last = len(content) // PAGE
    for _ in range(count):
        one, other = (PAGE * chooser.randrange(last) for _ in range(2))
        if how == "bytes":
            content[one + chooser.randrange(PAGE)] ^= 1 << chooser.randrange(8)
        elif how == "sectors":
            at = one + 512 * chooser.randrange(PAGE // 512)
            content[at : at + 512] = chooser.randbytes(512)
        elif how == "swapped":
            content[one : one + PAGE], content[other : other + PAGE] = (
                content[other : other + PAGE],
                content[one : one + PAGE],
            )
        elif how == "repeated":
            content[one : one + PAGE] = content[other : other + PAGE]
        elif how == "shifted":
            at = one + chooser.randrange(PAGE - 64)
            content[at : one + PAGE] = content[at + 8 : one + PAGE] + bytes(8)
    path.write_bytes(content[: chooser.randrange(len(content))] if how == "cut" else content)
    told = prepare(path, MIGRATIONS)
    if told:
        check_sound(path).close()
        assert prepare(path, MIGRATIONS) == ()


def roots_of(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT name, rootpage FROM sqlite_master").fetchall())


def texts_in(path: Path) -> set[str]:
    with closing(check_sound(path)) as connection:
        return {text for (text,) in connection.execute("SELECT content FROM messages")}


@pytest.mark.parametrize("lost", ["messages", "messages_chat", "migrations", "sqlite_schema", "generations"])
def test_the_root_of_a_table_costs_no_message(known: Known, tmp_path: Path, lost: str) -> None:
    pages = {(roots_of(known.path) | {"sqlite_schema": 1})[lost]}
    path = damaged(known, tmp_path, pages, lambda: os.urandom(PAGE))
    [notice] = prepare(path, MIGRATIONS)
    assert check_texts(known, path, pages) == len(known.messages)
    assert notice.startswith(f"{CHATS} chats saved from a damaged database, none ")
    assert "messages:" not in notice
    [kept] = tmp_path.glob("kensho.db.damaged-*")
    assert f"kept as {kept}; look through your chats, then delete it" in notice
    assert {part.name for part in tmp_path.iterdir()} <= {path.name, kept.name}
    assert path.stat().st_mode & 0o777 == 0o600


def test_messages_without_their_chat_get_one_that_says_so(known: Known, tmp_path: Path) -> None:
    pages = {roots_of(known.path)["chats"]}
    path = damaged(known, tmp_path, pages, lambda: os.urandom(PAGE))
    prepare(path, MIGRATIONS)
    assert check_texts(known, path, pages) == len(known.messages)
    with closing(check_sound(path)) as connection:
        rows = connection.execute("SELECT id, title FROM chats ORDER BY number").fetchall()
        # An answer without its chats could outlive their deletion.
        links = connection.execute("SELECT count(*), count(DISTINCT key) FROM response_chats").fetchone()
        answers = connection.execute("SELECT count(*) FROM responses").fetchone()
    assert [row[0] for row in rows] == list(known.active)
    assert all(title.startswith("Recovered: ") for _, title in rows)
    assert links[1] == answers[0] > 0


async def test_a_chat_with_holes_is_shown_and_goes_on(known: Known, tmp_path: Path) -> None:
    shared = Counter(page for pages in known.pages.values() for page in pages)
    leaf = next(page for page, count in shared.items() if count > 2)
    path = damaged(known, tmp_path, {leaf}, lambda: os.urandom(PAGE))
    opened = await open_database(path)
    chats = Chats(opened.database)
    shown = 0
    for chat, texts in known.active.items():
        found = [message.content for message in await chats.path(chat)]
        shown += len(found)
        remaining = iter(texts)
        assert all(any(text.startswith(one) for text in remaining) for one in found)  # in their order
        await chats.begin_turn(chat, "and now?", "tiny", None, "queued")
        assert (await chats.path(chat))[-2].content == "and now?"
    assert 0 < len(known.messages) - shown < 20
    assert f"messages: {len(known.messages) - shown} lost" in opened.notices[0]
    await opened.database.close()


@pytest.mark.parametrize("count", range(1, len(MIGRATIONS)))
def test_an_older_database_is_saved_and_then_migrated(tmp_path: Path, count: int) -> None:
    path = tmp_path / "kensho.db"
    prepare(path, MIGRATIONS[:count])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO chats (id, title, created, updated) VALUES ('c', 't', '1', '1')")
        connection.executemany(
            "INSERT INTO messages (id, chat_id, role, state, content, created, updated)"
            " VALUES (?, 'c', 'user', 'complete', ?, '1', '1')",
            [(f"m{number}", f"text {number} " * 50) for number in range(100)],
        )
        connection.execute(
            "INSERT INTO generations (id, message_id, state, created) VALUES ('g', 'm5', 'complete', '1')"
        )
        connection.commit()
    roots = roots_of(path)
    for name in ("messages_chat", "migrations"):
        with path.open("r+b") as file:
            file.seek((roots[name] - 1) * PAGE)
            file.write(os.urandom(PAGE))
        [notice] = prepare(path, MIGRATIONS)
        assert notice.startswith("1 chat saved")
        assert texts_in(path) == {f"text {number} " * 50 for number in range(100)}
        with closing(sqlite3.connect(path)) as connection:
            names = connection.execute("SELECT name FROM migrations ORDER BY number").fetchall()
            assert connection.execute("SELECT id FROM generations").fetchall() == [("g",)]
        assert [name for (name,) in names] == [migration.name for migration in MIGRATIONS]
        roots = roots_of(path)


def test_a_newer_database_is_left_alone_also_when_damaged(known: Known, tmp_path: Path) -> None:
    path = damaged(known, tmp_path, set(), bytes)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO migrations (name, applied, version) VALUES ('9-new', '1', '9.9')")
        connection.commit()
    with path.open("r+b") as file:
        file.seek((roots_of(path)["messages"] - 1) * PAGE)
        file.write(os.urandom(PAGE))
    before = path.read_bytes()
    with pytest.raises(DatabaseNewerError, match=r"9\.9"):
        prepare(path, MIGRATIONS)
    with pytest.raises(DatabaseNewerError):
        salvage(path, tmp_path / "other", MIGRATIONS, lambda doing: None)
    assert path.read_bytes() == before
    assert [part.name for part in tmp_path.iterdir()] == [path.name]


def test_what_only_the_log_holds_is_saved(known: Known, tmp_path: Path) -> None:
    path = damaged(known, tmp_path, set(), bytes)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("UPDATE messages SET content = content || ' and more' WHERE number % 7 = 0")
        connection.commit()
        expected = {text for (text,) in connection.execute("SELECT content FROM messages")}
        killed = tmp_path / "killed"
        killed.mkdir()
        for part in family(path)[:2]:
            shutil.copy(part, killed)
    path = killed / path.name
    with path.open("r+b") as file:
        file.seek((roots_of(known.path)["generations"] - 1) * PAGE)
        file.write(os.urandom(PAGE))
    [notice] = prepare(path, MIGRATIONS)
    assert texts_in(path) == expected
    kept, *_, log = sorted(killed.glob("*.damaged-*"))
    assert log.name == f"{kept.name}-wal" and "none lost" in notice


def test_pages_of_deleted_chats_stay_deleted(known: Known, tmp_path: Path) -> None:
    path = damaged(known, tmp_path, set(), bytes)
    gone = list(known.active)[: CHATS // 2]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executemany("DELETE FROM chats WHERE id = ?", [(chat,) for chat in gone])
        connection.commit()
        expected = {text for (text,) in connection.execute("SELECT content FROM messages")}
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek((roots_of(path)["messages"] - 1) * PAGE)
        file.write(os.urandom(PAGE))
    prepare(path, MIGRATIONS)
    assert texts_in(path) == expected


def test_of_two_versions_of_a_row_the_newer_stays(known: Known, tmp_path: Path) -> None:
    """Without the first page nobody knows which leaves are free: an old one may come before the real one."""
    shared = Counter(page for pages in known.pages.values() for page in pages)
    leaf = max(page for page, count in shared.items() if count > 2)
    place = roots_of(known.path)["messages_chat"]
    assert place < leaf
    content = known.path.read_bytes()[(leaf - 1) * PAGE : leaf * PAGE]
    old = content.replace(now()[:5].encode(), b"1999-").replace(b": ", b"? ")
    path = damaged(known, tmp_path, {1}, lambda: os.urandom(PAGE))
    with path.open("r+b") as file:
        file.seek((place - 1) * PAGE)
        file.write(old)
    prepare(path, MIGRATIONS)
    there = texts_in(path)
    whole = [identity for identity, pages in known.pages.items() if pages == {leaf}]
    assert len(whole) >= 2
    assert all(known.messages[identity][1] in there for identity in whole)


def test_what_was_saved_does_not_replace_a_database_put_there_since(known: Known, tmp_path: Path) -> None:
    path = damaged(known, tmp_path, set(), bytes)
    beside(path, opening.SAVED).write_bytes(b"of an earlier start")
    assert prepare(path, MIGRATIONS) == ()
    assert check_texts(known, path, set()) == len(known.messages)
    [kept] = set(tmp_path.iterdir()) - {path}
    assert kept.read_bytes() == b"of an earlier start"


@pytest.mark.parametrize("moved", ["nothing", "all"])
def test_a_start_cut_short_between_two_renames_goes_on(
    known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: str
) -> None:
    pages = {roots_of(known.path)["messages"]}
    path = damaged(known, tmp_path, pages, lambda: os.urandom(PAGE))
    aside = opening.set_aside

    def cut(target: Path) -> Path:
        if moved == "all":
            aside(target)
        raise KeyboardInterrupt

    monkeypatch.setattr(opening, "set_aside", cut)
    with pytest.raises(KeyboardInterrupt):
        prepare(path, MIGRATIONS)
    monkeypatch.undo()
    assert path.exists() == (moved != "all")
    [notice] = prepare(path, MIGRATIONS)
    assert "saved from a damaged database" in notice and ".damaged-" in notice
    assert check_texts(known, path, pages) == len(known.messages)
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1
    assert not beside(path, opening.SAVED).exists()
    assert prepare(path, MIGRATIONS) == ()


def test_a_full_disk_while_saving_leaves_all_as_it_was(
    known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = damaged(known, tmp_path, {roots_of(known.path)["messages"]}, lambda: os.urandom(PAGE))
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(opening, "salvage", full)
    with pytest.raises(DiskFullError):
        prepare(path, MIGRATIONS)
    assert path.read_bytes() == before
    assert [part.name for part in tmp_path.iterdir()] == [path.name]


def test_a_failure_of_the_salvage_keeps_nobody_from_beginning_anew(
    known: Known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = damaged(known, tmp_path, {roots_of(known.path)["messages"]}, lambda: os.urandom(PAGE))

    def fail(*_: object) -> None:
        raise ValueError("a page nobody thought of")

    monkeypatch.setattr(opening, "salvage", fail)
    [notice] = prepare(path, MIGRATIONS)
    assert "no chat in it could be read. It is kept as" in notice and "backup" in notice
    assert texts_in(path) == set()


def test_a_changed_byte_in_a_state_costs_no_text(known: Known, tmp_path: Path) -> None:
    path = damaged(known, tmp_path, {roots_of(known.path)["messages_chat"]}, lambda: os.urandom(PAGE))
    path.write_bytes(path.read_bytes().replace(b"assistantcomplete", b"assistantcompl\0te"))
    prepare(path, MIGRATIONS)
    assert texts_in(path) == {text for _, text in known.messages.values()}
    with closing(sqlite3.connect(path)) as connection:
        states = connection.execute("SELECT DISTINCT role, state FROM messages ORDER BY role").fetchall()
    assert states == [("assistant", "interrupted"), ("user", "complete")]


def overwritten(path: Path, page: int, at: int, number: int) -> None:
    """Write four bytes of a page."""
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE + at)
        file.write(number.to_bytes(4, "big"))


def test_a_leaf_that_two_are_said_to_have_is_not_lost(known: Known, tmp_path: Path) -> None:
    """The second child of the root becomes the fourth one, too: nothing leads to the real second one."""
    root = roots_of(known.path)["messages"]
    path = damaged(known, tmp_path, set(), bytes)
    with open_pages(path) as pages:
        page = pages.read(root)
    assert page is not None and page[0] == 5
    places = struct.unpack_from(">4H", page, 12)
    overwritten(path, root, places[1], int.from_bytes(page[places[3] : places[3] + 4], "big"))
    prepare(path, MIGRATIONS)
    assert check_texts(known, path, {root}) == len(known.messages)


def test_a_root_of_another_table_costs_that_one_nothing(known: Known, tmp_path: Path) -> None:
    path = damaged(known, tmp_path, set(), bytes)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'messages')"
            " WHERE name = 'chats'"
        )
        connection.commit()
    prepare(path, MIGRATIONS)
    assert check_texts(known, path, {1}) == len(known.messages)


def test_a_page_that_is_said_to_be_free_is_not_lost_to_its_tree(known: Known, tmp_path: Path) -> None:
    path = damaged(known, tmp_path, set(), bytes)
    leaf = min(page for pages in known.pages.values() for page in pages)
    last = path.stat().st_size // PAGE + 1
    with path.open("ab") as file:
        file.write(struct.pack(">III", 0, 1, leaf).ljust(PAGE, b"\0"))
    for at, number in ((28, last), (32, last), (36, 2)):
        overwritten(path, 1, at, number)
    prepare(path, MIGRATIONS)
    assert check_texts(known, path, {1, last}) == len(known.messages)


@pytest.mark.parametrize("equal", [False, True])
def test_a_text_that_goes_on_in_another_one_does_not_cut_that_one_short(
    known: Known, tmp_path: Path, equal: bool
) -> None:
    path = damaged(known, tmp_path, set(), bytes)
    content = path.read_bytes()

    def chain(identity: str) -> tuple[int, int, int]:
        """The leaf, where in it the first page after it is named, and that page."""
        pages = known.pages[identity]
        [leaf] = [page for page in pages if content[(page - 1) * PAGE] == 13]
        body = content[(leaf - 1) * PAGE : leaf * PAGE]
        [first] = [page for page in pages - {leaf} if page.to_bytes(4, "big") in body]
        return leaf, body.index(first.to_bytes(4, "big")), first

    long = [identity for identity, pages in known.pages.items() if len(pages) > 3]
    one, other = next(
        (one, other)
        for one, other in itertools.combinations(long, 2)
        if (len(known.pages[one]) == len(known.pages[other])) == equal and chain(one)[0] != chain(other)[0]
    )
    leaf, at, _ = chain(one)
    overwritten(path, leaf, at, chain(other)[2])
    prepare(path, MIGRATIONS)
    whole = {known.messages[identity][1] for identity in known.messages if identity != one}
    assert whole <= texts_in(path)


def test_a_log_is_not_believed_to_have_pages_that_are_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "kensho.db"
    header = struct.pack(">6I", 0x377F0682, 3007000, PAGE, 0, 1, 2)
    total = _checksum(header, "<", (0, 0))
    head, page = struct.pack(">II", 1, 0xFFFFFFFF), bytes(PAGE)
    sums = struct.pack(">II", *total), struct.pack(">II", *_checksum(head + page, "<", total))
    beside(path, "-wal").write_bytes(header + sums[0] + head + header[16:24] + sums[1] + page)
    with open_pages(path) as pages:
        assert pages.count == 1 and pages.read(1) == page


def test_what_is_done_is_told(known: Known, tmp_path: Path) -> None:
    path = damaged(known, tmp_path, {roots_of(known.path)["messages"]}, lambda: os.urandom(PAGE))
    told: list[str] = []
    prepare(path, MIGRATIONS, told.append)
    first, begun, *saving, last = told
    assert (first, begun, last) == ("checking the database", SAVING, "bringing the database up to date")
    shares = [int(words.removeprefix(f"{SAVING}: ").removesuffix("%")) for words in saving]
    assert shares == sorted(shares) and 20 < len(shares) <= 100 and shares[-1] <= 100
    told.clear()
    prepare(path, MIGRATIONS, told.append)
    assert told == [first, last]


@pytest.mark.parametrize(
    ("byte", "bit"), [(0, 1), (19, 2), (20, 2), (28, 6), (32, 0), (47, 0), (52, 3), (59, 1)]
)
def test_a_bit_of_the_header_costs_no_message(known: Known, tmp_path: Path, byte: int, bit: int) -> None:
    """Magic, version, bytes reserved in each page, pages, free pages, format, kind, text encoding."""
    path = damaged(known, tmp_path, set(), bytes)
    content = bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)
    prepare(path, MIGRATIONS)
    assert check_texts(known, path, {1}) == len(known.messages)


def test_an_old_page_in_place_of_a_root_costs_no_message(known: Known, tmp_path: Path) -> None:
    """It looks like a whole table of a few rows: only the pages that nothing leads to tell of the others."""
    root = roots_of(known.path)["messages"]
    leaf = max(page for pages in known.pages.values() for page in pages if leaf_of(known, page))
    path = damaged(known, tmp_path, set(), bytes)
    content = bytearray(path.read_bytes())
    content[(root - 1) * PAGE : root * PAGE] = content[(leaf - 1) * PAGE : leaf * PAGE]
    path.write_bytes(content)
    prepare(path, MIGRATIONS)
    assert check_texts(known, path, {root}) == len(known.messages)


def leaf_of(known: Known, page: int) -> bool:
    with open_pages(known.path) as pages:
        content = pages.read(page)
    return content is not None and content[0] == 13


@pytest.mark.parametrize("step", range(len(MIGRATIONS)))
@pytest.mark.parametrize("how", ["gone", "other words"])
def test_one_step_that_cannot_be_read_costs_nothing(
    known: Known, tmp_path: Path, step: int, how: str
) -> None:
    path = damaged(known, tmp_path, set(), bytes)
    if how == "gone":
        with path.open("r+b") as file:
            file.seek((roots_of(path)["migrations"] - 1) * PAGE + 8 + 2 * step)
            file.write(b"\xff\xff")
    else:
        name = MIGRATIONS[step].name.encode()
        path.write_bytes(path.read_bytes().replace(name, name[:-1] + b"?"))
    [notice] = prepare(path, MIGRATIONS)
    assert notice.startswith(f"{CHATS} chats saved")
    assert check_texts(known, path, set()) == len(known.messages)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM generations").fetchone() == (CHATS * TURNS,)
        assert connection.execute("SELECT count(*) FROM setups").fetchone() == (1,)


def test_a_list_of_tables_that_is_no_text_is_damage(known: Known, tmp_path: Path) -> None:
    """SQLite quotes it in its error, and Python cannot read that."""
    path = damaged(known, tmp_path, set(), bytes)
    content = path.read_bytes().replace(
        b"generations_createdgenerations", b"generations\xcecreatedgenerations"
    )
    path.write_bytes(
        content.replace(b"CREATE INDEX generations_created", b"CREATE INDEY generations_created")
    )
    [notice] = prepare(path, MIGRATIONS)
    assert notice.startswith(f"{CHATS} chats saved")
    assert check_texts(known, path, set()) == len(known.messages)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 32), count=st.integers(1, 6), how=st.sampled_from(("bits", "old pages")))
def test_what_is_whole_is_saved_wherever_others_point(
    known: Known, tmp_path: Path, seed: int, count: int, how: str
) -> None:
    """Bits of heads and pointers, and pages that look sound in the place of others."""
    path = damaged(known, tmp_path, set(), bytes)
    chooser, before = random.Random(seed), known.path.read_bytes()
    content, last = bytearray(before), len(before) // PAGE
    pages = {chooser.randint(1, last) for _ in range(count)}
    for page in pages:
        at = (page - 1) * PAGE
        if how == "bits":
            content[at + chooser.randrange(64)] ^= 1 << chooser.randrange(8)
        else:
            other = PAGE * chooser.randrange(last)
            content[at : at + PAGE] = before[other : other + PAGE]
    path.write_bytes(content)
    if prepare(path, MIGRATIONS):
        with closing(check_sound(path)) as connection:
            found = dict(connection.execute("SELECT id, content FROM messages"))
        whole = [identity for identity, own in known.pages.items() if not own & pages]
        assert [identity for identity in whole if found.get(identity) != known.messages[identity][1]] == []
        assert prepare(path, MIGRATIONS) == ()
