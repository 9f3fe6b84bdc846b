"""Bytes as a person reads of them."""

import pytest

from kensho_tui.core.sizes import GIB, MIB, human_size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (12 * MIB - 1, "12 MiB"),
        (98 * MIB, "98 MiB"),
        (int(9.96 * GIB), "10.0 GiB"),
        (int(1.1 * GIB), "1.1 GiB"),
        (300 * GIB, "300.0 GiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert human_size(count) == text
