"""Who uses the memory: scripted cards, and a host that runs."""

import os
from dataclasses import replace

import pytest

from kensho_tui.host.doctor.check import Surroundings
from kensho_tui.host.doctor.memory_use import check_memory_use, own_processes
from tests.support.home import Home
from tests.support.nvml import Card, ScriptedNvml, eight, installed

GIB = 1 << 30


def test_ram_alone(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    with installed(monkeypatch, ScriptedNvml(driver=False)):
        found = check_memory_use(around)
    assert found.ok
    assert found.detail.startswith("RAM: ")
    assert "kensho-tui 0 B, others" in found.detail
    assert ";" not in found.detail


def test_a_card_that_others_use(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    library = ScriptedNvml(Card(used=50 * GIB, reserved=GIB, users={77: 40 * GIB, 88: None}))
    library.names = {77: "/opt/bin/trainer", 88: "viewer"}
    with installed(monkeypatch, library):
        found = check_memory_use(around)
    assert found.ok
    assert found.detail.endswith(
        "; Card 0: 29.0 GiB of 79.0 GiB free, kensho-tui 0 B, others 50.0 GiB"
        " (trainer [77] 40.0 GiB, viewer [88])"
    )
    assert found.fix.startswith("Half of Card 0 or more is held by trainer (process 77)")


def test_our_own_share(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    own = frozenset({os.getpid()})
    monkeypatch.setattr("kensho_tui.host.doctor.memory_use.own_processes", lambda socket: own)
    library = ScriptedNvml(Card(used=50 * GIB, users={os.getpid(): 50 * GIB}))
    with installed(monkeypatch, library):
        found = check_memory_use(around)
    assert found.detail.endswith("; Card 0: 30.0 GiB of 80.0 GiB free, kensho-tui 50.0 GiB, others 0 B")
    assert found.fix == ""


def test_only_cards_that_models_may_use(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    with installed(monkeypatch, eight()):
        found = check_memory_use(replace(around, environ={"CUDA_VISIBLE_DEVICES": "5,2"}))
    cards = [part.partition(":")[0] for part in found.detail.split("; ")]
    assert cards == ["RAM", "Card 5", "Card 2"]


def test_the_host_and_what_it_started_are_ours(home: Home) -> None:
    assert own_processes(home.paths.socket) == frozenset()
    pid = home.start_scripted_host()
    assert pid in own_processes(home.paths.socket)
