"""Processes killed at log-out, read from made-up system files."""

from pathlib import Path

import pytest

from kensho_tui.host.doctor.logout import judge, killed, logind_settings

MAIN = "[Login]\n#KillUserProcesses=no\n#KillExcludeUsers=root\n"


def machine(root: Path, **files: str) -> Path:
    (root / "run/systemd/system").mkdir(parents=True)
    for name, text in files.items():
        path = root / {"main": "etc/systemd/logind.conf", "cgroup": "proc/self/cgroup"}.get(name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_systemd(tmp_path: Path) -> None:
    assert "no systemd" in judge(tmp_path, "ann").detail


def test_the_usual_case(tmp_path: Path) -> None:
    found = judge(machine(tmp_path, main=MAIN), "ann")
    assert found.ok
    assert not found.fix


@pytest.mark.parametrize(
    "text",
    ["[Login]\nKillUserProcesses=yes\n", "[Login]\n#KillUserProcesses=yes\n", " KillUserProcesses = true\n"],
)
def test_killed(tmp_path: Path, text: str) -> None:
    root = machine(tmp_path, main=text)
    found = judge(root, "ann")
    assert not found.ok
    assert found.fix == "loginctl enable-linger ann"
    linger = root / "var/lib/systemd/linger/ann"
    linger.parent.mkdir(parents=True)
    linger.touch()
    assert judge(root, "ann").ok


def test_drop_ins_come_by_name_and_the_nearer_folder_wins(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        **{
            "main": MAIN,
            "usr/lib/systemd/logind.conf.d/10-a.conf": "KillUserProcesses=yes\n",
            "etc/systemd/logind.conf.d/10-a.conf": "KillUserProcesses=no\n",
            "run/systemd/logind.conf.d/05-b.conf": "KillUserProcesses=yes\nKillOnlyUsers=bob ann\n",
        },
    )
    assert logind_settings(root) == {
        "KillUserProcesses": "no",
        "KillExcludeUsers": "root",
        "KillOnlyUsers": "bob ann",
    }


@pytest.mark.parametrize(
    ("settings", "user", "expected"),
    [
        ({}, "ann", False),
        ({"KillUserProcesses": "yes"}, "ann", True),
        ({"KillUserProcesses": "yes"}, "root", False),
        ({"KillUserProcesses": "yes", "KillExcludeUsers": "ann bob"}, "ann", False),
        ({"KillUserProcesses": "yes", "KillExcludeUsers": ""}, "root", True),
        ({"KillUserProcesses": "yes", "KillOnlyUsers": "bob"}, "ann", False),
    ],
)
def test_who_is_killed(settings: dict[str, str], user: str, expected: bool) -> None:
    assert killed(settings, user) is expected


def test_a_terminal_of_the_desktop_ends_with_it(tmp_path: Path) -> None:
    cgroup = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/terminal.scope\n"
    found = judge(machine(tmp_path, main=MAIN, cgroup=cgroup), "ann")
    assert found.ok
    assert "enable-linger" in found.fix
