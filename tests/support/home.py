"""A KENSHO_HOME of its own for a test, the host in it, and proof that nothing is left of it."""

import os
import signal
import site
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from kensho_tui.config.paths import Paths, find_paths

REPOSITORY = Path(__file__).resolve().parents[2]


def wait_until(condition: Callable[[], bool], seconds: float = 20.0, what: str = "") -> None:
    """Poll `condition` for `seconds` at most: for what no event tells, as the end of another process."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain {what}"
        time.sleep(0.01)


class Home:
    """`root` becomes KENSHO_HOME, for this process (through `setenv`) and for those started here."""

    def __init__(self, root: Path, setenv: Callable[[str, str], None]) -> None:
        self.root = root
        setenv("KENSHO_HOME", str(root))
        # Nor may the models of whoever runs the tests be among those found; packages stay where they are.
        setenv("PYTHONUSERBASE", site.getuserbase())
        for name in ("HOME", "HF_HUB_CACHE", "OLLAMA_MODELS"):
            setenv(name, str(root / "person"))
        self.paths: Paths = find_paths().ensure()
        self._started: list[subprocess.Popen[bytes]] = []

    def settings(self, text: str) -> None:
        self.paths.settings.write_text(text, encoding="utf-8")

    def add_model(self, name: str, content: bytes = b"GGUF scripted") -> Path:
        path = self.paths.models / f"{name}.gguf"
        path.write_bytes(content)
        return path

    def start_scripted_host(self) -> int:
        """A real host with scripted workers; returns its pid when it listens."""
        ready, told = os.pipe()
        host = subprocess.Popen(
            [sys.executable, "-m", "tests.support.scripted_host", str(told)],
            pass_fds=(told,),
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
        )
        self._started.append(host)
        os.close(told)
        with os.fdopen(ready, "rb") as pipe:
            said = pipe.read()
        assert said == b"{}", said
        return host.pid

    def run(self, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        """`kensho-tui ARGUMENTS` as a process, its output captured."""
        command = [sys.executable, "-m", "kensho_tui", *arguments]
        given: dict[str, object] = {
            "stdin": subprocess.DEVNULL,
            "capture_output": True,
            "text": True,
            "timeout": 100,
            **options,
        }
        if "input" in given:
            del given["stdin"]
        return subprocess.run(command, check=False, **given)  # type: ignore[call-overload, no-any-return]

    def processes(self) -> list[psutil.Process]:
        """Living processes of this home, but for this one."""
        found = []
        for process in psutil.process_iter():
            try:
                mine = process.environ().get("KENSHO_HOME") == str(self.root)
                if mine and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def named(self, module: str) -> list[psutil.Process]:
        """Processes of this home whose command line names `module`."""
        found = []
        for process in self.processes():
            with suppress(psutil.Error):  # it has ended since it was found
                if any(module in word for word in process.cmdline()):
                    found.append(process)
        return found

    def host_pid(self) -> int:
        """The running host's pid, as its lock file says."""
        import json

        return int(json.loads(self.paths.lock.read_text(encoding="utf-8"))["pid"])

    def wait_empty(self) -> None:
        wait_until(lambda: not self.processes(), 15, f"for {self.processes()} to end")

    def close(self) -> list[str]:
        """End what is left, by pid; the command lines of what had to be killed beyond the hosts."""
        for process in self.processes():
            try:
                process.send_signal(signal.SIGTERM)
            except psutil.Error:
                continue
        _, alive = psutil.wait_procs(self.processes(), timeout=10)
        left = [" ".join(process.cmdline()) for process in alive]
        for process in alive:
            process.kill()
        for host in self._started:
            host.wait(10)
        return left
