"""A home folder with models of every kind, as other programs lay them out."""

import json
from pathlib import Path

from kensho_tui.config.paths import Paths
from kensho_tui.models.sources import Elsewhere

MODEL_LAYER = "application/vnd.ollama.image.model"
PROJECTOR_LAYER = "application/vnd.ollama.image.projector"


class FakeHome:
    """`root` is the home folder; our own data lie in it too."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = Paths(*(root / name for name in ("config", "data", "cache", "logs", "run")))
        for folder in (self.paths.config, self.paths.data, self.paths.cache, self.paths.logs):
            folder.mkdir(parents=True, exist_ok=True)
        self.paths.models.mkdir(exist_ok=True)

    def elsewhere(self, *folders: str, search: bool = True, **environ: str) -> Elsewhere:
        return Elsewhere(folders, search, environ, self.root, self.root / "system")

    def file(self, path: Path | str, content: str = "") -> Path:
        """A file that begins like a model; relative to the home folder."""
        whole = self.root / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_bytes(b"GGUF" + (content or str(path)).encode("utf-8", "surrogateescape"))
        return whole

    def own(self, name: str, content: str = "") -> Path:
        return self.file(self.paths.models / name, content)

    def hub(
        self,
        repository: str,
        name: str,
        revision: str = "a" * 40,
        blob: str = "",
        root: str = ".cache/huggingface",
    ) -> Path:
        """A file of a repository in the Hugging Face cache: a link to a blob; `main` is the last revision."""
        base = self.root / root / "hub" / f"models--{repository.replace('/', '--')}"
        target = self.file(base / "blobs" / (blob or f"{revision[:4]}{name.replace('/', '')}"))
        link = base / "snapshots" / revision / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
        (base / "refs").mkdir(exist_ok=True)
        (base / "refs" / "main").write_text(revision, encoding="utf-8")
        return link

    def ollama(
        self, name: str, digest: str, *, root: str = ".ollama/models", more: tuple[str, ...] = ()
    ) -> Path:
        """A model `registry/namespace/name/tag` in Ollama's store, with further kinds of layers."""
        layers = [{"mediaType": MODEL_LAYER, "digest": f"sha256:{digest}", "size": 4}]
        layers += [{"mediaType": kind, "digest": f"sha256:{'f' * 64}"} for kind in more]
        self.manifest(name, json.dumps({"schemaVersion": 2, "layers": layers}), root=root)
        return self.file(f"{root}/blobs/sha256-{digest}")

    def manifest(self, name: str, text: str, *, root: str = ".ollama/models") -> None:
        path = self.root / root / "manifests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def lmstudio(self, name: str, root: str = ".lmstudio") -> Path:
        return self.file(f"{root}/models/{name}")
