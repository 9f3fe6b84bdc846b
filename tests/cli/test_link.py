"""What a command says while the host it needs is kept from answering."""

import io
import sys

import pytest

from kensho_tui.cli.link import link


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_a_start_is_at_is_drawn_over_itself_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "43")
    monkeypatch.setattr(sys, "stderr", Terminal())
    kensho = link()
    for doing in ("saving chats: 1%", "saving chats: 1%", "saving chats from a damaged database: 2%", ""):
        kensho._starts(doing)
    assert sys.stderr.getvalue().split("\x1b[K") == [
        "\rThe host is saving chats: 1% …",
        "\rThe host is saving chats from a damaged…",
        "\r",
        "",
    ]


def test_a_pipe_gets_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    kensho = link()
    kensho._starts("checking the database")
    assert sys.stderr.getvalue() == ""
