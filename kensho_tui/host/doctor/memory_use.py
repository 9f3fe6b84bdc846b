"""Who uses the memory that models live in: kensho-tui, others, and on GPUs which others."""

from collections.abc import Collection, Sequence
from pathlib import Path

import psutil

from kensho_tui.core.errors import ProtocolError
from kensho_tui.core.sizes import human_size
from kensho_tui.hardware.card import Gpu, GpuUser, Vendor
from kensho_tui.hardware.gpu import gpus, named
from kensho_tui.hardware.pools import Pool, foreign, gpu_users, pools
from kensho_tui.host.doctor.check import Finding, Surroundings, good
from kensho_tui.host.doctor.state_checks import greet

# Names of llama.cpp for cards that have memory of their own.
_BACKENDS: dict[Vendor, str] = {"nvidia": "CUDA", "amd": "ROCm"}


def check_memory_use(around: Surroundings) -> Finding:
    """RAM and each card that models may use: what is free, what is ours, what others hold."""
    own = own_processes(around.paths.socket)
    cards = gpus(around.root)
    parts, advice = [_words(pools("CPU", own)[0], ())], ""
    for vendor, backend in _BACKENDS.items():
        seen = named(backend, [card for card in cards if card.vendor == vendor], around.environ)
        apart = [card for _, card in seen if card.total and not card.unified]
        for pool, card in zip(_pools(backend, own, apart), apart, strict=True):
            others = foreign(gpu_users(card), own)
            parts.append(_words(pool, others))
            advice = advice or _advice(pool, others)
    return good("; ".join(parts), advice)


def own_processes(socket: Path) -> frozenset[int]:
    """The host that listens at ``socket`` and all that it started; empty when none runs."""
    try:
        host = psutil.Process(greet(socket).pid)
        return frozenset({host.pid, *(child.pid for child in host.children(recursive=True))})
    except (OSError, ProtocolError, psutil.Error):
        return frozenset()


def _pools(backend: str, own: Collection[int], cards: Sequence[Gpu]) -> tuple[Pool, ...]:
    """What is hidden by the environment is left out of ``cards`` already."""
    return pools(backend, own, cards=cards, environ={}) if cards else ()


def _words(pool: Pool, others: Sequence[GpuUser]) -> str:
    text = (
        f"{pool.name}: {human_size(pool.free)} of {human_size(pool.total)} free, "
        f"kensho-tui {human_size(pool.own)}, others {human_size(pool.used_by_others)}"
    )
    return f"{text} ({', '.join(_user(user) for user in others)})" if others else text


def _user(user: GpuUser) -> str:
    size = "" if user.size is None else f" {human_size(user.size)}"
    return f"{user.name or 'unknown program'} [{user.pid}]{size}"


def _advice(pool: Pool, others: Sequence[GpuUser]) -> str:
    if pool.used_by_others * 2 < pool.total:
        return ""
    who = f"{others[0].name or 'a program'} (process {others[0].pid})" if others else "other programs"
    return f"Half of {pool.name} or more is held by {who}: large models fit only when that ends"
