"""Environment values that change what a host does. Client and host compare digests, never values."""

import hashlib
import os

NAMES = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HF_TOKEN_PATH",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "OLLAMA_MODELS",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "GGML_VK_VISIBLE_DEVICES",
)


def digests() -> dict[str, str]:
    """The listed names that are set, each with a digest of its value (secrets stay here)."""
    return {
        name: hashlib.sha256(os.environ[name].encode("utf-8", "surrogateescape")).hexdigest()
        for name in NAMES
        if os.environ.get(name)
    }


def differing(mine: dict[str, str], theirs: dict[str, str]) -> tuple[str, ...]:
    """Names whose values are not the same on both sides."""
    return tuple(name for name in NAMES if mine.get(name) != theirs.get(name))
