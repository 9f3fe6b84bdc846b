"""The sampler chain of one generation."""

import secrets
from typing import Any

from kensho_tui.core.contract import Sampling

_SEEDS = 0xFFFFFFFF  # this value itself would mean "random" to llama.cpp


def pick_seed(seed: int | None) -> int:
    """The seed to use and to report: the one asked for (folded to 32 bits), or a fresh one."""
    return secrets.randbelow(_SEEDS) if seed is None else seed % _SEEDS


class Sampler:
    """Owns llama.cpp's chain until `close`. ``pointer`` goes into ``llama_sampler_sample``.

    Cutting to ``top_k`` comes first: the steps behind it then look at 40 candidates and not at 262,000.
    """

    def __init__(self, lib: Any, sampling: Sampling, seed: int) -> None:
        self._lib = lib
        self.pointer = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        for step in self._steps(sampling, seed):
            lib.llama_sampler_chain_add(self.pointer, step)

    def _steps(self, sampling: Sampling, seed: int) -> list[Any]:
        lib = self._lib
        if sampling.temperature <= 0:
            return [lib.llama_sampler_init_greedy()]
        steps = []
        if sampling.top_k > 0:
            steps.append(lib.llama_sampler_init_top_k(sampling.top_k))
        if 0 < sampling.top_p < 1:
            steps.append(lib.llama_sampler_init_top_p(sampling.top_p, 1))
        if sampling.min_p > 0:
            steps.append(lib.llama_sampler_init_min_p(sampling.min_p, 1))
        steps.append(lib.llama_sampler_init_temp(sampling.temperature))
        steps.append(lib.llama_sampler_init_dist(seed))
        return steps

    def close(self) -> None:
        self._lib.llama_sampler_free(self.pointer)
