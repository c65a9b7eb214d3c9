"""A child process that works: started with low priority, listened to, held to its limits, ended when it must end."""

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from proffer.core.jobs import Progress

LOOK_SECONDS = 0.5
GRACE_SECONDS = 5.0
LOG_LINES, LINE_BYTES = 40, 4_000
MESSAGE_BYTES = 4 << 20
"""No message is longer: a whole report fits."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
MEGABYTE = 1 << 20


class Told(msgspec.Struct, frozen=True):
    """One line of a trainer's standard output: how far it is, or its last word, a version, findings or an error."""

    what: str | None = None
    done: int = 0
    total: int = 0
    version: str | None = None
    found: dict[str, Any] | None = None
    error: str | None = None
    remedy: str | None = None


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a child ended: with a version, with what it found, with an error, or because it was told to (`cancelled`)."""

    version: str | None = None
    found: dict[str, Any] | None = None
    error: str | None = None
    remedy: str | None = None
    cancelled: bool = False
    log: tuple[str, ...] = ()


class Trainer:
    """One child process with limits: `seconds` of wall clock, `memory_mb` of resident memory.

    `stop` may be called from any thread; `run` then ends the child: first kindly, after a grace by force. `work`
    is what the child does, in the words of its errors; a training gives a version, or findings where it is `finding`.
    """

    def __init__(
        self, command: Sequence[str], seconds: float, memory_mb: int, tell: Callable[[Progress], None],
        work: str = "training", *, finding: bool = False,
    ) -> None:  # fmt: skip
        self._command = list(command)
        self._seconds = seconds
        self._memory = memory_mb
        self._tell = tell
        self._work, self._finding = work, finding
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._last = Told()
        self._stopped = False

    @property
    def log(self) -> tuple[str, ...]:
        """Return the last lines that the child wrote beside its messages."""
        return tuple(self._log)

    def stop(self) -> None:
        """Ask for the end; `run` sees it within half a second."""
        self._stopped = True

    def run(self) -> Ending:
        """Start the child, follow it to its end and say how it ended; no process is left behind."""
        # Its standard input stays open as long as this process lives: a child that reads its end has lost its parent.
        # A session of its own: Ctrl-C at this terminal is for the parent, which decides what becomes of the child.
        try:
            with subprocess.Popen(  # noqa: S603 - our own command
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env={**os.environ, **threads()}, start_new_session=True,
            ) as process:  # fmt: skip
                try:
                    broken = self._follow(process)
                    end(process, kindly=broken is not None)
                except BaseException:
                    end(process, kindly=True)
                    raise
        except OSError as error:
            return Ending(error=f"the trainer could not be started: {error}", remedy="See the machine's limits.")
        return self._ending(process.returncode, broken)

    def _follow(self, process: "subprocess.Popen[bytes]") -> Ending | None:
        """Listen until the child closes its outputs; return why it must be ended before that."""
        assert process.stdout is not None
        assert process.stderr is not None
        deadline, look = time.monotonic() + self._seconds, 0.0
        with selectors.DefaultSelector() as ears:
            ears.register(process.stdout, selectors.EVENT_READ, Lines(process.stdout, self._hear, MESSAGE_BYTES))
            ears.register(process.stderr, selectors.EVENT_READ, Lines(process.stderr, self._log.append))
            while ears.get_map():
                heard = ears.select(LOOK_SECONDS)
                for key, _ in heard:
                    if not key.data.read():
                        ears.unregister(key.fileobj)
                if not heard and process.poll() is not None:
                    return None
                if self._stopped:
                    return Ending(cancelled=True)
                if time.monotonic() >= deadline:
                    return self._too_long()
                if time.monotonic() >= look:
                    look = time.monotonic() + LOOK_SECONDS
                    if (used := resident_mb(process.pid)) is not None and used > self._memory:
                        return self._too_large(used)
        return None

    def _hear(self, line: str) -> None:
        try:
            told = msgspec.json.decode(line, type=Told)
        except (msgspec.DecodeError, UnicodeEncodeError):
            self._log.append(line[:LINE_BYTES])
            return
        if told.what is not None:
            self._tell(Progress(told.what, told.done, told.total))
        elif (told.version, told.found, told.error) != (None, None, None):
            self._last = told

    def _ending(self, status: int, broken: Ending | None) -> Ending:
        if broken is not None:
            return msgspec.structs.replace(broken, log=self.log)
        if self._last.error is not None:
            return Ending(error=self._last.error, remedy=self._last.remedy, log=self.log)
        training = self._work == "training" and not self._finding
        if status == 0 and (self._last.version if training else self._last.found) is not None:
            return Ending(version=self._last.version, found=self._last.found, log=self.log)
        how = f"by signal {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        error = (
            f"the trainer ended {how} and gave no version" if training else f"the look ended {how} and found nothing"
        )
        return Ending(error=error, remedy="See its log.", log=self.log)

    def _too_long(self) -> Ending:
        remedy = f"Give it more time: `seconds` of the request or of settings.{self._work}."
        return Ending(error=f"the {self._work} took longer than its limit of {self._seconds:g} s", remedy=remedy)

    def _too_large(self, used: float) -> Ending:
        remedy = f"Give it more memory: `memory_mb` of the request or of settings.{self._work}."
        return Ending(error=f"the {self._work} used {used:,.0f} MB, its limit is {self._memory:,} MB", remedy=remedy)


class Lines:
    """Reads a pipe as it comes and hands on whole lines, the too long ones cut."""

    def __init__(self, pipe: IO[bytes], take: Callable[[str], None], most: int = LINE_BYTES) -> None:
        self._most = most
        self._pipe = pipe
        self._take = take
        self._rest = b""

    def read(self) -> bool:
        """Take what is there; False at the end of the pipe."""
        got = os.read(self._pipe.fileno(), 65_536)
        *lines, rest = (self._rest + got).split(b"\n")
        # What comes of an endless line after its first bytes is let go, so that it takes no memory here.
        self._rest = rest[: self._most]
        if not got and rest:
            lines.append(rest)
        for line in lines:
            if line.strip():
                self._take(line[: self._most].decode("utf-8", "replace"))
        return bool(got)


def threads(cores: int | None = None) -> dict[str, str]:
    """Return the environment that leaves one core to others.

    >>> threads(8)["OMP_NUM_THREADS"], threads(1)["NUMBA_NUM_THREADS"]
    ('7', '1')
    """
    found = cores or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()) or 1
    return dict.fromkeys(THREADS, str(max(found - 1, 1)))


def resident_mb(pid: int) -> float | None:
    """Return the resident memory of a process in MB; None where the system has no /proc, or the process ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    found = next((line.split()[1] for line in lines if line.startswith("VmRSS:")), None)
    return None if found is None else int(found) * 1024 / MEGABYTE


def end(process: "subprocess.Popen[bytes]", *, kindly: bool) -> None:
    """Wait for a child's end, after asking for it where it has not said its last word; after a grace force it."""
    if kindly:
        _signal(process, signal.SIGTERM)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
