"""The worker's life: one thread listens to the host, the main thread works with llama.cpp.

A failed or cancelled load leaves the process usable: another `Load` may follow. One model is loaded per
process; giving its memory back means ending the process, which `Close` and a closed socket do with exit
code 0. A frame that is not ours ends it with 1, a chat template that cannot be stopped with 3.
"""

import argparse
import faulthandler
import os
import queue
import select
import signal
import socket
import sys
import threading
import time
import traceback
from functools import partial
from typing import Any, NoReturn

from kensho_tui.core.contract import PhaseName
from kensho_tui.core.errors import EngineError, KenshoError, LoadError, ProtocolError
from kensho_tui.core.frames import (
    AbortWork,
    Beat,
    Close,
    DeviceMemory,
    Error,
    Generate,
    Load,
    Loaded,
    Prefetch,
    Progress,
    Save,
    ToWorker,
)
from kensho_tui.core.text import one_line
from kensho_tui.worker import llama, template
from kensho_tui.worker.engine import Engine
from kensho_tui.worker.job import Job, job_id
from kensho_tui.worker.link import Link
from kensho_tui.worker.log import LlamaLog
from kensho_tui.worker.model import load_anew, load_model
from kensho_tui.worker.reading import ReadAhead
from kensho_tui.worker.template import TemplateStuckError

BEAT_S = 1.0
REPORT_S = 0.05
EXIT_PROTOCOL = 1
EXIT_STUCK = 3


def _exit(code: int) -> NoReturn:
    """End at once: llama.cpp may be computing, and the system takes memory back faster than it would."""
    sys.stderr.flush()
    os._exit(code)


class Worker:
    """Frames in, frames out, one job at a time."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._job: Job | None = None
        self._lib: Any = None
        self._log: LlamaLog | None = None
        self._engine: Engine | None = None
        self._prefetched: ReadAhead | None = None
        self._reported: tuple[PhaseName, float] = ("starting", 0.0)
        self._unusable: KenshoError = EngineError("llama.cpp was not imported")

    def run(self) -> NoReturn:
        """Work until the host closes; never returns."""
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        try:
            self._import()
            while (job := self._jobs.get()) is not None:
                self._work(job)
        except ConnectionError:
            pass  # the host is gone
        _exit(0)

    def _import(self) -> None:
        """Import llama.cpp before anything is asked: a worker started in advance is ready sooner."""
        try:
            self._lib = llama.import_bindings()
            self._log = LlamaLog(self._lib)
            self._lib.llama_backend_init()
        except KenshoError as error:
            self._unusable = error

    # --- the listening thread -----------------------------------------------------------------------

    def _listen(self) -> None:
        poller = select.poll()
        poller.register(self._link, select.POLLIN)
        try:
            while True:
                self._beat_until_readable(poller)
                frame = self._link.receive()
                if frame is None:
                    _exit(0)
                self._take(frame)
        except ProtocolError as error:
            sys.stderr.write(f"worker: {error.message}\n")
            self._link.try_send(Error(id="", code=error.code, message=error.message))
            _exit(EXIT_PROTOCOL)
        except OSError:
            _exit(0)
        except BaseException:
            traceback.print_exc()
            _exit(EXIT_PROTOCOL)

    def _beat_until_readable(self, poller: "select.poll") -> None:
        # Sleeps without a time limit while nothing is done: an idle worker costs nothing.
        while not poller.poll(BEAT_S * 1000 if self._job is not None else None):
            if self._job is not None:
                self._link.try_send(Beat(busy=True))

    def _take(self, frame: ToWorker) -> None:
        job = self._job
        if isinstance(frame, Load | Generate | Save):
            if job is not None:
                self._link.send(Error(id=job_id(frame), code="engine", message="the worker is busy"))
                return
            new = Job(frame, time.perf_counter())
            if isinstance(frame, Load) and self._engine is None:
                new.reading = self._read_ahead(frame.path, new)
            self._job = new
            self._jobs.put(new)
        elif isinstance(frame, Prefetch):
            if job is None or not isinstance(job.frame, Load):
                self._prefetch(frame.path)
        elif isinstance(frame, AbortWork):
            if job is not None and job.id == frame.id:
                job.aborted = True
        elif isinstance(frame, Close):
            if job is not None:
                job.aborted = True
            self._jobs.put(None)

    def _prefetch(self, path: str) -> None:
        """Fill the page cache with the file at `path`; what was being read before is left where it is."""
        before, self._prefetched = self._prefetched, None
        if before is not None:
            before.stop()
        if path:
            self._prefetched = ReadAhead(path)

    def _read_ahead(self, path: str, job: Job) -> ReadAhead:
        """The reading for a load: the prefetch of the same file goes on as that."""
        report = partial(self._report, "reading")
        reading, self._prefetched = self._prefetched, None
        if reading is not None:
            if reading.path == path and reading.follow(report, job.is_aborted):
                return reading
            reading.stop()
        return ReadAhead(path, report, job.is_aborted)

    def _report(self, phase: PhaseName, done: int, total: int) -> None:
        """Tell how far a load is, a few times a second: reading along costs the other processes time."""
        now = time.perf_counter()
        if phase == self._reported[0] and done < total and now - self._reported[1] < REPORT_S:
            return
        self._reported = (phase, now)
        self._link.try_send(Progress(id="", phase=phase, done=done, total=total))

    # --- the working thread -------------------------------------------------------------------------

    def _work(self, job: Job) -> None:
        try:
            if isinstance(job.frame, Load):
                answer: Any = self._load(job, job.frame)
            else:
                answer = self._use(job, job.frame)
        except ConnectionError:
            raise
        except KenshoError as error:
            answer = Error(id=job.id, code=error.code, message=error.message, hint=error.hint)
            if isinstance(error, TemplateStuckError):
                self._link.send(answer)
                _exit(EXIT_STUCK)
        except Exception as error:
            traceback.print_exc()
            what = one_line(f"{type(error).__name__}: {error}")
            answer = Error(id=job.id, code="engine", message=f"an error inside the worker: {what}")
            if self._engine is not None:
                self._engine.reset()
        # Before the frame goes out, because the host may answer it with the next job.
        self._job = None
        self._link.send(answer)

    def _use(self, job: Job, frame: Generate | Save) -> Any:
        if self._engine is None:
            raise EngineError("no model is loaded in this worker")
        if isinstance(frame, Save):
            return self._engine.save(job, frame)
        return self._engine.generate(job, frame)

    def _load(self, job: Job, frame: Load) -> Loaded:
        if self._engine is not None and self._engine.model.load.path != frame.path:
            raise LoadError("this worker has a model already", hint="Start another worker")
        lib, log = self._lib, self._log
        if log is None:
            raise self._unusable
        if frame.template:
            template.check(frame.template, job.is_aborted)
        engine = self._set_up(job, frame, lib, log)
        model, gpus = engine.model, llama.gpus_used(lib, frame.gpu_layers)
        return Loaded(
            context=model.context,
            trained_context=model.trained,
            has_template=engine.has_template,
            device=llama.device_line(gpus),
            description=model.description,
            build=llama.build(lib),
            load_s=time.perf_counter() - job.arrived,
            buffers=model.buffers,
            devices=tuple(DeviceMemory(name=gpu.name, total=gpu.total, free=gpu.free) for gpu in gpus),
        )

    def _set_up(self, job: Job, frame: Load, lib: Any, log: LlamaLog) -> Engine:
        """The model as `frame` wants it, warm: what is there already is not loaded again."""
        progress, before = _per_mille(self._report), self._engine
        if before is not None and not before.model.differs(frame):
            before.model.take_threads(frame)
            return before
        self._engine = None
        if before is not None:
            model = load_anew(before.model, frame, log, progress, job.is_aborted)
        elif job.reading is not None:
            job.reading.wait()
            model = load_model(lib, log, frame, progress, job.is_aborted)
        else:
            raise EngineError("this load was never begun")
        self._report("warming", 0, 1)
        try:
            engine = Engine(model, self._link, frame.template)
            engine.warm_up()
        except Exception:
            model.free()  # another load may follow, and it must not be there twice then
            raise
        self._engine = engine
        return engine


def _per_mille(report: Any) -> Any:
    """llama.cpp's progress, a fraction, as `report` wants it."""

    def progress(fraction: float) -> None:
        report("loading", int(fraction * 1000), 1000)

    return progress


def probe() -> dict[str, object]:
    """What llama.cpp is here: build, devices, whether it can use a GPU. Raises `EngineError`."""
    lib = llama.import_bindings()
    log = LlamaLog(lib)
    lib.llama_backend_init()
    found = {
        "build": llama.build(lib),
        "gpu_offload": bool(lib.llama_supports_gpu_offload()),
        "devices": [device._asdict() for device in llama.devices(lib)],
    }
    del log
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="kensho_tui.worker", description="One model of kensho-tui.")
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--fd", type=int, help="inherited socket on which the host speaks")
    choice.add_argument("--probe", action="store_true", help="print llama.cpp's build and devices as JSON")
    arguments = parser.parse_args()
    faulthandler.enable()
    if arguments.probe:
        return _print_probe()
    # Ctrl+C in the host's terminal reaches its whole process group; the host decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sock = socket.socket(fileno=arguments.fd)
    sock.set_inheritable(False)
    return Worker(Link(sock)).run()


def _print_probe() -> int:
    import json

    try:
        document: dict[str, object] = {"ok": True, **probe()}
    except KenshoError as error:
        document = {"ok": False, "message": error.message, "hint": error.hint}
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()
    _exit(0 if document["ok"] else 1)
