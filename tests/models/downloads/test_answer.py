"""What a server's answers mean, and how long to wait: tables and properties, no sockets."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho_tui.core.errors import GatedError, HubError, KenshoError, NotFoundError
from kensho_tui.models.downloads.answer import (
    Again,
    Body,
    Changed,
    Complete,
    Known,
    judge,
    may_resume,
    retry_after,
)
from kensho_tui.models.downloads.patience import Patience, Tries
from kensho_tui.models.downloads.speed import Speed

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SHA, OTHER = "a" * 64, "b" * 64


def told(status: int, known: Known, **headers: str) -> Body:
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    return judge(status, given, known, "hub.example", NOW)


@pytest.mark.parametrize(
    ("status", "known", "headers", "expected"),
    [
        (200, Known(), {"content_length": "10", "etag": '"x"'}, Body("append", 10, '"x"')),
        (200, Known(), {}, Body("append", 0, "")),
        (200, Known(), {"content_length": "10", "content_encoding": "gzip"}, Body("append", 0, "")),
        (206, Known(4, 10), {"content_range": "bytes 4-9/10"}, Body("append", 10, "")),
        (
            206,
            Known(4, 0, "", '"x"'),
            {"content_range": "bytes 4-9/10", "etag": '"x"'},
            Body("append", 10, '"x"'),
        ),
        (200, Known(4, 10, SHA), {"content_length": "10"}, Body("skip", 10, "")),
        (200, Known(4, 0, "", '"x"'), {"content_length": "10", "etag": '"x"'}, Body("skip", 10, '"x"')),
        (200, Known(4, 0, "", '"x"'), {"content_length": "10", "etag": '"y"'}, Body("anew", 10, '"y"')),
        (200, Known(4), {"content_length": "10"}, Body("anew", 10, "")),
        (200, Known(12), {"content_length": "10", "etag": '"y"'}, Body("anew", 10, '"y"')),
    ],
)
def test_bytes_that_come(status: int, known: Known, headers: dict[str, str], expected: Body) -> None:
    assert told(status, known, **headers) == expected


@pytest.mark.parametrize(
    ("status", "known", "headers", "error"),
    [
        (206, Known(4, 10), {"content_range": "bytes 5-9/10"}, Again),
        (206, Known(4, 10), {"content_range": "bytes 4-9/*"}, Again),
        (206, Known(4, 10), {}, Again),
        (206, Known(4, 10), {"content_range": "bytes 4-10/11"}, Changed),
        (206, Known(4, 10, SHA, '"x"'), {"content_range": "bytes 4-9/10", "etag": '"y"'}, Changed),
        (200, Known(0, 10, SHA), {"content_length": "11"}, Changed),
        (200, Known(0, 10, SHA), {"content_length": "10", "x_linked_etag": f'"{OTHER}"'}, Changed),
        (200, Known(4, 10, SHA, '"x"'), {"content_length": "10", "etag": '"y"'}, Changed),
        (200, Known(), {"content_length": "-1"}, HubError),
        (200, Known(), {"content_length": str(1 << 59)}, HubError),
        (416, Known(10, 10), {"content_range": "bytes */10"}, Complete),
        (416, Known(10), {"content_range": "bytes */10"}, Complete),
        (416, Known(10, 12), {"content_range": "bytes */8"}, Changed),
        (416, Known(10), {}, Changed),
        (429, Known(), {"retry_after": "7"}, Again),
        (500, Known(), {}, Again),
        (503, Known(), {}, Again),
        (408, Known(), {}, Again),
        (401, Known(), {}, GatedError),
        (403, Known(), {}, GatedError),
        (404, Known(), {}, NotFoundError),
        (410, Known(), {}, NotFoundError),
        (204, Known(), {}, HubError),
        (304, Known(), {}, HubError),
        (400, Known(), {}, HubError),
    ],
)
def test_what_is_no_use(status: int, known: Known, headers: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        told(status, known, **headers)


@given(
    status=st.integers(100, 599),
    here=st.integers(0, 100),
    size=st.integers(0, 100),
    sha=st.sampled_from(["", SHA]),
    etag=st.sampled_from(["", '"x"', 'W/"x"']),
    headers=st.dictionaries(
        st.sampled_from(
            ["content-length", "content-range", "etag", "retry-after", "x-linked-etag", "content-encoding"]
        ),
        st.one_of(
            st.text(max_size=30),
            st.integers(-5, 200).map(str),
            st.tuples(*[st.integers(0, 100)] * 3).map(lambda it: f"bytes {it[0]}-{it[1]}/{it[2]}"),
            st.sampled_from(['"x"', f'"{SHA}"', f'"{OTHER}"', "bytes */50"]),
        ),
    ),
)
def test_whatever_a_server_says_is_an_answer_or_an_error_of_ours(
    status: int, here: int, size: int, sha: str, etag: str, headers: dict[str, str]
) -> None:
    known = Known(here, size, sha, etag)
    try:
        body = judge(status, headers, known, "hub.example", NOW)
    except (Again, Changed, Complete, KenshoError):
        return
    assert body.size >= 0
    if status == 206:
        assert body.how == "append" and headers["content-range"].strip().startswith(f"bytes {here}-")
    else:
        assert status == 200
        assert body.how == "append" if not here else body.how in ("skip", "anew")
        if body.how == "skip" and body.size:
            assert here <= body.size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12", 12.0),
        (" 0 ", 0.0),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30.0),
        ("Fri, 02 Jan 2026 03:04:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-3", None),
        ("1e9", None),
    ],
)
def test_how_long_a_server_wants_us_to_wait(text: str, seconds: float | None) -> None:
    assert retry_after(text, NOW) == seconds


def test_only_a_strong_tag_may_go_into_if_range() -> None:
    assert may_resume('"abc"') == '"abc"'
    assert [may_resume(tag) for tag in ("", 'W/"abc"', "abc", '""')] == [""] * 4


# --- waiting ---------------------------------------------------------------------------------------------


def test_waits_double_and_are_spread_and_bounded() -> None:
    tries = Tries(Patience(first_s=1, most_s=60, give_up_s=1e9, fruitless=10**9), lambda: 1.0)
    assert [tries.next(0.0) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    low = Tries(Patience(first_s=1, most_s=60), lambda: 0.0)
    assert low.next(0.0) == 0.5


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_a_wait_is_between_half_of_its_step_and_all(draws: list[float]) -> None:
    drawn = iter(draws)
    tries = Tries(Patience(give_up_s=1e9), lambda: next(drawn))
    for number in range(len(draws)):
        step = min(2.0**number, 60.0)
        wait = tries.next(0.0)
        assert wait is not None and step / 2 <= wait <= step


def test_a_server_that_says_when_is_taken_at_its_word_unless_it_says_too_much() -> None:
    tries = Tries(Patience(asked_most_s=900), lambda: 1.0)
    assert tries.next(0.0, asked_s=30) == 30
    assert tries.next(0.0, asked_s=0.1) == 2.0
    assert tries.next(0.0, asked_s=900) is None


def test_giving_up_is_by_time_or_by_answers_without_gain() -> None:
    by_time = Tries(Patience(give_up_s=100), lambda: 1.0)
    assert by_time.next(0.0) is not None and by_time.next(99.0) is not None
    assert by_time.next(100.0) is None
    by_count = Tries(Patience(fruitless=3), lambda: 1.0)
    assert [by_count.next(0.0, answered=True) is None for _ in range(3)] == [False, False, True]
    by_count.gained()
    assert by_count.next(500.0, answered=True) == 1.0


# --- speed -----------------------------------------------------------------------------------------------


def test_the_rate_is_that_of_the_last_seconds() -> None:
    speed = Speed()
    for second in range(30):
        speed.note(float(second), second * 100 if second < 15 else 1500 + (second - 15) * 1000)
    assert speed.rate == pytest.approx(1000)


def test_nothing_is_made_up_before_there_is_enough_to_tell() -> None:
    speed = Speed()
    assert speed.rate == 0
    speed.note(0.0, 0)
    speed.note(0.1, 1000)
    assert speed.rate == 0
    speed.note(1.0, 1000)
    assert speed.rate == pytest.approx(1000)
    speed.note(1.1, 0)  # it began anew
    assert speed.rate == 0
