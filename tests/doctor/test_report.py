"""The report: what is in it, what is not, and how it is written."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from kensho_tui.config.settings import Settings
from kensho_tui.core.errors import KenshoError
from kensho_tui.host.doctor import report
from kensho_tui.host.doctor.check import Check, Document, Surroundings
from kensho_tui.host.doctor.redact import Redactor

DOCUMENT = Document(
    ok=False,
    checks=(
        Check(name="disk", ok=True, detail="roomy"),
        Check(name="models", ok=False, detail="none", fix="get one"),
    ),
)


def redactor(**more: object) -> Redactor:
    given: dict[str, object] = {
        "home": "/home/ann", "users": ["ann"], "machines": ["box.example.org", "box"], "secrets": [],
    }  # fmt: skip
    return Redactor(**(given | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/ann/.local/x", "~/.local/x"),
        ("/home/ann", "~"),
        ("/home/annette/x", "/home/annette/x"),
        ("/home/ann.old/x", "/home/<user>.old/x"),
        ("Ann logged in on box.example.org and BOX", "<user> logged in on <host> and <host>"),
        ("annual toolbox boxes", "annual toolbox boxes"),
        ("HF_TOKEN=abc123", "HF_TOKEN=<removed>"),
        ('"api_key": "a b c", "x": 1', '"api_key": <removed>, "x": 1'),
        ("password: hunter2", "password: <removed>"),
        ("ssh_key = '/x y'", "ssh_key = <removed>"),
        ("prompt_tokens=12 keys = {}", "prompt_tokens=12 keys = {}"),
        ("Authorization: Bearer abcdef.ghijkl", "Authorization: <removed>"),
        ("got hf_abcdefgh1234 here", "got <removed> here"),
        ("http://me:pw@proxy:3128/", "http://<removed>@proxy:3128/"),
        ("https://hub/file", "https://hub/file"),
    ],
)
def test_redaction(text: str, expected: str) -> None:
    assert redactor()(text) == expected


def test_values_of_secret_variables_are_removed_wherever_they_stand() -> None:
    assert redactor(secrets=["s3cr3t-value", "no"])("x s3cr3t-valuey no") == "x <removed>y no"


def test_a_very_short_name_does_not_shred_the_text() -> None:
    redact = redactor(home="/home/a", users=["a"], machines=["vm"])
    assert redact("a day, /data/a/x, a@web, vm, VM") == "a day, /data/<user>/x, <user>@web, <host>, VM"


def test_this_machines_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    redact = Redactor.here({"MY_API_KEY": "abcdef123456", "LOGNAME": "nickname"})
    text = redact(f"/home/somebody/x abcdef123456 nickname {os.uname().nodename}")
    assert text.startswith("~/x <removed> <user> ")
    assert os.uname().nodename not in text


def test_what_is_in_it(around: Surroundings) -> None:
    around.paths.logs.mkdir(exist_ok=True)
    (around.paths.logs / "host.log").write_text(
        "".join(f"line {i}\n" for i in range(1000)) + "end \x1b[31mred\n"
    )
    settings = Settings(model="/home/ann/models/m.gguf")
    environ = {"TERM": "xterm", "HF_TOKEN": "hf_verysecret99", "HTTPS_PROXY": "http://me:pw@proxy"}
    text = report.compose(DOCUMENT, replace(around, settings=settings, environ=environ), redactor())
    assert text.startswith(report.FIRST_LINE)
    assert "ok   disk: roomy" in text
    assert "FAIL models: none\n     to do: get one" in text
    assert "llama-cpp-python 0.3.36" in text
    assert "model = '~/models/m.gguf'" in text
    assert "TERM: xterm" in text
    assert "HF_TOKEN, HTTPS_PROXY" in text
    assert "== last lines of host.log ==\nline 801\n" in text
    assert "end red" in text
    for secret in ("verysecret", "pw@", "/home/ann", "\x1b"):
        assert secret not in text


def test_written_closed_to_others_and_only_over_a_report(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    before = os.umask(0)
    try:
        report.write(path, f"{report.FIRST_LINE}, first")
        report.write(path, f"{report.FIRST_LINE}, second")
    finally:
        os.umask(before)
    assert path.read_text().endswith("second")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_other_files_are_not_touched(tmp_path: Path) -> None:
    own = tmp_path / "thesis.txt"
    own.write_text("my thesis")
    link = tmp_path / "link"
    link.symlink_to(own)
    for path in (own, link, tmp_path):
        with pytest.raises(KenshoError, match="not touched"):
            report.write(path, "x")
    assert own.read_text() == "my thesis"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KenshoError, match="cannot be written"):
        report.write(tmp_path / "no" / "report.txt", "x")


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KenshoError, match="No space left"):
        report.write(tmp_path / "report.txt", "x")
    assert list(tmp_path.iterdir()) == []
